"""Two hundred texts that somebody means harm with: markup, addresses that run, templates, marks of direction, and size.

Each that could run would set `window.harmed`.
"""

_RUN = "window.harmed=1"
_MARKUP = (
    f"<script>{_RUN}</script>",
    f"</script><script>{_RUN}</script>",
    f"<img src=x onerror={_RUN}>",
    f"<svg onload={_RUN}>",
    f"<svg><script>{_RUN}</script></svg>",
    f"<body onload={_RUN}>",
    f"<iframe srcdoc='<script>parent.{_RUN}</script>'></iframe>",
    f"<iframe src=javascript:parent.{_RUN}></iframe>",
    f"<details open ontoggle={_RUN}>",
    f"<input autofocus onfocus={_RUN}>",
    f"<a href=javascript:{_RUN}>x</a>",
    f"<form action=javascript:{_RUN}><button>x</button></form>",
    f"<math><mi xlink:href=javascript:{_RUN}>x</mi></math>",
    f"<video><source onerror={_RUN}></video>",
    f"<style>@import 'javascript:{_RUN}';</style>",
    f"<link rel=stylesheet href=javascript:{_RUN}>",
    f"<meta http-equiv=refresh content='0;javascript:{_RUN}'>",
    f"<base href=javascript:{_RUN}//>",
    f"<object data=javascript:{_RUN}></object>",
    f"<embed src=javascript:{_RUN}>",
    f"<noscript><p title='</noscript><img src=x onerror={_RUN}>'></noscript>",
    f"<template><script>{_RUN}</script></template>",
    f"<marquee onstart={_RUN}>x</marquee>",
    f"<audio src=x onerror={_RUN}>",
)
_BREAKOUTS = ("", '"', "'", '">', "'>", "-->", "]]>", "</title>", "</textarea>", "</style>", "</bdi></p>", "`")
_ADDRESSES = tuple(
    f"{scheme}{_RUN}"
    for scheme in (
        "javascript:",
        "JaVaScRiPt:",
        " javascript:",
        "java\tscript:",
        "javascript://%0a",
        "data:text/html,<script>",
        "vbscript:",
        "//evil.example.test/",
        "\\\\evil.example.test\\",
        "https:javascript:",
    )
)
_TEMPLATES = (
    "{{ 7*7 }}",
    "{% raw %}",
    "{{ config }}",
    "${7*7}",
    "$customer",
    "#{7*7}",
    "<%= 7*7 %>",
    "{{''.__class__.__mro__}}",
    "%s%s%n",
    "{0.__class__}",
)
_MARKS = (
    "\u202egnp.exe",
    "\u2066\u202eabc",
    "\u202d\u202e\u202d",
    "a\u0301" * 300,
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L",
    "\u200b\u200c\u200d\ufeff",
    "مرحبا بالعالم",
    "שלום עולם <b>",
    "👩‍👩‍👧‍👦" * 40,
    "🇫🇷🏳️‍🌈",
    "\ud7ff\ue000",
    "\u2028\u2029",
    "\x01\x02\x1b[31m\x7f",
    "\u0000".replace("\u0000", "\ufffd"),
    "﷽" * 60,
)
_SIZES = ("W" * 1500, "long " * 300, "\n" * 300 + "end", "a/" * 700, "<" * 1200, "&" * 1000, "&amp;&lt;" * 100)
_OTHERS = (
    "../../../../etc/passwd",
    "'; DROP TABLE conversation; --",
    "%00%0d%0aSet-Cookie: a=b",
    "a\r\nX-Header: 1",
    "NaN",
    "null",
    "undefined",
    "__proto__",
    "constructor",
    "-1",
    "1e999",
    "0x7f",
    " ",
    ".",
)

HOSTILE = tuple(
    dict.fromkeys(
        [breakout + markup for markup in _MARKUP for breakout in _BREAKOUTS[:6]]
        + [breakout + _MARKUP[2] for breakout in _BREAKOUTS]
        + [*_ADDRESSES, *_TEMPLATES, *_MARKS, *_SIZES, *_OTHERS]
    )
)
assert len(HOSTILE) >= 200, len(HOSTILE)

"""Pages out of templates, with the headers that keep each to itself.

A template is named by its folder: `base.html` and what else is shared lies here, `phone/inbox.html` in
`orchestrator/phone/templates`. A page extends `layout`; for a request with `X-Fragment` that is a bare one which holds
the block `live` alone, so a page renders its moving part by itself and by the same code.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

import jinja2
from aiohttp import web

from orchestrator.pages import words
from orchestrator.pages.assets import compress, static
from orchestrator.people.rights import PERSON

_HERE: Final = Path(__file__).parent
FRAGMENT: Final = "X-Fragment"

# Text from outside stands on every page: nothing inline runs, and nothing comes from elsewhere but customers' pictures.
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; font-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@cache
def _environment() -> jinja2.Environment:
    parts = {
        part: jinja2.FileSystemLoader(_HERE.parent / part / "templates") for part in ("phone", "console", "people")
    }
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.FileSystemLoader(_HERE / "templates"), jinja2.PrefixLoader(parts)]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["static"] = static
    environment.filters |= words.FILTERS
    return environment


def is_fragment(request: web.Request) -> bool:
    """Whether the moving part of the page is asked for alone."""
    return FRAGMENT in request.headers


def render(request: web.Request, template: str, /, status: int = 200, **context: Any) -> web.Response:
    """A page, or its moving part: autoescaped, compressed, with the security headers. Beside `context` a template has
    `person` (None for who is not signed in), `csrf` (empty then, unless given), `clock` (words.Clock) and `layout`."""
    person = request.get(PERSON)
    given = {
        "person": person,
        "csrf": _csrf(request),
        "clock": words.clock_of(request.cookies.get(words.ZONE_COOKIE)),
        "layout": "fragment.html" if is_fragment(request) else "base.html",
        "path": request.rel_url.path_qs,
    }
    html = _environment().get_template(template).render(given | context)
    response = web.Response(text=html, status=status, content_type="text/html", headers=HEADERS)
    response.headers.add("Vary", FRAGMENT)
    compress(request, response)
    return response


def _csrf(request: web.Request) -> str:
    if PERSON not in request:
        return ""
    from orchestrator.people.guarding import csrf_of

    return str(csrf_of(request))


def problem(request: web.Request, status: int, title: str, text: str, home: str = "/") -> web.Response:
    """A page that says what was refused, why, and what to do; `home`: where its way back leads."""
    return render(request, "problem.html", status=status, problem_title=title, problem_text=text, problem_home=home)


def answer_json(data: object, status: int = 200) -> web.Response:
    """The JSON twin of a page, with the same care."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    response = web.Response(text=text, status=status, content_type="application/json", headers=HEADERS)
    response.enable_compression()
    return response

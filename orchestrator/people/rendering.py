"""The pages of the sign-in: templates that escape whatever they are given, and headers that keep a page to itself."""

from pathlib import Path
from typing import Any, Final

import jinja2
from aiohttp import web

_HERE: Final = Path(__file__).parent
STYLE: Final = (_HERE / "static" / "signin.css").read_text()
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`, under which browsers send forms with `Origin: null`.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_TEMPLATES: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined
)


def render(_request: web.Request, template: str, /, status: int = 200, **context: Any) -> web.Response:
    """A page made of a template."""
    html = _TEMPLATES.get_template(template).render(**context)
    return web.Response(text=html, status=status, content_type="text/html", headers=HEADERS)

"""The sandbox's page: one HTML document and its static files, with the headers that keep it to itself."""

from pathlib import Path
from typing import Final, NamedTuple

import jinja2
from aiohttp import web

_HERE: Final = Path(__file__).parent
_STATIC: Final = _HERE / "static"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

_HEADERS: Final = {
    # A transcript's text comes from anybody: nothing inline runs, nothing comes from elsewhere (CSP Level 3).
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Phone(NamedTuple):
    """A phone that is on the page from the start; `channel`: sms, whatsapp or chat; `number`: no prefix."""

    channel: str
    number: str


# The customers of the built-in customer book, so that a newcomer sees a name arrive with the first message.
PHONES: Final = (
    Phone("sms", "+15550100001"),
    Phone("sms", "+15550100002"),
    Phone("whatsapp", "+15550100003"),
)

_TEMPLATES: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined
)


async def _page(_request: web.Request) -> web.Response:
    html = _TEMPLATES.get_template("page.html").render(phones=PHONES)
    return web.Response(text=html, content_type="text/html", headers=_HEADERS)


async def _static(request: web.Request) -> web.Response:
    """One file of the static folder. The name is compared with what lies there, never joined to a path."""
    name = request.match_info["name"]
    file = next((file for file in _STATIC.iterdir() if file.name == name and file.suffix in _TYPES), None)
    if file is None:
        raise web.HTTPNotFound(text="The sandbox page has no such file.", headers=_HEADERS)
    return web.Response(body=file.read_bytes(), content_type=_TYPES[file.suffix], charset="utf-8", headers=_HEADERS)


def add_routes(app: web.Application) -> None:
    """Add `GET /` and `GET /static/{name}` to the sandbox's application."""
    app.router.add_get("/", _page)
    app.router.add_get("/static/{name}", _static)

"""Static files under /static/<hash>/<name>: the hash is of all of them, so a browser may keep what it has for ever.

One hash for all lets a module import its neighbour by a relative name. A page that is older than the program asks under
a hash of the past; it is given what there is now, and told not to keep it.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from aiohttp import web

from orchestrator.people.rights import EVERYBODY, used_by

_HERE: Final = Path(__file__).parent
# The shared files have no folder in their name; each part of the program that has its own is one.
_SHELVES: Final = {
    "": _HERE / "static",
    **{f"{part}/": _HERE.parent / part / "static" for part in ("phone", "console", "people")},
}
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png"}
_KEPT: Final = "public, max-age=31536000, immutable"


class Asset(NamedTuple):
    """One file, as it is answered."""

    body: bytes
    content_type: str


@cache
def assets() -> dict[str, Asset]:
    """All static files by name, read once."""
    return {
        prefix + file.name: Asset(file.read_bytes(), _TYPES[file.suffix])
        for prefix, folder in _SHELVES.items()
        if folder.is_dir()
        for file in sorted(folder.iterdir())
        if file.suffix in _TYPES
    }


@cache
def version() -> str:
    """Twelve hexadecimal digits that change whenever a static file does."""
    digest = hashlib.sha256()
    for name, asset in assets().items():
        digest.update(name.encode() + b"\x00" + asset.body + b"\x00")
    return digest.hexdigest()[:12]


def static(name: str) -> str:
    """The URL of a static file. Raises KeyError where there is none of this name: a page of ours is wrong."""
    assets()[name]
    return f"/static/{version()}/{name}"


async def _file(request: web.Request) -> web.Response:
    asset = assets().get(request.match_info["name"])
    if asset is None:
        raise web.HTTPNotFound(text="There is no such file.")
    is_current = request.match_info["version"] == version()
    response = web.Response(
        body=asset.body,
        content_type=asset.content_type,
        charset="utf-8" if asset.content_type.startswith("text/") else None,
        headers={"Cache-Control": _KEPT if is_current else "no-store", "X-Content-Type-Options": "nosniff"},
    )
    if asset.content_type != "image/png":
        compress(request, response)
    return response


def compress(request: web.Request, response: web.Response) -> None:
    """Compress an answer for whoever takes it so, as gzip, which everything on the way understands."""
    response.headers.add("Vary", "Accept-Encoding")
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        response.enable_compression(web.ContentCoding.gzip)


async def _home(_request: web.Request) -> web.Response:
    """The sign-in leads everybody on to where his role has its work."""
    return web.Response(status=303, headers={"Location": "/signin"})


def routes() -> list[web.RouteDef]:
    """The routes of the static files, and the address without a path."""
    files = web.get("/static/{version:[0-9a-f]{12}}/{name:[a-z/]+[a-z0-9_.-]*}", used_by(EVERYBODY, _file))
    return [files, web.get("/", used_by(EVERYBODY, _home))]

"""Where a request that changes something comes from: a page of ours, or somebody else's that a browser happens to show.

Browsers say so in `Sec-Fetch-Site` (W3C Fetch Metadata), older ones in `Origin` (RFC 6454). Whatever says neither is no
browser that shows a page of ours.
"""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from orchestrator.people.sessions import is_form_token
from orchestrator.service import SERVICE

HEADER, FIELD = "X-CSRF-Token", "csrf"
BODY_DEADLINE_S = 10.0
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_PORTS = {"http": 80, "https": 443}


def is_from_us(request: web.Request) -> bool:
    """Whether a page of this service, or the person himself, made the browser send the request."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    ours = (request.app[SERVICE].settings.public_url, f"{request.scheme}://{request.host}")
    told = origin_of(request.headers.get("Origin", ""))
    return told is not None and told in [origin_of(url) for url in ours]


def origin_of(url: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port of a URL; None for what is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname, port) if parts.scheme and parts.hostname else None


async def carries_token(request: web.Request, secret: str) -> bool:
    """Whether a request has the token that a page of ours gave to whoever holds `secret`, in its header or form."""
    given = request.headers.get(HEADER)
    if given is None:
        given = (await form_of(request)).get(FIELD)
    return isinstance(given, str) and is_form_token(secret, given)


async def form_of(request: web.Request) -> Mapping[str, Any]:
    """The fields of a form; none where the body is something else or cannot be read. aiohttp bounds its size, and this
    its time."""
    if request.content_type not in _FORMS:
        return {}
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            return await request.post()
    except (ValueError, LookupError, TimeoutError):
        return {}


def local_path(found: object) -> str | None:
    """A path of this service to go on to, None for whatever a browser might take for another host's. Browsers drop tabs
    and line ends, and read `\\` as `/` (WHATWG URL, 4.4)."""
    if not isinstance(found, str) or len(found) > 2000 or not found.isascii() or not found.isprintable():
        return None
    is_path = found.startswith("/") and not found.startswith("//") and "\\" not in found and " " not in found
    return found if is_path and not found.startswith(("/signin", "/signout")) else None

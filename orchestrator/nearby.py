"""Who is on this machine: a request over loopback, through no proxy, to a service that is not meant for others."""

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web


def is_loopback(host: str | None) -> bool:
    """Whether a host name or an address means this machine and no other."""
    if host is None:
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_local(request: web.Request, public_url: str) -> bool:
    """Whether a request was made on this machine: no proxy has touched it, and others are not told to come here."""
    proxied = any(name.lower() == "forwarded" or name.lower().startswith("x-forwarded-") for name in request.headers)
    return not proxied and is_loopback(request.remote) and is_loopback(urlsplit(public_url).hostname)

"""Where a request comes from: this machine, through no proxy, to a service that is not meant for others; or an address,
as the proxies we trust tell it."""

import ipaddress
from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
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


def client_address(request: web.Request, trusted: Collection[IPv4Network | IPv6Network]) -> str | None:
    """The address of whoever sent a request; None where there is none. `trusted`: see `told_by_proxies`."""
    return told_by_proxies(request.remote, request.headers.getall("X-Forwarded-For", ()), trusted)


def told_by_proxies(
    peer: str | None, forwarded: Iterable[str], trusted: Collection[IPv4Network | IPv6Network]
) -> str | None:
    """The last address on the way here that is no trusted proxy's. `forwarded`: the values of `X-Forwarded-For`, to
    which each proxy has appended whom it heard; what is left of the first we do not trust, anybody may have written."""
    found = peer
    for told in reversed(",".join(forwarded).split(",")):
        heard_by = None if found is None else _address(found)
        address = _address(told)
        if heard_by is None or address is None or not any(heard_by in network for network in trusted):
            break
        found = str(address)
    return found


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address, perhaps in brackets or with a port; an IPv4 within IPv6 is the IPv4 it is."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address

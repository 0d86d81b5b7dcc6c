"""Variables that hold a list, mostly `name=value,…`: what is made of the text, and what is none."""

import re
from collections.abc import Iterator
from ipaddress import ip_network

SENDER = re.compile(r"(?:[a-z]+:)?(?:\+[1-9][0-9]{6,14}|[^\s+:]+)")
TEMPLATE_SID = re.compile(r"HX[0-9a-fA-F]{32}")


def _pairs(found: str) -> Iterator[tuple[str, str]]:
    for entry in filter(None, map(str.strip, found.split(","))):
        name, _, value = (part.strip() for part in entry.partition("="))
        yield name, value


def sender(found: str) -> str:
    """An address that customers are written from."""
    if not SENDER.fullmatch(found):
        raise ValueError("no sender")
    return found


def senders(found: object) -> object:
    """`prefix=address,…` as a dictionary in that order, where an address may be several, `a|b`. A prefix and its
    addresses are of one channel."""
    if not isinstance(found, str):
        return found
    known: dict[str, str] = {}
    for prefix, listed in _pairs(found):
        several = [sender(address.strip()) for address in listed.split("|")]
        kept = "|".join(several)
        same_channel = all(prefix.rpartition(":")[0] == address.rpartition(":")[0] for address in several)
        is_each_once = len(set(several)) == len(several)
        if not prefix or not same_channel or not is_each_once or known.setdefault(prefix, kept) != kept:
            raise ValueError("no list of senders")
    return known


def templates(found: object) -> object:
    """`name=HX…,…` as a dictionary in that order."""
    if not isinstance(found, str):
        return found
    known: dict[str, str] = {}
    for name, content_sid in _pairs(found):
        if not name or not TEMPLATE_SID.fullmatch(content_sid) or name in known:
            raise ValueError("no list of templates")
        known[name] = content_sid
    return known


def cover(found: object) -> object:
    """`identity=identity,…` as a dictionary whose keys are folded: identities are compared in any letter case."""
    if not isinstance(found, str):
        return found
    known: dict[str, str] = {}
    for who, by in _pairs(found):
        is_pair = who and by and "=" not in by and who.casefold() != by.casefold()
        if not is_pair or known.setdefault(who.casefold(), by) != by:
            raise ValueError("no list of who covers for whom")
    return known


def networks(found: object) -> object:
    """Addresses and networks separated by commas. All there are is none: then anybody could say who he is."""
    if not isinstance(found, str):
        return found
    known = tuple(ip_network(entry.strip()) for entry in found.split(",") if entry.strip())
    if any(network.prefixlen == 0 for network in known):
        raise ValueError("everybody is no proxy")
    return known

"""Twilio's pages: `PageSize`, `Page`, `PageToken`, and a `meta` whose URLs are absolute and on the host that was asked.

A token names the record beside the page, by its place in the order, so pages hold still while lists grow.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from orchestrator.sandbox.errors import TwilioError, bad_parameter
from orchestrator.sandbox.forms import Form

PAGE_NAMES = ("PageSize", "Page", "PageToken")
DEFAULT_SIZE = 50

T = TypeVar("T")
Rank = tuple[int, int]
_TOKEN = re.compile(r"P([AB])(\d{1,16})-(\d{1,16})")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which page a client asks for. `after` and `before` are exclusive ranks."""

    size: int
    number: int
    after: Rank | None = None
    before: Rank | None = None


def wanted_page(query: Form, max_size: int) -> Wanted:
    """Read the paging parameters. A `PageSize` above the maximum is refused, not clamped."""
    size = query.number("PageSize")
    if size is not None and not 1 <= size <= max_size:
        raise bad_parameter(f"PageSize must be between 1 and {max_size}")
    number, token = query.number("Page") or 0, query.get("PageToken")
    if number and not token:
        raise TwilioError(40153, "Paging by Page alone is not supported; follow next_page_url")
    after, before = _ranks(token) if token else (None, None)
    return Wanted(min(size or DEFAULT_SIZE, max_size), number, after, before)


def _ranks(token: str) -> tuple[Rank | None, Rank | None]:
    match = _TOKEN.fullmatch(token)
    if not match:
        raise bad_parameter("PageToken is none of ours; follow next_page_url")
    rank = int(match[2]), int(match[3])
    return (rank, None) if match[1] == "A" else (None, rank)


def page_of(
    items: Sequence[T],
    rank: Callable[[T], Rank],
    shape: Callable[[T], dict[str, Any]],
    key: str,
    url: str,
    query: Form,
    *,
    max_size: int = 100,
    descending: bool = False,
) -> dict[str, Any]:
    """The page a client asked for. `url` without its query; `rank` orders the items, from high to low when
    `descending`."""
    wanted = wanted_page(query, max_size)
    ordered = sorted(items, key=rank, reverse=descending)
    start = _start(ordered, rank, wanted, descending)
    page = ordered[start : start + wanted.size]
    more = start + wanted.size < len(ordered)

    def url_of(number: int, token: str = "") -> str:
        sent = {name: query.get(name) for name in query if name not in PAGE_NAMES}
        paging = {"PageSize": wanted.size, "Page": number} | ({"PageToken": token} if token else {})
        return f"{url}?{urlencode(sent | paging)}"

    return {
        key: [shape(item) for item in page],
        "meta": {
            "key": key,
            "page": wanted.number,
            "page_size": wanted.size,
            "first_page_url": url_of(0),
            "previous_page_url": url_of(max(wanted.number - 1, 0), _token("B", rank(page[0])))
            if start and page
            else None,
            "url": url_of(wanted.number, query.get("PageToken") or ""),
            "next_page_url": url_of(wanted.number + 1, _token("A", rank(page[-1]))) if more else None,
        },
    }


def _start(ordered: Sequence[T], rank: Callable[[T], Rank], wanted: Wanted, descending: bool) -> int:
    """Where the page begins in the ordered list."""

    def precedes(item: T, edge: Rank) -> bool:
        return rank(item) > edge if descending else rank(item) < edge

    if wanted.after is not None:
        edge = wanted.after
        return sum(precedes(item, edge) or rank(item) == edge for item in ordered)
    if wanted.before is not None:
        edge = wanted.before
        return max(sum(precedes(item, edge) for item in ordered) - wanted.size, 0)
    return 0


def _token(side: str, rank: Rank) -> str:
    return f"P{side}{rank[0]}-{rank[1]}"

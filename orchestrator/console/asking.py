"""What the address of the board asks for: filters, a search and a page, out of a query and back into one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final
from urllib.parse import urlencode

from sqlalchemy import Connection

from orchestrator.addresses import PHONE_CHANNELS, is_phone, normalise, spellings
from states.customers import folded
from states.table import OPEN, STATES
from storage import boards
from storage.boards import CHANNELS, Filter, Sought

TEXT_MAX: Final = 200
OPEN_ONES, EVERY = "open", "all"
_MINUTE_MS: Final = 60_000
# Shorter, and too many conversations begin so.
_SID: Final = re.compile(r"CH[0-9a-f]{6,32}", re.IGNORECASE)
_SID_IS: Final = re.compile(r"CH[0-9a-f]{0,5}", re.IGNORECASE)


class BadAsk(Exception):
    """The address asks for something that cannot be; the text says what, for whoever typed it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The board as it is asked for. `state`: one of the table's, `open` or `all`; `waiting`: minutes in the queue at
    least; `after`: the cursor of an earlier page."""

    q: str = ""
    state: str = OPEN_ONES
    worker: str = ""
    channel: str = ""
    waiting: int | None = None
    failing: bool = False
    after: int | None = None

    def query(self, **changes: Any) -> str:
        """The query of the same board with these changes, the first page of it unless said otherwise; what is as
        usual is left out."""
        wanted = replace(self, **({"after": None} | changes))
        told = {field.name: getattr(wanted, field.name) for field in fields(wanted)}
        usual = {field.name: field.default for field in fields(wanted)}
        kept = {name: "1" if value is True else value for name, value in told.items() if value != usual[name]}
        return f"?{urlencode(kept)}" if kept else "?"

    @property
    def narrows(self) -> bool:
        """Whether anything but the page is asked for."""
        return replace(self, after=None) != Asked()


def asked(query: Mapping[str, str]) -> Asked:
    """What a query asks for; empty values ask for nothing. Raises BadAsk."""
    given = {name: value.strip() for name, value in query.items() if value.strip()}
    state, channel = given.get("state", OPEN_ONES), given.get("channel", "")
    if state not in (*STATES, OPEN_ONES, EVERY):
        raise BadAsk(f"state must be one of {', '.join((OPEN_ONES, EVERY, *STATES))}.")
    if channel and channel not in CHANNELS:
        raise BadAsk(f"channel must be one of {', '.join(CHANNELS)}.")
    if any(len(given.get(name, "")) > TEXT_MAX for name in ("q", "worker")):
        raise BadAsk(f"A search and a worker may be {TEXT_MAX} characters long.")
    return Asked(
        q=given.get("q", ""),
        state=state,
        worker=given.get("worker", ""),
        channel=channel,
        waiting=_whole(given, "waiting", 6),
        failing=given.get("failing") == "1",
        after=_whole(given, "after", 17),
    )


def _whole(given: Mapping[str, str], name: str, digits: int) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= digits):
        raise BadAsk(f"{name} must be a whole number of at most {digits} digits.")
    return int(text)


def whole(query: Mapping[str, str], name: str) -> int | None:
    """A number of a query, None where it has none. Raises BadAsk."""
    return _whole({key: value.strip() for key, value in query.items() if value.strip()}, name, 17)


def filter_of(connection: Connection, wanted: Asked, now: int) -> Filter:
    """The filter that a board asks for at `now` (milliseconds since 1970)."""
    states = {OPEN_ONES: OPEN, EVERY: ()}.get(wanted.state, (wanted.state,))
    return Filter(
        states=states,
        worker=wanted.worker.casefold() or None,
        channel=wanted.channel or None,
        waiting_before=None if wanted.waiting is None else now - wanted.waiting * _MINUTE_MS,
        failing=wanted.failing,
        sought=sought(connection, wanted.q) if wanted.q else None,
    )


def sought(connection: Connection, text: str) -> Sought:
    """What a search may mean: the beginning of a SID; else an address in any spelling, a worker's identity, or a part
    of what the customer book says of somebody. Raises BadAsk for a SID of which too little is given."""
    if _SID.fullmatch(text):
        return Sought(sid_begins="CH" + text[2:].lower())
    if _SID_IS.fullmatch(text) and len(text) > 2:
        raise BadAsk("Give at least the first six characters after CH of a conversation's SID.")
    keys = [normalise(text), *boards.addresses_of(connection, folded(text))]
    addresses = dict.fromkeys(address for key in keys for address in (*_spelled(key), text))
    return Sought(addresses=tuple(addresses), identity=text.casefold())


def _spelled(key: str) -> tuple[str, ...]:
    """An address as Twilio writes it on each channel."""
    if not is_phone(key):
        return spellings(key)
    return tuple(key if channel == "sms" else f"{channel}:{key}" for channel in sorted(PHONE_CHANNELS))


def channel_of(address: str | None) -> str:
    """The channel a customer is on, by his address."""
    for channel, prefix in boards.PREFIXES.items():
        if address is not None and address.startswith(prefix):
            return channel
    return "chat"

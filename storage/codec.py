"""Events, facts, effects and snapshots to JSON and back.

A field at its default is left out, so a row stays small and a field added later with a default reads old rows. A kind
that is renamed or changes its meaning needs a new name; the old one stays readable as long as rows may hold it.
"""

import json
from collections.abc import Callable, Hashable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, cast, get_args

from states.conversation import Claim, Conversation, FlexStay, Present, Profile
from states.effects import Effect
from states.events import Event
from states.facts import Fact
from states.names import snake_case
from storage.errors import UnknownCodec

_KINDS: dict[str, type] = {
    snake_case(kind.__name__): kind for kind in (*get_args(Event), *get_args(Fact), *get_args(Effect))
}


# What a snapshot has that the table of conversations has a column for.
COLUMNS = ("sid", "created_at", "updated_at", "state", "version", "address", "proxy_address")

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_ATOMS = frozenset((str, int, bool, float, dict, type(None)))


@cache
def _shape(kind: Any) -> tuple[Callable[[Any], tuple[Any, ...]], tuple[tuple[str, Any], ...]]:
    """How to take the values of a dataclass, and the name and default of each: MISSING, which equals nothing, where it
    has none. What the table of conversations has columns for is left to it."""
    left_out = COLUMNS if kind is Conversation else ()
    told = tuple((field.name, field.default) for field in fields(kind) if field.name not in left_out)
    names = [name for name, _default in told]
    take = attrgetter(*names) if len(names) > 1 else lambda value: tuple(getattr(value, name) for name in names)
    return take, told


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is tuple:
        return [_plain(item) for item in value]
    take, told = _shape(cast(Hashable, kind))
    return {
        name: item if type(item) in _ATOMS else _plain(item)
        for (name, default), item in zip(told, take(value), strict=True)
        if item != default
    }


def kind_of(value: object) -> str:
    """The kind an event, fact or effect is stored under."""
    return snake_case(type(value).__name__)


def encode(value: Event | Fact | Effect) -> str:
    """An event, fact or effect as JSON, with its kind."""
    return _dumps({"kind": kind_of(value), **_plain(value)})


def encoded_field(name: str, value: str) -> str:
    """A field as it stands in what `encode` writes. No text of a field can look like it: its quotes are escaped."""
    return _dumps({name: value})[1:-1]


def decode(text: str) -> Any:
    """What `encode` wrote. Raises UnknownCodec for a kind or a field nobody knows any more."""
    data = json.loads(text)
    kind = _KINDS.get(data.pop("kind", ""))
    if kind is None:
        raise UnknownCodec("a stored row is of an unknown kind")
    try:
        return kind(**{name: tuple(item) if isinstance(item, list) else item for name, item in data.items()})
    except TypeError as error:
        raise UnknownCodec(f"a stored {kind.__name__} has fields this version does not know") from error


def encode_conversation(conversation: Conversation) -> str:
    """A snapshot as JSON, but for what the table has columns for."""
    return _dumps(_plain(conversation))


def decode_conversation(row: Any) -> Conversation:
    """The snapshot of a row (a mapping): its columns and what `encode_conversation` wrote. Raises UnknownCodec for a
    field nobody knows any more."""
    data = json.loads(row["snapshot"])
    data |= {name: row[name] for name in COLUMNS}
    try:
        return _conversation(data)
    except TypeError as error:
        raise UnknownCodec("a stored Conversation has fields this version does not know") from error


def _conversation(data: dict[str, Any]) -> Conversation:
    if data.get("customer") is not None:
        data["customer"] = Profile(**data["customer"])
    if data.get("claim") is not None:
        data["claim"] = Claim(**data["claim"])
    if data.get("flex") is not None:
        data["flex"] = FlexStay(**data["flex"] | {"agents": tuple(data["flex"].get("agents", ()))})
    for name in ("workers", "leaving"):
        if name in data:
            data[name] = tuple(Present(**worker) for worker in data[name])
    if "withdrawn" in data:
        data["withdrawn"] = tuple(Claim(**claim) for claim in data["withdrawn"])
    for name in ("gone", "refused", "relieved"):
        if name in data:
            data[name] = tuple(data[name])
    return Conversation(**data)

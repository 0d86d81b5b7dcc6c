"""Events, facts, effects, calls and snapshots to JSON and back.

A field at its default is left out, so a row stays small and a field added later with a default reads old rows. A kind
that is renamed or changes its meaning needs a new name; the old one stays readable as long as rows may hold it.
"""

import json
from collections.abc import Callable, Hashable
from dataclasses import fields
from functools import cache
from json.encoder import encode_basestring
from operator import attrgetter, itemgetter
from typing import Any, cast, get_args

from states.calls import Call
from states.conversation import Claim, Conversation, FlexStay, Present, Profile
from states.effects import Effect
from states.events import Event
from states.facts import Fact
from states.names import snake_case
from storage.errors import UnknownCodec

_KINDS: dict[str, type] = {
    snake_case(kind.__name__): kind for kind in (*get_args(Event), *get_args(Fact), *get_args(Effect), Call)
}


# What a snapshot has that the table of conversations has a column for.
COLUMNS = ("sid", "created_at", "updated_at", "state", "version", "address", "proxy_address")
_columns = itemgetter(*COLUMNS)

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_loads = json.JSONDecoder().raw_decode


@cache
def _shape(kind: Any) -> tuple[tuple[str, Any, Callable[[Any], Any]], ...]:
    """Of each field of a dataclass its name as JSON has it, its default (MISSING, which equals nothing, where it has
    none), and how to take it. What the table of conversations has columns for is left to it."""
    left_out = COLUMNS if kind is Conversation else ()
    told = [field for field in fields(kind) if field.name not in left_out]
    return tuple((f",{_dumps(field.name)}:", field.default, attrgetter(field.name)) for field in told)


def _members(value: Any) -> str:
    """The fields of a dataclass that are not at their defaults, each behind a comma. Written straight away: a dict for
    the encoder, and an encoder for each dict, would cost three times as much."""
    return "".join(
        [
            name + _WRITERS.get(type(item), _object)(item)
            for name, default, take in _shape(cast(Hashable, type(value)))
            if (item := take(value)) != default
        ]
    )


def _object(value: Any) -> str:
    return f"{{{_members(value)[1:]}}}"


def _list(items: tuple[Any, ...]) -> str:
    return f"[{','.join([_WRITERS.get(type(item), _object)(item) for item in items])}]"


_WRITERS: dict[type, Callable[[Any], str]] = {
    str: encode_basestring,
    int: repr,
    bool: {False: "false", True: "true"}.__getitem__,
    float: _dumps,
    dict: _dumps,
    type(None): _dumps,
    tuple: _list,
}


def kind_of(value: object) -> str:
    """The kind an event, fact or effect is stored under."""
    return snake_case(type(value).__name__)


def encode(value: Event | Fact | Effect | Call) -> str:
    """An event, fact, effect or call as JSON, with its kind."""
    return f'{{"kind":"{kind_of(value)}"{_members(value)}}}'


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
    return _object(conversation)


def decode_conversation(row: Any) -> Conversation:
    """The snapshot of a row (a mapping): its columns and what `encode_conversation` wrote. Raises UnknownCodec for a
    field nobody knows any more."""
    data, _end = _loads(row["snapshot"])
    try:
        return _conversation(data | dict(zip(COLUMNS, _columns(row), strict=True)))
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
    for name in ("gone", "refused", "relieved", "silenced"):
        if name in data:
            data[name] = tuple(data[name])
    return Conversation(**data)

"""Events, facts, effects, calls and snapshots to JSON and back.

A field at its default is left out, so a row stays small and a field added later with a default reads old rows. A kind
that is renamed or changes its meaning needs a new name; the old one stays readable as long as rows may hold it.
"""

from operator import attrgetter
from typing import Any, Union

from msgspec import DecodeError, defstruct
from msgspec.json import Decoder, Encoder
from msgspec.structs import fields

from states.calls import Call
from states.conversation import Conversation
from states.effects import Effect
from states.events import Event
from states.facts import Fact
from states.names import snake_case
from states.values import Kind, Value
from storage.errors import UnknownCodec

# What a snapshot has that the table of conversations has a column for.
COLUMNS = ("sid", "created_at", "updated_at", "state", "version", "address", "proxy_address")
_columns = attrgetter(*COLUMNS)
_left = [field for field in fields(Conversation) if field.name not in COLUMNS]
_rest = attrgetter(*(field.name for field in _left))
# What has a column is read, for rows of the first version hold it, and dropped.
_Snapshot = defstruct(
    "_Snapshot",
    [*((field.name, field.type, field.default) for field in _left), *((name, Any, None) for name in COLUMNS)],
    bases=(Value,),
    frozen=True,
)

_encode = Encoder().encode
_decode: Any = Decoder(Union[Event, Fact, Effect, Call]).decode  # noqa: UP007
_decode_snapshot: Any = Decoder(_Snapshot).decode


def kind_of(value: Kind) -> str:
    """The kind an event, fact or effect is stored under."""
    return snake_case(type(value).__name__)


def encode(value: Kind) -> str:
    """An event, fact, effect or call as JSON, with its kind."""
    return _encode(value).decode()


def encoded_field(name: str, value: str) -> str:
    """A field as it stands in what `encode` writes. No text of a field can look like it: its quotes are escaped."""
    return _encode({name: value}).decode()[1:-1]


def decode(text: str) -> Any:
    """What `encode` wrote. Raises UnknownCodec for a kind or a field nobody knows any more, and for what cannot be
    read."""
    try:
        return _decode(text)
    except DecodeError as error:
        raise UnknownCodec(f"a stored row is of a kind or has a field this version does not know: {error}") from error


def encode_conversation(conversation: Conversation) -> str:
    """A snapshot as JSON, but for what the table has columns for."""
    return _encode(_Snapshot(*_rest(conversation))).decode()


def decode_conversation(row: Any) -> Conversation:
    """The snapshot of a row of the table: its columns and what `encode_conversation` wrote. Raises UnknownCodec for a
    field nobody knows any more."""
    try:
        snapshot = _decode_snapshot(row.snapshot)
    except DecodeError as error:
        raise UnknownCodec(f"a stored Conversation has fields this version does not know: {error}") from error
    return Conversation(*_columns(row), *_rest(snapshot))

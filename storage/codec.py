"""Events, facts, effects and snapshots to JSON and back.

A field at its default is left out, so a row stays small and a field added later with a default reads old rows. A kind
that is renamed or changes its meaning needs a new name; the old one stays readable as long as rows may hold it.
"""

import json
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, TypeVar, get_args

from states.conversation import Claim, Conversation, Present, Profile
from states.effects import Effect
from states.events import Event
from states.facts import Fact
from states.names import snake_case
from storage.errors import UnknownCodec

T = TypeVar("T")

_KINDS: dict[str, type] = {
    snake_case(kind.__name__): kind for kind in (*get_args(Event), *get_args(Fact), *get_args(Effect))
}


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _is_default(field: Field[Any], value: Any) -> bool:
    return field.default is not MISSING and value == field.default


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((field, getattr(value, field.name)) for field in fields(value))
        return {field.name: _plain(item) for field, item in pairs if not _is_default(field, item)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def kind_of(value: object) -> str:
    """The kind an event, fact or effect is stored under."""
    return snake_case(type(value).__name__)


def encode(value: Event | Fact | Effect) -> str:
    """An event, fact or effect as JSON, with its kind."""
    return _dumps({"kind": kind_of(value), **_plain(value)})


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
    """A snapshot as JSON."""
    return _dumps(_plain(conversation))


def decode_conversation(text: str) -> Conversation:
    """What `encode_conversation` wrote. Raises UnknownCodec for a field nobody knows any more."""
    data = json.loads(text)
    try:
        return _conversation(data)
    except TypeError as error:
        raise UnknownCodec("a stored Conversation has fields this version does not know") from error


def _conversation(data: dict[str, Any]) -> Conversation:
    if data.get("customer") is not None:
        data["customer"] = Profile(**data["customer"])
    if data.get("claim") is not None:
        data["claim"] = Claim(**data["claim"])
    data["workers"] = tuple(Present(**worker) for worker in data.get("workers", ()))
    data["gone"] = tuple(data.get("gone", ()))
    data["refused"] = tuple(data.get("refused", ()))
    return Conversation(**data)

"""Talk: a transaction's part in what people read of a conversation, beside its history.

Customers' messages stand in the history and are not written again; those of workers and of the program are, and how far
each got on its way, and who is with whom. Nothing of it is written for a customer's message. `touched` are the
conversations that were changed by it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Table, case, delete, func, literal_column, update

from states.facts import MessagePublished
from storage.schema import conversation_worker, delivery, message
from storage.statements import Sql, Statement, Words

# How far a message got; what comes late and says less is not believed any more. The last two are final.
PROGRESS = {"sent": 0, "delivered": 1, "read": 2, "failed": 3, "undelivered": 3}
# Twilio Docs, "Error and Warning Dictionary", 21610: the recipient has said STOP to this sender.
OPTED_OUT = 21610


@dataclass(frozen=True, slots=True)
class Receipt:
    """How far a message got with one recipient. `status`: a key of PROGRESS; `error_code`: Twilio's, if it failed."""

    conversation_sid: str
    message_sid: str
    participant_sid: str
    status: str
    error_code: int | None = None


@dataclass(slots=True)
class Talk:
    """Gathers rows, which `flush` writes. Times in milliseconds since 1970."""

    sql: Sql
    now: int
    touched: set[str] = field(default_factory=set)
    _messages: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    _receipts: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    _workers: dict[tuple[str, str], bool] = field(default_factory=dict)
    _closed: list[dict[str, Any]] = field(default_factory=list)

    def published(self, sid: str, fact: MessagePublished, at: int | None = None, effect_key: str | None = None) -> None:
        """A message that is nobody's event stands in the conversation, since `at` where that is known. The first who
        tells of it is believed; `effect_key`, where it is ours, may be told later."""
        known = self._messages.get((sid, fact.index))
        if known is not None:
            known["effect_key"] = known["effect_key"] or effect_key
            return
        self._messages[sid, fact.index] = {
            "conversation_sid": sid,
            "message_index": fact.index,
            "message_sid": fact.message_sid,
            "author": _storable(fact.author),
            "body": _storable(fact.body),
            "media": fact.media,
            "at": self.now if at is None else min(at, self.now),
            "effect_key": effect_key,
        }
        self.touched.add(sid)

    def reached(self, receipt: Receipt) -> None:
        """A message got so far, or no further."""
        key = receipt.message_sid, receipt.participant_sid
        known = self._receipts.get(key)
        if known is not None and PROGRESS[known["status"]] >= PROGRESS[receipt.status]:
            return
        self._receipts[key] = {
            "message_sid": receipt.message_sid,
            "participant_sid": receipt.participant_sid,
            "conversation_sid": receipt.conversation_sid,
            "status": receipt.status,
            "error_code": receipt.error_code,
            "at": self.now,
        }
        self.touched.add(receipt.conversation_sid)

    def workers(self, sid: str, before: Collection[str], after: Collection[str]) -> None:
        """Who is in a conversation changed; identities in any letter case."""
        was, is_now = {who.casefold() for who in before}, {who.casefold() for who in after}
        self._workers |= {(who, sid): True for who in is_now - was} | {(who, sid): False for who in was - is_now}

    def closed(self, sid: str) -> None:
        """A conversation is over: it stays that of the workers who are in it now."""
        self._closed.append({"conversation_sid": sid, "closed_at": self.now})

    def flush(self) -> None:
        """Write what was gathered."""
        if self._messages:
            self.sql.many(_ADD_MESSAGES, [self._messages[key] for key in sorted(self._messages)])
            self._messages = {}
        if self._receipts:
            self.sql.many(_ADVANCE, [self._receipts[key] for key in sorted(self._receipts)])
            self._receipts = {}
        if self._workers:
            self._flush_workers()
        if self._closed:
            self.sql.many(_CLOSE, self._closed)
            self._closed = []

    def _flush_workers(self) -> None:
        rows = [
            {"identity": who, "conversation_sid": sid, "since": self.now, "is_in": is_in}
            for (who, sid), is_in in sorted(self._workers.items())
        ]
        if gone := [row for row in rows if not row["is_in"]]:
            self.sql.many(_FORGET, gone)
        if come := [row for row in rows if row["is_in"]]:
            self.sql.many(_JOIN, come)
        self._workers = {}


def _storable(text: str) -> str:
    """PostgreSQL keeps no NUL in a text; a list of Twilio's may hold one, and no field of a webhook does any more."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _progress(status: ColumnElement[str]) -> ColumnElement[int]:
    """Spelled out: a statement of many rows has no other values in PostgreSQL's words."""
    steps: list[Any] = [
        (status == literal_column(f"'{name}'"), literal_column(str(step))) for name, step in PROGRESS.items()
    ]
    return case(*steps, else_=literal_column("-1"))


def _inserting(table: Table, names: Sequence[str], on_conflict: Callable[[Any], Any]) -> Statement:
    def build(words: Words, given: Mapping[str, ColumnElement[Any]]) -> Any:
        return on_conflict(words.adding(words.insert(table), given))

    return Statement(build, {name: table.c[name].type for name in names})


def _fill_in_the_key(insert: Any) -> Any:
    known = func.coalesce(message.c.effect_key, insert.excluded.effect_key)
    return insert.on_conflict_do_update(index_elements=list(message.primary_key), set_={"effect_key": known})


def _go_on(insert: Any) -> Any:
    fresh = {name: insert.excluded[name] for name in ("status", "error_code", "at")}
    is_later = _progress(insert.excluded.status) > _progress(delivery.c.status)
    return insert.on_conflict_do_update(index_elements=list(delivery.primary_key), set_=fresh, where=is_later)


_ADD_MESSAGES = _inserting(message, message.c.keys(), _fill_in_the_key)
_ADVANCE = _inserting(delivery, delivery.c.keys(), _go_on)
_MEMBER = ("identity", "conversation_sid")
_JOIN = _inserting(conversation_worker, (*_MEMBER, "since"), lambda insert: insert.on_conflict_do_nothing())
_FORGET = Statement(
    lambda _words, row: delete(conversation_worker).where(
        *(conversation_worker.c[name] == row[name] for name in _MEMBER)
    ),
    many={name: conversation_worker.c[name].type for name in _MEMBER},
)
_END = ("conversation_sid", "closed_at")
_CLOSE = Statement(
    lambda _words, row: (
        update(conversation_worker)
        .where(conversation_worker.c.conversation_sid == row["conversation_sid"])
        .values(closed_at=row["closed_at"])
    ),
    many={name: conversation_worker.c[name].type for name in _END},
)

"""Unit: everything one transaction of the writer does, for one caller or for sixty.

Conversations are read once and kept here, so two events of one conversation in one batch see each other; rows are
gathered and written together by `flush`. Nothing here calls out, and nobody is answered before the commit.
"""

import sys
from collections.abc import Collection
from dataclasses import InitVar, dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from states.conversation import Conversation, Decision
from states.events import Event
from states.names import ConversationSid
from states.table import VERSION
from storage import codec
from storage.errors import VersionConflict
from storage.lanes import Lanes
from storage.schema import conversation, history, inbox


@dataclass(slots=True)
class Stored:
    """A conversation and how far it has been read. `read_version`: the version in the table, None for a new one."""

    conversation: Conversation
    read_version: int | None
    service_sid: str | None = None
    friendly_name: str | None = None
    next_index: int = 0
    members_known: bool = False
    has_waiting: bool = False
    dirty: bool = False


@dataclass(slots=True)
class Unit:
    """One transaction. `now` in milliseconds; `may_start` is false while the service drains, and `room` is how many
    effects it may start."""

    connection: Connection
    now: int
    may_start: InitVar[bool] = True
    room: InitVar[int] = sys.maxsize
    lanes: Lanes = field(init=False)
    _known: dict[str, Stored] = field(default_factory=dict)
    _history: list[dict[str, Any]] = field(default_factory=list)
    _inbox: dict[str, dict[str, Any]] = field(default_factory=dict)
    _unheard: set[str] = field(default_factory=set)
    _read: dict[str, dict[str, Any] | None] = field(default_factory=dict)

    def __post_init__(self, may_start: bool, room: int) -> None:
        self.lanes = Lanes(self.connection, self.now, may_start, room, self._scope)

    def _scope(self, sid: str) -> tuple[str | None, str | None]:
        stored = self.conversation(sid)
        return (None, None) if stored is None else (stored.service_sid, stored.friendly_name)

    def read_ahead(self, sids: Collection[str], keys: Collection[str]) -> None:
        """Read what the works of this transaction will ask for, all at once: a question costs more than its answer."""
        rows = self.connection.execute(_SELECT_CONVERSATIONS, {"sids": list(sids)})
        self._known = {row.sid: stored_of(row) for row in rows}
        self._unheard = set(sids) - self._known.keys()
        found = {
            row["key"]: dict(row) for row in self.connection.execute(_SELECT_INBOXES, {"keys": list(keys)}).mappings()
        }
        self._read = {key: found.get(key) for key in keys}

    def conversation(self, sid: str) -> Stored | None:
        """The conversation as this transaction has it, None if it was never heard of."""
        if sid in self._unheard:
            return None
        if sid not in self._known:
            row = self.connection.execute(_SELECT_CONVERSATION, {"sid": sid}).one_or_none()
            if row is None:
                return None
            self._known[sid] = stored_of(row)
        return self._known[sid]

    def open(self, sid: str, service_sid: str | None = None) -> Stored:
        """The conversation, made at this moment if it was never heard of."""
        stored = self.conversation(sid)
        if stored is None:
            fresh = Conversation(sid=ConversationSid(sid), created_at=self.now, updated_at=self.now)
            stored = self._known[sid] = Stored(fresh, None, dirty=True)
            self._unheard.discard(sid)
        if service_sid is not None and stored.service_sid is None:
            stored.service_sid, stored.dirty = service_sid, True
        return stored

    def apply(self, stored: Stored, decision: Decision, event: Event) -> int:
        """Take a decision over: snapshot, history row, effects. Returns the new version."""
        following = decision.conversation
        stored.conversation, stored.dirty = following, True
        self._history.append(
            {
                "conversation_sid": following.sid,
                "version": following.version,
                "at": self.now,
                "trigger": decision.trigger,
                "source": decision.source,
                "dest": decision.dest,
                "row": decision.row,
                "event": codec.encode(event),
                "table_version": VERSION,
            }
        )
        if decision.dest == "closed" and decision.source != "closed":
            self.lanes.skip_open(following.sid)
        self.lanes.queue(following.sid, decision.effects, stored.next_index - 1)
        return following.version

    def inbox_row(self, key: str) -> dict[str, Any] | None:
        """What stands in the inbox under an idempotency key."""
        if key in self._inbox:
            return self._inbox[key]
        if key in self._read:
            return self._read[key]
        row = self.connection.execute(_SELECT_INBOX, {"key": key}).mappings().one_or_none()
        return None if row is None else dict(row)

    def record(self, **row: Any) -> None:
        """Add an inbox row, or replace the one with its key."""
        self._read.pop(row["key"], None)
        self._inbox[row["key"]] = {"due_at": None, "tries": 0, "version": None, "last_error": None, **row}

    def waiting(self, sid: str) -> list[dict[str, Any]]:
        """The undecided inbox rows of a conversation, messages first, by index."""
        self._flush_inbox()
        rows = self.connection.execute(_SELECT_WAITING, {"sid": sid}).mappings()
        return [dict(row) for row in rows]

    def flush(self) -> None:
        """Write what was gathered."""
        self._flush_inbox()
        self._flush_conversations()
        if self._history:
            self.connection.execute(insert(history), self._history)
            self._history = []
        self.lanes.flush()

    def _flush_inbox(self) -> None:
        if self._inbox:
            self.connection.execute(_UPSERT_INBOX, list(self._inbox.values()))
            self._inbox = {}

    def _flush_conversations(self) -> None:
        changed = [stored for stored in self._known.values() if stored.dirty]
        new = [_conversation_row(s) for s in changed if s.read_version is None]
        old = [_conversation_row(s) | {"b_read": s.read_version} for s in changed if s.read_version is not None]
        if new:
            self.connection.execute(insert(conversation), new)
        if old:
            written = self.connection.execute(_UPDATE_CONVERSATION, old).rowcount
            if written != len(old):
                raise VersionConflict(f"{len(old) - written} conversations were written by somebody else")
        for stored in changed:
            stored.read_version, stored.dirty = stored.conversation.version, False


def stored_of(row: Row[Any]) -> Stored:
    """A row of the conversation table as it is kept in a unit."""
    return Stored(
        conversation=codec.decode_conversation(row.snapshot),
        read_version=row.version,
        service_sid=row.service_sid,
        friendly_name=row.friendly_name,
        next_index=row.next_index,
        members_known=row.members_known,
        has_waiting=row.has_waiting,
    )


def _conversation_row(stored: Stored) -> dict[str, Any]:
    snapshot = stored.conversation
    return {
        "sid": snapshot.sid,
        "state": snapshot.state,
        "version": snapshot.version,
        "address": snapshot.address,
        "proxy_address": snapshot.proxy_address,
        "waiting_since": snapshot.waiting_since if snapshot.state == "routing" else None,
        "created_at": snapshot.created_at,
        "updated_at": snapshot.updated_at,
        "snapshot": codec.encode_conversation(snapshot),
        "service_sid": stored.service_sid,
        "friendly_name": stored.friendly_name,
        "next_index": stored.next_index,
        "members_known": stored.members_known,
        "has_waiting": stored.has_waiting,
        "b_sid": snapshot.sid,
    }


_SELECT_CONVERSATION = select(conversation).where(conversation.c.sid == bindparam("sid"))
_SELECT_CONVERSATIONS = select(conversation).where(conversation.c.sid.in_(bindparam("sids", expanding=True)))
_SELECT_INBOX = select(inbox).where(inbox.c.key == bindparam("key"))
_SELECT_INBOXES = select(inbox).where(inbox.c.key.in_(bindparam("keys", expanding=True)))
_SELECT_WAITING = (
    select(inbox)
    .where(inbox.c.conversation_sid == bindparam("sid"), inbox.c.status == "waiting")
    .order_by(inbox.c.message_index.is_not(None).desc(), inbox.c.message_index, inbox.c.received_at)
)
_MUTABLE = [
    "state",
    "version",
    "address",
    "proxy_address",
    "waiting_since",
    "updated_at",
    "snapshot",
    "service_sid",
    "friendly_name",
    "next_index",
    "members_known",
    "has_waiting",
]
_UPDATE_CONVERSATION = (
    update(conversation)
    .where(conversation.c.sid == bindparam("b_sid"), conversation.c.version == bindparam("b_read"))
    .values({name: bindparam(name) for name in _MUTABLE})
)


def _upsert_inbox() -> Any:
    from sqlalchemy.dialects.sqlite import insert as upsert

    statement = upsert(inbox)
    return statement.on_conflict_do_update(
        index_elements=[inbox.c.key],
        set_={
            name: statement.excluded[name] for name in ("status", "due_at", "tries", "version", "event", "last_error")
        },
    )


_UPSERT_INBOX = _upsert_inbox()

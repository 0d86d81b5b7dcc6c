"""Unit: everything one transaction of the writer does, for one caller or for sixty.

Conversations are read once and kept here, so two events of one conversation in one batch see each other; rows are
gathered and written together by `flush`. Nothing here calls out, and nobody is answered before the commit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, bindparam, case, func, insert, or_, select, update

from states.conversation import Conversation, Decision
from states.effects import lane_of
from states.events import Event
from states.names import ConversationSid
from states.table import VERSION
from storage import codec
from storage.errors import VersionConflict
from storage.schema import OPEN_STATUSES, conversation, history, inbox, outbox


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


@dataclass(frozen=True, slots=True)
class Due:
    """An outbox row that is now `running` and must be performed."""

    key: str
    conversation_sid: str
    lane: str
    kind: str
    payload: str
    status_before: str
    attempts: int
    created_at: int
    intent_at: int
    after_index: int
    service_sid: str | None
    friendly_name: str | None


@dataclass(slots=True)
class Unit:
    """One transaction. `now` in milliseconds; `may_start` is false while the service drains."""

    connection: Connection
    now: int
    may_start: bool = True
    started: list[Due] = field(default_factory=list)
    new_effects: bool = False
    _known: dict[str, Stored] = field(default_factory=dict)
    _history: list[dict[str, Any]] = field(default_factory=list)
    _inbox: dict[str, dict[str, Any]] = field(default_factory=dict)
    _outbox: list[dict[str, Any]] = field(default_factory=list)
    _closings: list[dict[str, Any]] = field(default_factory=list)
    _freed: set[str] = field(default_factory=set)

    def conversation(self, sid: str) -> Stored | None:
        """The conversation as this transaction has it, None if it was never heard of."""
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
            self._skip_open_effects(following.sid)
        self._queue(stored, decision)
        return following.version

    def inbox_row(self, key: str) -> dict[str, Any] | None:
        """What stands in the inbox under an idempotency key."""
        if key in self._inbox:
            return self._inbox[key]
        row = self.connection.execute(_SELECT_INBOX, {"key": key}).mappings().one_or_none()
        return None if row is None else dict(row)

    def record(self, **row: Any) -> None:
        """Add an inbox row, or replace the one with its key."""
        self._inbox[row["key"]] = {"due_at": None, "tries": 0, "version": None, "last_error": None, **row}

    def waiting(self, sid: str) -> list[dict[str, Any]]:
        """The undecided inbox rows of a conversation, messages first, by index."""
        self._flush_inbox()
        rows = self.connection.execute(_SELECT_WAITING, {"sid": sid}).mappings()
        return [dict(row) for row in rows]

    def our_indexes(self, sid: str, first: int, last: int) -> set[int]:
        """The indexes from `first` to `last`, inclusive, that our own messages have."""
        self._close_rows()
        return set(self.connection.execute(_SELECT_OURS, {"sid": sid, "first": first, "last": last}).scalars())

    def close(self, key: str, lane: str, **changes: Any) -> None:
        """Write the outcome of an effect; the next one of its lane may start."""
        blank = {
            "done_at": None,
            "result_sid": None,
            "result_index": None,
            "last_error": None,
            "due_at": self.now,
        }
        self._closings.append({"b_key": key, **blank, **changes})
        self._freed.add(lane)

    def _skip_open_effects(self, sid: str) -> None:
        """What was still to be done for a closed conversation is not done any more; a worker's time is."""
        self._close_rows()
        for row in self._outbox:
            if row["conversation_sid"] == sid and row["lane"].startswith(sid):
                row |= {"status": "skipped", "done_at": self.now}
        waiting = outbox.c.status.in_(("pending", "retrying", "ambiguous"))
        self.connection.execute(
            update(outbox)
            .where(outbox.c.conversation_sid == sid, waiting, outbox.c.lane.startswith(sid))
            .values(status="skipped", done_at=self.now)
        )

    def _queue(self, stored: Stored, decision: Decision) -> None:
        sid = stored.conversation.sid
        for keyed in decision.effects:
            self._outbox.append(
                {
                    "key": keyed.key,
                    "conversation_sid": sid,
                    "lane": lane_of(keyed.effect, sid),
                    "kind": codec.kind_of(keyed.effect),
                    "payload": codec.encode(keyed.effect),
                    "status": "pending",
                    "attempts": 0,
                    "created_at": self.now,
                    "due_at": self.now,
                    "intent_at": None,
                    "done_at": None,
                    "after_index": stored.next_index - 1,
                }
            )

    def flush(self) -> None:
        """Write what was gathered."""
        self._flush_inbox()
        self._flush_conversations()
        if self._history:
            self.connection.execute(insert(history), self._history)
            self._history = []
        self._close_rows()
        self._flush_outbox()

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

    def _close_rows(self) -> None:
        if self._closings:
            self.connection.execute(_CLOSE_EFFECT, self._closings)
            self._closings = []

    def _flush_outbox(self) -> None:
        """Insert the new effects, those that are first in a free lane as `running`, and start freed lanes' heads."""
        lanes = {row["lane"] for row in self._outbox} | self._freed
        if not lanes:
            return
        busy: dict[str, Row[Any]] = {}
        for head in self.connection.execute(_SELECT_HEADS, {"lanes": sorted(lanes)}):
            busy.setdefault(head.lane, head)
        if self._outbox:
            self._start_new(set(busy))
            self.connection.execute(insert(outbox), self._outbox)
            self.new_effects = True
            self._outbox = []
        self._start([busy[lane] for lane in self._freed if lane in busy])
        self._freed = set()

    def _start_new(self, busy: set[str]) -> None:
        for row in self._outbox:
            if row["status"] == "skipped":
                continue
            if self.may_start and row["lane"] not in busy:
                row |= {"status": "running", "attempts": 1, "intent_at": self.now}
                self.started.append(self._due(row, "pending"))
            busy.add(row["lane"])

    def _start(self, heads: Sequence[Row[Any]]) -> None:
        due = [h for h in heads if self.may_start and h.status != "running" and h.due_at <= self.now]
        if due:
            self.connection.execute(_START_EFFECT, [{"b_key": head.key, "b_now": self.now} for head in due])
        for head in due:
            row = dict(head._mapping)
            intent = head.intent_at if head.status == "ambiguous" else self.now
            self.started.append(self._due(row | {"attempts": head.attempts + 1, "intent_at": intent}, head.status))

    def start_due(self, limit: int) -> bool:
        """Start the due heads of at most `limit` lanes; whether there may be more."""
        heads = self.connection.execute(_SELECT_DUE, {"now": self.now, "limit": limit}).all()
        self._start(heads)
        return len(heads) == limit

    def _due(self, row: dict[str, Any], status_before: str) -> Due:
        stored = self.conversation(row["conversation_sid"])
        return Due(
            key=row["key"],
            conversation_sid=row["conversation_sid"],
            lane=row["lane"],
            kind=row["kind"],
            payload=row["payload"],
            status_before=status_before,
            attempts=row["attempts"],
            created_at=row["created_at"],
            intent_at=row["intent_at"],
            after_index=row["after_index"],
            service_sid=None if stored is None else stored.service_sid,
            friendly_name=None if stored is None else stored.friendly_name,
        )


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


_OPEN = outbox.c.status.in_(OPEN_STATUSES)
_SELECT_CONVERSATION = select(conversation).where(conversation.c.sid == bindparam("sid"))
_SELECT_INBOX = select(inbox).where(inbox.c.key == bindparam("key"))
_SELECT_WAITING = (
    select(inbox)
    .where(inbox.c.conversation_sid == bindparam("sid"), inbox.c.status == "waiting")
    .order_by(inbox.c.message_index.is_not(None).desc(), inbox.c.message_index, inbox.c.received_at)
)
_SELECT_OURS = select(outbox.c.result_index).where(
    outbox.c.conversation_sid == bindparam("sid"),
    outbox.c.result_index.between(bindparam("first"), bindparam("last")),
)
_SELECT_HEADS = (
    select(outbox).where(_OPEN, outbox.c.lane.in_(bindparam("lanes", expanding=True))).order_by(outbox.c.seq)
)
_before = outbox.alias("before")
_SELECT_DUE = (
    select(outbox)
    .where(
        outbox.c.status.in_(("pending", "retrying", "ambiguous")),
        outbox.c.due_at <= bindparam("now"),
        ~select(_before.c.seq)
        .where(
            _before.c.lane == outbox.c.lane,
            _before.c.status.in_(OPEN_STATUSES),
            # A later one may run already, where this one had been given up and was brought back.
            or_(_before.c.seq < outbox.c.seq, _before.c.status == "running"),
        )
        .exists(),
    )
    .order_by(outbox.c.seq)
    .limit(bindparam("limit"))
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
_CLOSE_EFFECT = (
    update(outbox)
    .where(outbox.c.key == bindparam("b_key"), outbox.c.status == "running")
    .values(
        status=bindparam("status"),
        due_at=bindparam("due_at"),
        done_at=bindparam("done_at"),
        result_sid=func.coalesce(bindparam("result_sid"), outbox.c.result_sid),
        result_index=func.coalesce(bindparam("result_index"), outbox.c.result_index),
        last_error=bindparam("last_error"),
    )
)
_START_EFFECT = (
    update(outbox)
    .where(outbox.c.key == bindparam("b_key"))
    .values(
        status="running",
        attempts=outbox.c.attempts + 1,
        intent_at=case((outbox.c.status == "ambiguous", outbox.c.intent_at), else_=bindparam("b_now")),
    )
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

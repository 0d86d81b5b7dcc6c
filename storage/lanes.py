"""Lanes: the outbox's part of a transaction. What was decided is queued, outcomes are written, free lanes go on.

An effect that is due and first in its lane is started in the very commit that made it so: it is marked `running` before
it leaves the process, for after a crash only such rows are in doubt.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, bindparam, case, func, insert, or_, select, update

from states.conversation import KeyedEffect
from states.effects import lane_of
from states.names import ConversationSid
from storage import codec
from storage.schema import is_open, outbox


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
class Lanes:
    """The outbox as one transaction sees it. `scope` gives a conversation's service SID and the name Twilio has of it;
    `started` gathers what this transaction marked running, at most `room` by its own commit, and `is_crowded` says that
    more was due; `may_start` is false while the service drains."""

    connection: Connection
    now: int
    may_start: bool
    room: int
    scope: Callable[[str], tuple[str | None, str | None]]
    started: list[Due] = field(default_factory=list)
    is_crowded: bool = False
    _new: list[dict[str, Any]] = field(default_factory=list)
    _closings: list[dict[str, Any]] = field(default_factory=list)
    _freed: set[str] = field(default_factory=set)

    def queue(self, sid: ConversationSid, effects: Sequence[KeyedEffect], after_index: int) -> None:
        """Append effects, in order. `after_index`: no message of theirs can stand at or below it."""
        for keyed in effects:
            self._new.append(
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
                    "after_index": after_index,
                }
            )

    def runs(self, due: Due) -> bool:
        """Whether this attempt is still to be settled. It is not where a commit settled it that succeeded
        and was taken for a failed one."""
        self.close_rows()
        row = self.connection.execute(_SELECT_ATTEMPT, {"key": due.key}).one()
        return bool(row.status == "running" and row.attempts == due.attempts)

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

    def skip_open(self, sid: str) -> None:
        """What was still to be done for a closed conversation is not done any more; a worker's time is."""
        self.close_rows()
        for row in self._new:
            if row["conversation_sid"] == sid and row["lane"].startswith(sid):
                row |= {"status": "skipped", "done_at": self.now}
        waiting = outbox.c.status.in_(("pending", "retrying", "ambiguous"))
        self.connection.execute(
            update(outbox)
            .where(outbox.c.conversation_sid == sid, waiting, outbox.c.lane.startswith(sid))
            .values(status="skipped", done_at=self.now)
        )

    def our_indexes(self, sid: str, first: int, last: int) -> set[int]:
        """The indexes from `first` to `last`, inclusive, that our own messages have."""
        self.close_rows()
        return set(self.connection.execute(_SELECT_OURS, {"sid": sid, "first": first, "last": last}).scalars())

    def close_rows(self) -> None:
        """Write the outcomes gathered so far."""
        if self._closings:
            self.connection.execute(_CLOSE_EFFECT, self._closings)
            self._closings = []

    def flush(self) -> None:
        """Write the outcomes and insert the new effects; the head of a lane that was or became free is started."""
        self.close_rows()
        lanes = {row["lane"] for row in self._new} | self._freed
        if not lanes:
            return
        busy: dict[str, Row[Any]] = {}
        for head in self.connection.execute(_SELECT_HEADS, {"lanes": sorted(lanes)}):
            busy.setdefault(head.lane, head)
        if self._new:
            self._start_new(set(busy))
            self.connection.execute(insert(outbox), self._new)
            self._new = []
        self._start_freed([busy[lane] for lane in self._freed if lane in busy])
        self._freed = set()

    def _start_new(self, busy: set[str]) -> None:
        for row in self._new:
            if row["status"] == "skipped":
                continue
            if row["lane"] not in busy and self._has_room():
                row |= {"status": "running", "attempts": 1, "intent_at": self.now}
                self.started.append(self._due(row, "pending"))
            busy.add(row["lane"])

    def _has_room(self) -> bool:
        """Whether this commit may start one more; that one was due is told where it may not."""
        if not self.may_start:
            return False
        self.is_crowded |= len(self.started) >= self.room
        return len(self.started) < self.room

    def _start_freed(self, heads: Sequence[Row[Any]]) -> None:
        for head in heads:
            if head.status != "running" and head.due_at <= self.now and self._has_room():
                self._start([head])

    def _start(self, due: Sequence[Row[Any]]) -> None:
        if due:
            self.connection.execute(_START_EFFECT, [{"b_key": head.key, "b_now": self.now} for head in due])
        for head in due:
            row = dict(head._mapping)
            intent = head.intent_at if head.status == "ambiguous" else self.now
            self.started.append(self._due(row | {"attempts": head.attempts + 1, "intent_at": intent}, head.status))

    def start_due(self, limit: int) -> bool:
        """Start the due heads of at most `limit` lanes, whatever the room; whether there may be more."""
        if not self.may_start:
            return False
        heads = self.connection.execute(_SELECT_DUE, {"now": self.now, "limit": limit}).all()
        self._start(heads)
        return len(heads) == limit

    def _due(self, row: dict[str, Any], status_before: str) -> Due:
        service_sid, friendly_name = self.scope(row["conversation_sid"])
        same = (
            "key",
            "conversation_sid",
            "lane",
            "kind",
            "payload",
            "attempts",
            "created_at",
            "intent_at",
            "after_index",
        )
        return Due(
            **{name: row[name] for name in same},
            status_before=status_before,
            service_sid=service_sid,
            friendly_name=friendly_name,
        )


_SELECT_ATTEMPT = select(outbox.c.status, outbox.c.attempts).where(outbox.c.key == bindparam("key"))
_SELECT_OURS = select(outbox.c.result_index).where(
    outbox.c.conversation_sid == bindparam("sid"),
    outbox.c.result_index.between(bindparam("first"), bindparam("last")),
)
_SELECT_HEADS = (
    select(outbox).where(is_open(), outbox.c.lane.in_(bindparam("lanes", expanding=True))).order_by(outbox.c.seq)
)
_before = outbox.alias("before")
_SELECT_DUE = (
    select(outbox)
    .where(
        is_open(),
        outbox.c.status != "running",
        outbox.c.due_at <= bindparam("now"),
        ~select(_before.c.seq)
        .where(
            _before.c.lane == outbox.c.lane,
            is_open(_before),
            # A later one may run already, where this one had been given up and was brought back.
            or_(_before.c.seq < outbox.c.seq, _before.c.status == "running"),
        )
        .exists(),
    )
    # By seq alone SQLite would walk through everything that is done.
    .order_by(outbox.c.due_at, outbox.c.seq)
    .limit(bindparam("limit"))
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

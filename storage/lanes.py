"""Lanes: the outbox's part of a transaction. What was decided is queued, outcomes are written, free lanes go on.

An effect that is due and first in its lane is started in the very commit that made it so: it is marked `running` before
it leaves the process, for after a crash only such rows are in doubt.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, case, func, literal_column, or_, select, update

from states.conversation import KeyedEffect
from states.effects import lane_of
from states.names import ConversationSid
from storage import codec
from storage.errors import VersionConflict
from storage.schema import is_open, is_waiting, of_conversation, outbox
from storage.statements import Sql, Statement, inserting


@dataclass(frozen=True, slots=True)
class Due:
    """An outbox row that is now `running` and must be performed. `owner`: the number of the replica that runs it, and
    the fencing token of what is written about it."""

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
    owner: int = 0


Scope = Callable[[str], tuple[str | None, str | None]]
"""Gives a conversation's service SID, and the name that Twilio has of it."""


@dataclass(slots=True)
class Lanes:
    """The outbox as one transaction sees it. `owner`: the number of this replica; `started` gathers what this
    transaction marked running, at most `room` by its own commit, and `is_crowded` says that more was due; `may_start`
    is false while the service drains; `leaves_due`: another replica may start what this one does not; `touched`: the
    conversations of which outcomes were written."""

    sql: Sql
    now: int
    owner: int
    may_start: bool
    room: int
    started: list[Due] = field(default_factory=list)
    is_crowded: bool = False
    leaves_due: bool = False
    touched: set[str] = field(default_factory=set)
    _new: list[dict[str, Any]] = field(default_factory=list)
    _closings: list[dict[str, Any]] = field(default_factory=list)
    _freed: set[str] = field(default_factory=set)
    _attempts: dict[str, Any] = field(default_factory=dict)

    def read_ahead(self, keys: Iterable[str]) -> None:
        """Read how these effects stand; nobody changes them until the commit."""
        for row in self.sql.all(_ATTEMPTS, keys=self.sql.words.listed(keys)):
            self._attempts[row.key] = row

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
                    "owner": None,
                    "after_index": after_index,
                }
            )

    def runs(self, due: Due) -> bool:
        """Whether this attempt is still to be settled, and ours to settle. It is not where a commit settled it that
        succeeded and was taken for a failed one, nor where another replica has taken it over; its row may
        be gone by now."""
        if due.key not in self._attempts:
            self.close_rows()
            self.read_ahead([due.key])
        row = self._attempts.pop(due.key, None)
        return bool(row and row.status == "running" and (row.attempts, row.owner) == (due.attempts, due.owner))

    def close(self, due: Due, **changes: Any) -> None:
        """Write the outcome of an attempt that `runs`; the next one of its lane may start."""
        blank = {
            "done_at": None,
            "result_sid": None,
            "result_index": None,
            "last_error": None,
            "due_at": self.now,
        }
        ours = {"key": due.key, "attempt": due.attempts, "owner": due.owner, "was": "running"}
        self._closings.append({**ours, **blank, **changes})
        self._freed.add(due.lane)
        self.touched.add(due.conversation_sid)

    def skip_open(self, sid: str) -> None:
        """What was still to be done for a closed conversation is not done any more; a worker's time is."""
        self.close_rows()
        for row in self._new:
            if row["conversation_sid"] == sid and row["lane"].startswith(sid):
                row |= {"status": "skipped", "done_at": self.now}
        self.sql.run(_SKIP_OPEN, sid=sid, now=self.now)

    def our_indexes(self, sid: str, first: int, last: int) -> set[int]:
        """The indexes from `first` to `last`, inclusive, that our own messages have."""
        self.close_rows()
        return {row.result_index for row in self.sql.all(_OURS, sid=sid, first=first, last=last)}

    def close_rows(self) -> None:
        """Write the outcomes gathered so far. Raises VersionConflict where an attempt is not ours any more."""
        if self._closings:
            written = self.sql.many(_CLOSE, self._closings)
            if written != len(self._closings):
                raise VersionConflict(f"{len(self._closings) - written} attempts were taken over by somebody else")
            self._closings = []

    def flush(self, scope: Scope) -> None:
        """Write the outcomes and insert the new effects; the head of a lane that was or became free is started."""
        self.close_rows()
        lanes = {row["lane"] for row in self._new} | self._freed
        if not lanes:
            return
        if shared := [lane for lane in lanes if is_shared(lane)]:
            self.sql.lock(shared)
        busy: dict[str, Any] = {}
        for head in self.sql.all(_HEADS, lanes=self.sql.words.listed(sorted(lanes))):
            busy.setdefault(head.lane, head)
        if self._new:
            self._start_new(set(busy), scope)
            self.sql.many(_INSERT, self._new)
            self._new = []
        self._start_freed([busy[lane] for lane in self._freed if lane in busy], scope)
        self._freed = set()

    def _start_new(self, busy: set[str], scope: Scope) -> None:
        for row in self._new:
            if row["status"] == "skipped":
                continue
            if row["lane"] not in busy and self._has_room():
                row |= {"status": "running", "attempts": 1, "intent_at": self.now, "owner": self.owner}
                self.started.append(_due(row, "pending", scope))
            busy.add(row["lane"])

    def _has_room(self) -> bool:
        """Whether this commit may start one more; that one was due is told where it may not."""
        has_room = self.may_start and len(self.started) < self.room
        self.is_crowded |= self.may_start and not has_room
        self.leaves_due |= not has_room
        return has_room

    def _start_freed(self, heads: Sequence[Any], scope: Scope) -> None:
        for head in heads:
            if head.status != "running" and head.due_at <= self.now and self._has_room():
                self._start([head], scope)

    def _start(self, due: Sequence[Any], scope: Scope) -> None:
        if due:
            self.sql.many(_START, [{"key": head.key, "at": self.now, "owner": self.owner} for head in due])
        for head in due:
            intent = head.intent_at if head.status == "ambiguous" else self.now
            now_running = {"attempts": head.attempts + 1, "intent_at": intent, "owner": self.owner}
            self.started.append(_due(head._asdict() | now_running, head.status, scope))

    def start_due(self, limit: int, scope: Scope) -> bool:
        """Start the due heads of at most `limit` lanes, whatever the room; whether there may be more."""
        if not self.may_start:
            return False
        self.close_rows()
        heads = self.sql.all(_DUE, now=self.now, limit=limit)
        self._start(heads, scope)
        return len(heads) == limit


def is_shared(lane: str) -> bool:
    """Whether a lane, like a worker's, is of no one conversation: holding that does not hold it."""
    return "/" not in lane


def _due(row: dict[str, Any], status_before: str, scope: Scope) -> Due:
    service_sid, friendly_name = scope(row["conversation_sid"])
    same = {name: row[name] for name in _SAME}
    return Due(**same, status_before=status_before, service_sid=service_sid, friendly_name=friendly_name)


_SAME = (
    "key",
    "conversation_sid",
    "lane",
    "kind",
    "payload",
    "attempts",
    "created_at",
    "intent_at",
    "after_index",
    "owner",
)
_NEW = (*_SAME, "status", "due_at", "done_at")
_INSERT = inserting(outbox, *_NEW)
_ATTEMPTS = Statement(
    lambda words: words.locking(
        select(outbox.c.key, outbox.c.status, outbox.c.attempts, outbox.c.owner)
        .where(words.is_one_of(outbox.c.key, "keys"))
        .order_by(outbox.c.seq)
    )
)
_OURS = Statement(
    lambda _words: select(outbox.c.result_index).where(
        of_conversation(bindparam("sid")),
        outbox.c.result_index.between(bindparam("first"), bindparam("last")),
    )
)
# The index is named for SQLite, which reads the whole table where it was told (ANALYZE) of a time with nothing open.
_HEADS = Statement(
    lambda words: words.locking(
        select(outbox)
        .with_hint(outbox, "INDEXED BY outbox_open", "sqlite")
        .where(is_open(), words.is_one_of(outbox.c.lane, "lanes"))
        .order_by(outbox.c.seq)
    )
)
_SKIP_OPEN = Statement(
    lambda _words: (
        update(outbox)
        .where(
            of_conversation(bindparam("sid")),
            is_waiting(),
            outbox.c.lane.startswith(bindparam("sid")),
        )
        .values(status=literal_column("'skipped'"), done_at=bindparam("now"))
    )
)
_before = outbox.alias("before")
_DUE = Statement(
    lambda words: words.locking(
        select(outbox)
        .with_hint(outbox, "INDEXED BY outbox_due", "sqlite")
        .where(
            is_waiting(),
            outbox.c.due_at <= bindparam("now"),
            ~select(_before.c.seq)
            .where(
                _before.c.lane == outbox.c.lane,
                is_open(_before),
                # A later one may run already, where this one had been given up and was brought back.
                or_(_before.c.seq < outbox.c.seq, _before.c.status == literal_column("'running'")),
            )
            .exists(),
        )
        .order_by(outbox.c.due_at, outbox.c.seq)
        .limit(bindparam("limit")),
        skip=True,
    )
)
_CLOSED = ("key", "owner", "status", "due_at", "done_at", "result_sid", "result_index", "last_error")
_CLOSE = Statement(
    lambda _words, row: (
        update(outbox)
        .where(
            outbox.c.key == row["key"],
            # By its key: told in so many words, PostgreSQL would look for it among all that are open.
            outbox.c.status == row["was"],
            outbox.c.attempts == row["attempt"],
            outbox.c.owner == row["owner"],
        )
        .values(
            status=row["status"],
            due_at=row["due_at"],
            done_at=row["done_at"],
            result_sid=func.coalesce(row["result_sid"], outbox.c.result_sid),
            result_index=func.coalesce(row["result_index"], outbox.c.result_index),
            last_error=row["last_error"],
        )
    ),
    many={
        "attempt": outbox.c.attempts.type,
        "was": outbox.c.status.type,
        **{name: outbox.c[name].type for name in _CLOSED},
    },
)
_START = Statement(
    lambda _words, row: (
        update(outbox)
        .where(outbox.c.key == row["key"])
        .values(
            status=literal_column("'running'"),
            attempts=outbox.c.attempts + literal_column("1"),
            owner=row["owner"],
            intent_at=case((outbox.c.status == literal_column("'ambiguous'"), outbox.c.intent_at), else_=row["at"]),
        )
    ),
    many={"key": outbox.c.key.type, "owner": outbox.c.owner.type, "at": outbox.c.intent_at.type},
)

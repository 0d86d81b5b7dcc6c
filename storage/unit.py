"""Unit: everything one transaction of the writer does, for one caller or for sixty.

Conversations are read once and kept here, so two events of one conversation in one batch see each other; rows are
gathered and written together by `flush`. Nothing here calls out, and nobody is answered before the commit.
"""

import sys
from collections.abc import Collection, Sequence
from dataclasses import InitVar, dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, literal_column, select, union_all, update

from states.conversation import Conversation, Decision
from states.events import Event
from states.names import ConversationSid
from states.table import VERSION
from storage import codec, relationships
from storage.errors import VersionConflict
from storage.lanes import Lanes
from storage.looks import Looks
from storage.schema import conversation, history, inbox, silence
from storage.silences import Silences
from storage.statements import Sql, Statement, inserting, sql_of
from storage.talk import Talk


class About(NamedTuple):
    """What a work will read, so that it can be read for all works of a transaction at once: a conversation, by SID; an
    inbox row and an effect, by key; what is known of an address. `assigns`: it may give customers to workers; `lock`:
    what else is held to the commit. All locks are taken before anything is read: who takes one in the midst of a
    transaction may wait for somebody who waits for him."""

    sid: str | None = None
    key: str | None = None
    effect: str | None = None
    address: str | None = None
    assigns: bool = False
    lock: str | None = None


@dataclass(slots=True)
class Stored:
    """A conversation and how far it has been read. `read`: as it stands in the table, None for a new one."""

    conversation: Conversation
    read: Conversation | None
    service_sid: str | None = None
    friendly_name: str | None = None
    next_index: int = 0
    members_known: bool = False
    has_waiting: bool = False
    dirty: bool = False

    @property
    def moves(self) -> bool:
        """Whether it is in the table, with another address pair."""
        was, now = self.read, self.conversation
        return was is not None and (was.address, was.proxy_address) != (now.address, now.proxy_address)


@dataclass(slots=True)
class Unit:
    """One transaction. `now` in milliseconds; `may_start` is false while the service drains, `room` is how many effects
    it may start, `owner` the number of the replica, and `begun` the way to the database, where it was used already."""

    connection: Connection
    now: int
    may_start: InitVar[bool] = True
    room: InitVar[int] = sys.maxsize
    owner: InitVar[int] = 0
    begun: InitVar[Sql | None] = None
    sql: Sql = field(init=False)
    lanes: Lanes = field(init=False)
    looks: Looks = field(init=False)
    talk: Talk = field(init=False)
    silences: Silences = field(init=False)
    _known: dict[str, Stored] = field(default_factory=dict)
    _history: list[dict[str, Any]] = field(default_factory=list)
    _inbox: dict[str, dict[str, Any]] = field(default_factory=dict)
    _unheard: set[str] = field(default_factory=set)
    _read: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    _pairs: dict[str, list[Any]] = field(default_factory=dict)
    _spoken: dict[str, dict[str, Any]] = field(default_factory=dict)
    _written: list[Stored] = field(default_factory=list)

    def __post_init__(self, may_start: bool, room: int, owner: int, begun: Sql | None) -> None:
        self.sql = begun or sql_of(self.connection)
        self.lanes = Lanes(self.sql, self.now, owner, may_start, room)
        self.looks = Looks(self.sql, self.now)
        self.talk = Talk(self.sql, self.now)
        self.silences = Silences(self.sql, self.now)

    def start_due(self, limit: int) -> bool:
        """Start the due heads of at most `limit` lanes, whatever the room; whether there may be more."""
        return self.lanes.start_due(limit, self._scope)

    def peek(self, sid: str) -> Stored | None:
        """The conversation, to look at and not to decide by: nobody is kept from changing it meanwhile."""
        if sid in self._known or sid in self._unheard:
            return self._known.get(sid)
        row = self.sql.one(_CONVERSATIONS, sids=self.sql.words.listed([sid]))
        return None if row is None else stored_of(row)

    def _scope(self, sid: str) -> tuple[str | None, str | None]:
        stored = self.peek(sid)
        return (None, None) if stored is None else (stored.service_sid, stored.friendly_name)

    def read_ahead(self, about: Sequence[About]) -> None:
        """Read what the works of this transaction will ask for, all at once: a question costs more than its answer."""
        listed = self.sql.words.listed
        sids = {it.sid for it in about if it.sid is not None}
        if sids:
            self.sql.lock(sids)
            rows = self.sql.all(_CONVERSATIONS, sids=listed(sids))
            self._known = {row.sid: stored_of(row) for row in rows}
            self._unheard = sids - self._known.keys()
        keys = {it.key for it in about if it.key is not None}
        if keys:
            found = {row.key: row._asdict() for row in self.sql.all(_INBOX, keys=listed(keys))}
            self._read = {key: found.get(key) for key in keys}
        effects = [it.effect for it in about if it.effect is not None]
        if effects:
            self.lanes.read_ahead(effects)
        addresses = {it.address for it in about if it.address is not None}
        if addresses:
            self._read_pairs(addresses)
            self.looks.read_ahead(sids | addresses)

    def _read_pairs(self, addresses: Collection[str]) -> None:
        self._pairs |= {address: [] for address in addresses}
        found = self.sql.all(_OF_ADDRESSES, addresses=self.sql.words.listed(addresses))
        for row in sorted(found, key=lambda row: -row.id):
            if row.sid is not None:
                self._pairs[row.address].append(row)
        self.silences.read(addresses, [row.address for row in found if row.sid is None])

    def open_with_pair(self, address: str, proxy_address: str | None) -> list[str]:
        """The stored open conversations of an address pair, newest first; without a proxy: of a customer in a chat."""
        if address not in self._pairs:
            self._read_pairs([address])
        return [row.sid for row in self._pairs[address] if row.proxy_address == proxy_address]

    def has_stopped(self, address: str) -> bool:
        """Whether a customer has said STOP to us, in any conversation."""
        if not self.silences.knows(address):
            self._read_pairs([address])
        return self.silences.has(address)

    def conversation(self, sid: str) -> Stored | None:
        """The conversation as this transaction has it, None if it was never heard of."""
        if sid in self._unheard:
            return None
        if sid not in self._known:
            self.sql.lock([sid])
            row = self.sql.one(_CONVERSATIONS, sids=self.sql.words.listed([sid]))
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
        before, following = stored.conversation, decision.conversation
        if following.workers is not before.workers:
            was, is_now = ([worker.identity for worker in it.workers] for it in (before, following))
            self.talk.workers(following.sid, was, is_now)
        self.silences.note(before, following, event)
        spoken = relationships.spoken(before, following, self.now)
        if spoken is not None:
            self._spoken[spoken["key"]] = spoken
        stored.conversation, stored.dirty = following, True
        self._history.append(
            {
                "conversation_sid": following.sid,
                "version": following.version,
                "at": self.now,
                "trigger": decision.trigger,
                "source": decision.source,
                "dest": decision.dest,
                # What of the row's name the columns before it do not say: its guards.
                "row": decision.row.removeprefix(f"{decision.source}/{decision.trigger}"),
                "event": codec.encode(event),
                "table_version": VERSION,
            }
        )
        if decision.dest == "closed" and decision.source != "closed":
            self.lanes.skip_open(following.sid)
            if following.workers:
                self.talk.closed(following.sid)
        self.lanes.queue(following.sid, decision.effects, stored.next_index - 1)
        return following.version

    def takes_in(self, sid: str, trigger: str) -> bool:
        """Whether this transaction has taken in an event of this kind, which the history lacks until its end."""
        return any((row["conversation_sid"], row["trigger"]) == (sid, trigger) for row in self._history)

    def touch(self, sid: str) -> None:
        """Something that people see of this conversation is written beside what this unit gathers."""
        self.talk.touched.add(sid)

    @property
    def changed(self) -> set[str]:
        """The conversations (SIDs) of which `flush` wrote something that people see."""
        return {stored.conversation.sid for stored in self._written} | self.lanes.touched | self.talk.touched

    def inbox_row(self, key: str) -> dict[str, Any] | None:
        """What stands in the inbox under an idempotency key."""
        if key in self._inbox:
            return self._inbox[key]
        if key in self._read:
            return self._read[key]
        row = self.sql.one(_INBOX, keys=self.sql.words.listed([key]))
        self._read[key] = None if row is None else row._asdict()
        return self._read[key]

    def record(self, **row: Any) -> None:
        """Add an inbox row, or replace the one with its key."""
        self._read.pop(row["key"], None)
        self._inbox[row["key"]] = _BLANK | row

    def waiting(self, sid: str) -> list[dict[str, Any]]:
        """The undecided inbox rows of a conversation, messages first, by index."""
        self._flush_inbox()
        return [row._asdict() for row in self.sql.all(_WAITING, sid=sid)]

    def write_history(self) -> None:
        """Write what was decided so far, before it is asked for."""
        if self._history:
            self.sql.many(_INSERT_HISTORY, self._history)
            self._history = []

    def flush(self) -> None:
        """Write what was gathered."""
        self._flush_inbox()
        self._flush_conversations()
        self.write_history()
        self.looks.flush()
        self.talk.flush()
        self.silences.flush()
        if self._spoken:
            relationships.keep(self.sql, self._spoken.values())
            self._spoken = {}
        self.lanes.flush(self._scope)

    def _flush_inbox(self) -> None:
        if self._inbox:
            self.sql.many(_UPSERT_INBOX, list(self._inbox.values()))
            self._inbox = {}

    def _flush_conversations(self) -> None:
        changed = [stored for stored in self._known.values() if stored.dirty]
        new = [_conversation_row(stored) for stored in changed if stored.read is None]
        if new:
            self.sql.many(_INSERT_CONVERSATION, new)
        old = [stored for stored in changed if stored.read is not None]
        self._update(_UPDATE, [stored for stored in old if not stored.moves])
        self._update(_UPDATE_WITH_PAIR, [stored for stored in old if stored.moves])
        for stored in changed:
            stored.read, stored.dirty = stored.conversation, False
        self._written += changed

    def _update(self, statement: Statement, changed: list[Stored]) -> None:
        if changed and (written := self.sql.many(statement, list(map(_conversation_row, changed)))) != len(changed):
            raise VersionConflict(f"{len(changed) - written} conversations were written by somebody else")


def stored_of(row: Any) -> Stored:
    """A row of the conversation table as it is kept in a unit."""
    snapshot = codec.decode_conversation(row)
    return Stored(
        conversation=snapshot,
        read=snapshot,
        service_sid=row.service_sid,
        friendly_name=row.friendly_name,
        next_index=row.next_index,
        members_known=bool(row.members_known),
        has_waiting=bool(row.has_waiting),
    )


def _conversation_row(stored: Stored) -> dict[str, Any]:
    snapshot = stored.conversation
    return {
        "sid": snapshot.sid,
        "state": snapshot.state,
        "version": snapshot.version,
        "read": None if stored.read is None else stored.read.version,
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
    }


_MUTABLE = (
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
)
_INBOX_ROW = (
    "key",
    "conversation_sid",
    "kind",
    "status",
    "received_at",
    "due_at",
    "tries",
    "message_index",
    "version",
    "event",
    "last_error",
)
_BLANK = {"due_at": None, "tries": 0, "version": None, "last_error": None}
_CONVERSATIONS = Statement(lambda words: select(conversation).where(words.is_one_of(conversation.c.sid, "sids")))
_INBOX = Statement(lambda words: select(inbox).where(words.is_one_of(inbox.c.key, "keys")))
_WAITING = Statement(
    lambda _words: (
        select(inbox)
        .where(inbox.c.conversation_sid == bindparam("sid"), inbox.c.status == literal_column("'waiting'"))
        .order_by(inbox.c.message_index.is_(None), inbox.c.message_index, inbox.c.received_at)
    )
)
# Open conversations, and a row without a SID for an address that wants silence: one question of two tables.
_OF_ADDRESSES = Statement(
    lambda words: union_all(
        select(
            conversation.c.sid, conversation.c.address, conversation.c.proxy_address, conversation.c.id.label("id")
        ).where(
            words.is_one_of(conversation.c.address, "addresses"), conversation.c.state != literal_column("'closed'")
        ),
        select(literal_column("NULL"), silence.c.address, literal_column("NULL"), literal_column("0")).where(
            words.is_one_of(silence.c.address, "addresses")
        ),
    )
)
_INSERT_CONVERSATION = inserting(conversation, "sid", "created_at", *_MUTABLE)


def _updating(*names: str) -> Statement:
    """An UPDATE of these columns of conversations that still are at the version they were read at."""
    return Statement(
        lambda _words, row: (
            update(conversation)
            .where(conversation.c.sid == row["sid"], conversation.c.version == row["read"])
            .values({name: row[name] for name in names})
        ),
        many={
            "sid": conversation.c.sid.type,
            "read": conversation.c.version.type,
            **{name: conversation.c[name].type for name in names},
        },
    )


# SQLite writes the index of a column anew that is named, whether it changes or not; an address pair hardly ever does.
_UPDATE = _updating(*(name for name in _MUTABLE if name not in ("address", "proxy_address")))
_UPDATE_WITH_PAIR = _updating(*_MUTABLE)
_INSERT_HISTORY = inserting(history, *history.c.keys())
_UPSERT_INBOX = inserting(
    inbox,
    *_INBOX_ROW,
    key="key",
    or_update=("status", "due_at", "tries", "version", "event", "last_error"),
)

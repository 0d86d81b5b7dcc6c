"""Threads: what people read of conversations: one's messages, whoever wrote them, and the list of a worker's own.

Customers' messages come from the history and everybody else's from their own table; what is still on its way, or never
got there, from the outbox. A page costs what stands on it and, of the rest, at most what its conversation or its worker
has: no table is walked.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    ScalarSelect,
    Select,
    and_,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    update,
)

from states.conversation import Conversation
from storage import codec
from storage.entries import Entry, called, message_of_relay, passed_on, published, received, under_way
from storage.outbox import SENDS
from storage.schema import conversation, conversation_worker, history, message, of_conversation, outbox
from storage.subscriptions import IS_NEWS
from storage.unit import Unit

__all__ = ["Entry", "Line", "his", "is_mine", "lines", "mark_seen", "mine", "thread"]

_CURSOR = re.compile(r"([0-9]{1,18})-([A-Za-z0-9]{1,34})")
_IS_A_MESSAGE = history.c.trigger == literal_column("'message_received'")
_IS_A_CALL = history.c.trigger.in_([literal_column("'call_ended'"), literal_column("'call_missed'")])
_SENDS = outbox.c.kind.in_([literal_column(f"'{kind}'") for kind in SENDS])
_RELAYS = outbox.c.kind == literal_column("'relay_to_flex'")


@dataclass(frozen=True, slots=True)
class Line:
    """One conversation in a worker's list. `last`: the last message or call, if there is any; `unread`: customers'
    messages and missed calls that came since he looked."""

    conversation: Conversation
    last: Entry | None
    unread: int


def thread(connection: Connection, sid: str, before: int | None = None, limit: int = 50) -> tuple[list[Entry], bool]:
    """Up to `limit` messages of a conversation, oldest first, below the index `before`, and whether there are more;
    those on their way or never sent stand behind the newest, and calls where they were, and do not count."""
    others = connection.execute(_published(sid, before, limit)).all()
    entries = {entry.index: entry for entry in published(connection, others, _customers(connection, sid))}
    # A message may stand in both; what was decided about it is what it is.
    for row in connection.execute(_received(connection, sid, before, limit)):
        entries[row.message_index] = received(row)
    relays = _relays(connection, sid)
    found = [
        passed_on(entries[index], relays.get(entries[index].message_sid or "", ()))
        for index in sorted(entries, key=lambda index: index or 0)
    ]
    waiting = _under_way(connection, sid) if before is None else []
    return _with_calls(connection, sid, found, before, limit) + waiting, len(found) > limit


def mine(
    connection: Connection, identity: str, closed: bool = False, limit: int = 50, after: str | None = None
) -> tuple[list[Line], str | None]:
    """Up to `limit` conversations of a worker, the last changed first, after the cursor `after`, and the cursor of the
    next page. `closed`: those that are over, the last closed first. A cursor that is none begins at the front."""
    rows = connection.execute(_own(identity, closed, after).limit(limit + 1)).all()
    page = rows[:limit]
    following = f"{page[-1].changed}-{page[-1].sid}" if len(rows) > limit else None
    return lines(connection, identity, [row.sid for row in page]), following


def lines(connection: Connection, identity: str, sids: Sequence[str]) -> list[Line]:
    """Those of these conversations that are a worker's, open or closed, as `mine` has them, in the order given."""
    rows = {row.sid: row for row in connection.execute(_with_counts(identity, sids))} if sids else {}
    last = _last(connection, rows.values())
    return [Line(codec.decode_conversation(rows[sid]), last.get(sid), rows[sid].unread) for sid in sids if sid in rows]


def is_mine(connection: Connection, identity: str, sid: str) -> bool:
    """Whether a conversation is this worker's, or was when it was closed."""
    return bool(his(connection, identity, [sid]))


def his(connection: Connection, identity: str, sids: Collection[str] | None = None) -> frozenset[str]:
    """Those of these conversations (SIDs) that are this worker's, open or closed; without `sids`, all his open ones."""
    among = (
        conversation_worker.c.closed_at.is_(None) if sids is None else conversation_worker.c.conversation_sid.in_(sids)
    )
    return frozenset(
        connection.execute(select(conversation_worker.c.conversation_sid).where(_is(identity), among)).scalars()
    )


def mark_seen(unit: Unit, identity: str, sid: str, version: int) -> None:
    """This worker has seen a conversation as of this version; what he has seen before stays seen."""
    unseen = and_(conversation_worker.c.conversation_sid == sid, conversation_worker.c.seen_version < version)
    seen = update(conversation_worker).where(_is(identity), unseen).values(seen_version=version)
    if unit.connection.execute(seen).rowcount:
        unit.touch(sid)


def _is(identity: str) -> ColumnElement[bool]:
    return conversation_worker.c.identity == identity.casefold()


# One thread


def _customers(connection: Connection, sid: str) -> list[str]:
    address = connection.execute(select(conversation.c.address).where(conversation.c.sid == sid)).scalar()
    return [] if address is None else [address]


def _published(sid: str, before: int | None, limit: int) -> Select[Any]:
    query = select(message).where(message.c.conversation_sid == sid)
    if before is not None:
        query = query.where(message.c.message_index < before)
    return query.order_by(message.c.message_index.desc()).limit(limit + 1)


def _received(connection: Connection, sid: str, before: int | None, limit: int) -> Select[Any]:
    """By their index, which is not the order of their versions where one came late."""
    index = _index_of(connection)
    query = select(index.label("message_index"), history.c.at, history.c.event).where(
        history.c.conversation_sid == sid, _IS_A_MESSAGE
    )
    if before is not None:
        query = query.where(index < before)
    return query.order_by(index.desc()).limit(limit + 1)


def _with_calls(connection: Connection, sid: str, found: list[Entry], before: int | None, limit: int) -> list[Entry]:
    """The page of these messages with the calls that came behind the last message of the page before it; those behind
    its own last message are the next page's, if there is one."""
    page = found[-limit:]
    since = found[-limit - 1].at if len(found) > limit else -1
    query = select(history.c.at, history.c.event).where(history.c.conversation_sid == sid, _IS_A_CALL)
    address = next(iter(_customers(connection, sid)), None)
    for row in connection.execute(query.order_by(history.c.version)):
        place = next((n for n in range(len(page), 0, -1) if page[n - 1].at <= row.at), 0)
        if row.at >= since and (before is None or place < len(page)):
            page.insert(place, called(row, address))
    return page


def _index_of(connection: Connection) -> ColumnElement[int]:
    """The index in an event. PostgreSQL takes no JSON apart that has an escaped NUL in it; no text of a field can look
    like the pattern, for its quotes are escaped."""
    if connection.dialect.name == "postgresql":
        found = func.substring(history.c.event, literal('"index":([0-9]+)'))
        return cast(found, BigInteger)
    return cast(func.json_extract(history.c.event, literal("$.index")), BigInteger)


def _relays(connection: Connection, sid: str) -> dict[str, list[Any]]:
    """The rows of the outbox that pass the customer's messages on to Flex, by the message."""
    query = select(outbox.c.status, outbox.c.payload).where(of_conversation(literal(sid)), _RELAYS)
    found: dict[str, list[Any]] = {}
    for row in connection.execute(query):
        found.setdefault(message_of_relay(row), []).append(row)
    return found


def _under_way(connection: Connection, sid: str) -> list[Entry]:
    """What was not published, in the order it will be. One that a look has seen published has an index."""
    unpublished = and_(outbox.c.status != "done", outbox.c.result_index.is_(None))
    query = select(outbox).where(of_conversation(literal(sid)), _SENDS, unpublished).order_by(outbox.c.seq)
    entries = (under_way(row) for row in connection.execute(query))
    return [entry for entry in entries if entry is not None]


# A worker's list


def _own(identity: str, closed: bool, after: str | None) -> Select[Any]:
    """SIDs and when they were changed, or closed. When open ones were changed is asked for one by one: a join might
    walk the conversations of everybody."""
    sid, ended = conversation_worker.c.conversation_sid, conversation_worker.c.closed_at
    updated = select(conversation.c.updated_at).where(conversation.c.sid == sid).scalar_subquery()
    changed: ColumnElement[int] = ended if closed else updated
    query = select(sid.label("sid"), changed.label("changed")).where(_is(identity))
    query = query.where(ended.is_not(None) if closed else ended.is_(None))
    place = _CURSOR.fullmatch(after or "")
    if place is not None:
        query = query.where(or_(changed < int(place[1]), and_(changed == int(place[1]), sid < place[2])))
    return query.order_by(changed.desc(), sid.desc())


def _with_counts(identity: str, sids: Sequence[str]) -> Select[Any]:
    is_unread = history.c.version > conversation_worker.c.seen_version
    unread = select(func.count()).where(_of_it(history.c.conversation_sid), IS_NEWS, is_unread)
    version = select(history.c.version).where(_of_it(history.c.conversation_sid)).order_by(history.c.version.desc())
    index = select(message.c.message_index).where(_of_it(message.c.conversation_sid))
    return (
        select(
            conversation,
            unread.scalar_subquery().label("unread"),
            _first(version.where(_IS_A_MESSAGE)).label("last_version"),
            _first(version.where(_IS_A_CALL)).label("last_call"),
            _first(index.order_by(message.c.message_index.desc())).label("last_index"),
        )
        .join(conversation_worker, _of_it(conversation_worker.c.conversation_sid))
        .where(_is(identity), conversation_worker.c.conversation_sid.in_(sids))
    )


def _of_it(sid: ColumnElement[str]) -> ColumnElement[bool]:
    return sid == conversation.c.sid


def _first(query: Select[Any]) -> ScalarSelect[Any]:
    return query.limit(1).scalar_subquery()


def _last(connection: Connection, rows: Collection[Any]) -> dict[str, Entry]:
    """The last message of each of these conversations, of a customer or not, or the call behind it."""
    last = _told(connection, {row.sid: row.last_version for row in rows}, received)
    others = [(row.sid, row.last_index) for row in rows if row.last_index is not None]
    if others:
        those = _are(message.c.conversation_sid, message.c.message_index, others)
        found = connection.execute(select(message).where(those)).all()
        entries = published(connection, found, {row.address for row in rows if row.address is not None})
        for row, entry in zip(found, entries, strict=True):
            known = last.get(row.conversation_sid)
            if known is None or (known.index or 0) < row.message_index:
                last[row.conversation_sid] = entry
    addresses = {row.sid: row.address for row in rows}
    calls = _told(
        connection,
        {row.sid: row.last_call for row in rows},
        lambda row: called(row, addresses[row.conversation_sid]),
    )
    return last | {sid: call for sid, call in calls.items() if sid not in last or last[sid].at <= call.at}


def _told(
    connection: Connection, versions: Mapping[str, int | None], entry: Callable[[Any], Entry]
) -> dict[str, Entry]:
    """What the rows of the history with these versions tell, by conversation."""
    wanted = [(sid, version) for sid, version in versions.items() if version is not None]
    if not wanted:
        return {}
    those = _are(history.c.conversation_sid, history.c.version, wanted)
    return {row.conversation_sid: entry(row) for row in connection.execute(select(history).where(those))}


def _are(sid: Column[str], number: Column[int], wanted: Sequence[tuple[str, int]]) -> ColumnElement[bool]:
    """Spelled out: a list of pairs makes SQLite walk the table."""
    return or_(*(and_(sid == one, number == at) for one, at in wanted))

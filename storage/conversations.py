"""Reading conversations: lists, one with its history and effects, and the queue."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, func, literal, literal_column, or_, select

from states.conversation import Conversation
from storage import codec
from storage.schema import conversation, history, inbox, meta, of_conversation, outbox


@dataclass(frozen=True, slots=True)
class Summary:
    """One conversation, and what was told of it and is not decided."""

    conversation: Conversation
    undecided: list[Row[Any]]


@dataclass(frozen=True, slots=True)
class Dump(Summary):
    """The same with everything that is known of how it came to be where it is."""

    history: list[Row[Any]]
    effects: list[Row[Any]]


def page(connection: Connection, state: str | None, limit: int, after: int | None) -> tuple[list[Summary], int | None]:
    """Up to `limit` conversations, newest first, and the cursor of the next page."""
    query = select(conversation).order_by(conversation.c.id.desc()).limit(limit + 1)
    if state is not None:
        query = query.where(conversation.c.state == state)
    if after is not None:
        query = query.where(conversation.c.id < after)
    rows = connection.execute(query).all()
    following = rows[limit - 1].id if len(rows) > limit else None
    undecided = _undecided(connection, [row.sid for row in rows[:limit]])
    return [Summary(codec.decode_conversation(row), undecided.get(row.sid, [])) for row in rows[:limit]], following


def open_senders(connection: Connection, address: str) -> set[str]:
    """Our senders that an open conversation joins with this customer's address."""
    open_ones = (conversation.c.address == address, conversation.c.state != literal_column("'closed'"))
    found = connection.execute(select(conversation.c.proxy_address).where(*open_ones)).scalars()
    return {sender for sender in found if sender is not None}


def dump(connection: Connection, sid: str) -> Dump | None:
    """Everything about one conversation, as of one moment; None if it was never heard of."""
    snapshot = connection.execute(select(conversation).where(conversation.c.sid == sid)).one_or_none()
    if snapshot is None:
        return None
    rows = connection.execute(select(history).where(history.c.conversation_sid == sid).order_by(history.c.version))
    effects = connection.execute(select(outbox).where(of_conversation(literal(sid))).order_by(outbox.c.seq))
    undecided = _undecided(connection, [sid]).get(sid, [])
    return Dump(codec.decode_conversation(snapshot), undecided, list(rows), list(effects))


def _undecided(connection: Connection, sids: Collection[str]) -> dict[str, list[Row[Any]]]:
    """What waits or is parked in the inbox, by conversation; those that have nothing there are left out."""
    of_these = inbox.c.conversation_sid.in_(sids)
    # Each half has an index of its own.
    waiting = and_(of_these, inbox.c.status == literal_column("'waiting'"))
    parked = and_(of_these, inbox.c.status == literal_column("'parked'"))
    found: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(select(inbox).where(or_(waiting, parked))):
        found.setdefault(row.conversation_sid, []).append(row)
    return found


def queue(connection: Connection, limit: int, task_queue: str | None = None) -> list[str]:
    """The conversations that wait for somebody of a task queue (None: the configured one), oldest first."""
    waiting, snapshot = conversation.c.waiting_since, conversation.c.snapshot
    if task_queue is None:
        is_of_queue = ~snapshot.contains('"queue":"')
    else:
        is_of_queue = snapshot.contains(codec.encoded_field("queue", task_queue), autoescape=True)
    query = select(conversation.c.sid).where(waiting.is_not(None), is_of_queue)
    return list(connection.execute(query.order_by(waiting, conversation.c.id).limit(limit)).scalars())


def task_queues(connection: Connection) -> list[str | None]:
    """The task queues that somebody waits for, as he asked for them; None is the configured one."""
    waiting, snapshot = conversation.c.waiting_since, conversation.c.snapshot
    named = select(snapshot).where(waiting.is_not(None), snapshot.contains('"queue":"'))
    found = {json.loads(text)["queue"] for text in connection.execute(named).scalars()}
    return [*([None] if queue(connection, 1) else []), *sorted(found)]


def open_after(connection: Connection, after: int, limit: int) -> list[Row[Any]]:
    """Open conversations (id, sid, service_sid, next_index) after an id, in the order of id."""
    query = (
        select(conversation.c.id, conversation.c.sid, conversation.c.service_sid, conversation.c.next_index)
        .where(conversation.c.state != "closed", conversation.c.id > after)
        .order_by(conversation.c.id)
        .limit(limit)
    )
    return list(connection.execute(query))


def in_flex_after(connection: Connection, after: int, limit: int) -> list[tuple[int, str]]:
    """Conversations (id, sid) whose customer is in Flex or on his way there, after an id, in the order of id. No text
    of a snapshot's field can look like the name of this one, for its quotes are escaped."""
    query = (
        select(conversation.c.id, conversation.c.sid)
        .where(conversation.c.state.in_(("routing", "with_worker")), conversation.c.id > after)
        .where(conversation.c.snapshot.contains('"flex":{'))
        .order_by(conversation.c.id)
        .limit(limit)
    )
    return [(row.id, row.sid) for row in connection.execute(query)]


def count_by_state(connection: Connection) -> dict[str, int]:
    """State to the number of conversations in it."""
    rows = connection.execute(select(conversation.c.state, func.count()).group_by(conversation.c.state))
    return {row[0]: row[1] for row in rows}


def born_at(connection: Connection) -> int:
    """When this database was created, milliseconds since 1970."""
    return int(connection.execute(select(meta.c.value).where(meta.c.name == "created_at")).scalar_one())

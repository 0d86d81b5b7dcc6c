"""What whoever watches sees at a glance: how many, who waits, who has how much to do, what fails; and the list of
conversations with its filters.

Nothing here reads every conversation there is for a page. A list is driven by the narrowest of its filters: what the
others leave out is looked for among the next `WINDOW` rows at most. The cursor says how far that went, so a page may
be short, or empty, and still have one after it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Subquery,
    and_,
    exists,
    func,
    literal_column,
    not_,
    or_,
    select,
    union_all,
)

from states.conversation import Conversation
from storage import codec
from storage.customer_search import containing
from storage.schema import (
    conversation,
    conversation_worker,
    customer,
    customer_channel,
    inbox,
    is_given_up,
    is_waiting,
    outbox,
)

WINDOW: Final = 5_000
FOUND_MAX: Final = 200
# How an address begins, by channel: with a plus where it is a phone number; one that begins with none of these is chat.
PREFIXES: Final = {
    "sms": "+",
    "whatsapp": "whatsapp:",
    "rcs": "rcs:",
    "messenger": "messenger:",
    "instagram": "instagram:",
}
CHANNELS: Final = (*PREFIXES, "chat")
# What SQLite does not take for the column: so it goes by a set that is small, and not through all ids in their order.
_ID_OF_FEW = conversation.c.id + literal_column("0")
_IS_FAILING = and_(is_waiting(), outbox.c.status.in_(("retrying", "ambiguous")))
# Spelled out, or SQLite does not see that the partial indexes serve. What waits has a time, and what is decided none.
_IS_PARKED = inbox.c.status == literal_column("'parked'")
# A call waits until it is over; that is no trouble before it was tried in vain to give it its place.
_IS_LASTING = and_(inbox.c.kind == literal_column("'call'"), inbox.c.tries == literal_column("0"))
_IS_UNDECIDED = and_(inbox.c.status == literal_column("'waiting'"), inbox.c.due_at.is_not(None), not_(_IS_LASTING))


@dataclass(frozen=True, slots=True)
class Sought:
    """What a search may mean, any of which will do: the beginning of a SID, long enough that few have it; addresses as
    they are stored; the folded identity of a worker."""

    sid_begins: str | None = None
    addresses: tuple[str, ...] = ()
    identity: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which conversations are listed. `states`: any of these, all where empty; `worker`: folded identity of somebody
    who is in it; `waiting_before`: in the queue since then or longer, milliseconds since 1970; `failing`: with an
    effect that is given up or tried again."""

    states: tuple[str, ...] = ()
    worker: str | None = None
    channel: str | None = None
    waiting_before: int | None = None
    failing: bool = False
    sought: Sought | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A customer in the queue. `since`: milliseconds since 1970."""

    conversation: Conversation
    since: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is not going well: effects given up (newest first), effects tried again (next first), and events that are
    parked or wait to be decided (oldest first). `counts` has how many there are of each, by status."""

    given_up: list[Row[Any]]
    failing: list[Row[Any]]
    undecided: list[Row[Any]]
    counts: dict[str, int]


def waiting(connection: Connection, limit: int) -> list[Waiting]:
    """Who waits for somebody to become available, longest first."""
    since = conversation.c.waiting_since
    query = select(conversation).where(since.is_not(None)).order_by(since, conversation.c.id).limit(limit)
    return [Waiting(codec.decode_conversation(row), row.waiting_since) for row in connection.execute(query)]


def how_many_wait(connection: Connection) -> int:
    """The length of the queue."""
    return int(connection.execute(select(func.count()).where(conversation.c.waiting_since.is_not(None))).scalar_one())


def load(connection: Connection) -> dict[str, int]:
    """Folded identity to the number of conversations he is in now: read from those with a worker, which are few, and
    not from all he ever was in."""
    own = conversation_worker
    query = (
        select(own.c.identity, func.count())
        .select_from(conversation.join(own, own.c.conversation_sid == conversation.c.sid))
        .where(conversation.c.state == literal_column("'with_worker'"))
        .group_by(own.c.identity)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def trouble(connection: Connection, limit: int) -> Trouble:
    """Up to `limit` of each kind of trouble, and how much of each there is."""
    given_up = select(outbox).where(is_given_up()).order_by(outbox.c.seq.desc()).limit(limit)
    failing = select(outbox).where(_IS_FAILING).order_by(outbox.c.due_at, outbox.c.seq).limit(limit)
    parked = select(inbox).where(_IS_PARKED).order_by(inbox.c.received_at).limit(limit)
    undecided = select(inbox).where(_IS_UNDECIDED).order_by(inbox.c.due_at).limit(limit)
    return Trouble(
        given_up=list(connection.execute(given_up)),
        failing=list(connection.execute(failing)),
        undecided=[*connection.execute(parked), *connection.execute(undecided)][:limit],
        counts=_counts(connection),
    )


def _counts(connection: Connection) -> dict[str, int]:
    counted = dict.fromkeys(("parked", "rejected", "retrying", "ambiguous"), 0)
    for condition in (is_given_up(), _IS_FAILING):
        query = select(outbox.c.status, func.count()).where(condition).group_by(outbox.c.status)
        counted |= {row[0]: row[1] for row in connection.execute(query)}
    for name, condition in (("event_parked", _IS_PARKED), ("event_waiting", _IS_UNDECIDED)):
        counted[name] = connection.execute(select(func.count()).select_from(inbox).where(condition)).scalar_one()
    return counted


def failing_among(connection: Connection, sids: Iterable[str]) -> dict[str, int]:
    """Conversation to the number of its effects that are given up or tried again, of those that have any."""
    query = (
        select(outbox.c.conversation_sid, func.count())
        .where(outbox.c.conversation_sid.in_(list(sids)))
        .group_by(outbox.c.conversation_sid)
    )
    found: dict[str, int] = {}
    for condition in (is_given_up(), _IS_FAILING):
        for sid, count in connection.execute(query.where(condition)):
            found[sid] = found.get(sid, 0) + count
    return found


def page(
    connection: Connection, wanted: Filter, limit: int, after: int | None = None
) -> tuple[list[Conversation], int | None]:
    """Up to `limit` conversations, newest first, and the cursor of what follows. A page that is not full and has a
    cursor looked at `WINDOW` conversations: there may be more further back."""
    window = _window(wanted, after)
    fitting = select(window.c.id).where(*_conditions(wanted, window)).order_by(window.c.id.desc()).limit(limit + 1)
    ids = list(connection.execute(fitting).scalars())
    rows = connection.execute(
        select(conversation).where(conversation.c.id.in_(ids[:limit])).order_by(conversation.c.id.desc())
    )
    following = ids[limit - 1] if len(ids) > limit else _end_of(connection, window)
    return [codec.decode_conversation(row) for row in rows], following


def addresses_of(connection: Connection, name: str) -> list[str]:
    """The normalised addresses of customers in the book whose name or channels, folded, hold this; of very many,
    some."""
    named = containing(connection, select(customer.c.customer_id).order_by(customer.c.id), name, None).limit(FOUND_MAX)
    ids = list(connection.execute(named).scalars())
    query = select(customer_channel.c.normalised).where(customer_channel.c.customer_id.in_(ids)).limit(FOUND_MAX)
    return list(connection.execute(query).scalars())


def _end_of(connection: Connection, window: Subquery) -> int | None:
    """The last id of a window that may not have been the last one."""
    count, last = connection.execute(select(func.count(), func.min(window.c.id)).select_from(window)).one()
    return int(last) if count == WINDOW else None


def _window(wanted: Filter, after: int | None) -> Subquery:
    """What the narrowest filter has, the next `WINDOW` of it, newest first."""
    queries = [_next(query, order, after) for query, order in _driven(wanted)]
    if len(queries) == 1:
        return queries[0].subquery()
    parts = union_all(*(select(query.subquery()) for query in queries)).subquery()
    return select(parts).distinct().order_by(parts.c.id.desc()).limit(WINDOW).subquery()


def _next(query: Select[Any], order: ColumnElement[int], after: int | None) -> Select[Any]:
    bounded = query if after is None else query.where(order < after)
    return bounded.order_by(order.desc()).limit(WINDOW)


def _driven(wanted: Filter) -> list[tuple[Select[Any], ColumnElement[int]]]:
    """The queries that a list is made of, each with its order: an index's own, or that of a set that is small."""
    c = conversation.c
    every = select(c.id, c.sid, c.state, c.address, c.waiting_since)
    if wanted.sought is not None:
        return [(every.where(condition), _ID_OF_FEW) for condition in _meanings(wanted.sought)]
    if wanted.failing:
        return [(every.where(_is_in_trouble(c.sid)), _ID_OF_FEW)]
    if wanted.waiting_before is not None:
        return [(every.where(c.waiting_since <= wanted.waiting_before), _ID_OF_FEW)]
    if wanted.worker is not None:
        return [(every.where(_has_worker(c.sid, wanted.worker)), _ID_OF_FEW)]
    if wanted.states:
        return [(every.where(c.state == state), c.id.expression) for state in wanted.states]
    return [(every, c.id.expression)]


def _meanings(sought: Sought) -> list[ColumnElement[bool]]:
    """One condition for each thing a search may mean; one that nothing meets where it means nothing."""
    found: list[ColumnElement[bool]] = []
    if sought.sid_begins is not None:
        # `g` is what follows the last hexadecimal digit.
        end = f"{sought.sid_begins}g"
        found.append(and_(conversation.c.sid >= sought.sid_begins, conversation.c.sid < end))
    if sought.identity is not None:
        found.append(_has_worker(conversation.c.sid, sought.identity))
    if sought.addresses or not found:
        found.append(conversation.c.address.in_(sought.addresses))
    return found


def _has_worker(sid: ColumnElement[str], identity: str) -> ColumnElement[bool]:
    own = conversation_worker
    return sid.in_(select(own.c.conversation_sid).where(own.c.identity == identity))


def _is_in_trouble(sid: ColumnElement[str]) -> ColumnElement[bool]:
    conditions = (is_given_up(), _IS_FAILING)
    return sid.in_(union_all(*(select(outbox.c.conversation_sid).where(condition) for condition in conditions)))


def _conditions(wanted: Filter, window: Subquery) -> Iterable[ColumnElement[bool]]:
    """Every filter, of what is in the window: the one that drove it costs nothing again."""
    if wanted.states:
        yield window.c.state.in_(wanted.states)
    if wanted.worker is not None:
        own = conversation_worker
        yield exists().where(own.c.conversation_sid == window.c.sid, own.c.identity == wanted.worker)
    if wanted.channel is not None:
        yield _is_on(window.c.address, wanted.channel)
    if wanted.waiting_before is not None:
        yield window.c.waiting_since <= wanted.waiting_before
    if wanted.failing:
        yield _is_in_trouble(window.c.sid)


def _is_on(address: ColumnElement[str], channel: str) -> ColumnElement[bool]:
    if channel in PREFIXES:
        return address.startswith(PREFIXES[channel], autoescape=True)
    return and_(address.is_not(None), not_(or_(*(address.startswith(prefix) for prefix in PREFIXES.values()))))

"""Subscriptions: where to ring people, and whom a change is a reason to ring.

What is rung for is a conversation with a customer's message, or a missed call of his, that its worker has not seen.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, exists, func, insert, literal_column, select

from storage.schema import conversation_worker, history, meta, person, subscription
from storage.unit import Unit

# What a worker is to see, and is rung for: what his customer wrote, and that he called and reached nobody.
IS_NEWS = history.c.trigger.in_([literal_column("'message_received'"), literal_column("'call_missed'")])
EACH_MAX = 10
_KEY = "vapid"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A browser that can be rung: where, and the keys only it can read by."""

    endpoint: str
    person_id: int
    p256dh: str
    auth: str


@dataclass(frozen=True, slots=True)
class Unseen:
    """A conversation that waits to be seen by its worker. `version`: of the customer's last message or missed
    call; `at`: when that came, or the worker, milliseconds since 1970."""

    sid: str
    person_id: int
    version: int
    at: int


def keep(unit: Unit, wanted: Subscription) -> None:
    """Remember a subscription; of more than EACH_MAX of a person the oldest is forgotten."""
    values = {
        "endpoint": wanted.endpoint,
        "person_id": wanted.person_id,
        "p256dh": wanted.p256dh,
        "auth": wanted.auth,
        "created_at": unit.now,
    }
    unit.connection.execute(delete(subscription).where(subscription.c.endpoint == wanted.endpoint))
    unit.connection.execute(insert(subscription).values(values))
    theirs = select(subscription.c.endpoint).where(subscription.c.person_id == wanted.person_id)
    oldest = unit.connection.execute(theirs.order_by(subscription.c.created_at.desc()).offset(EACH_MAX)).scalars().all()
    if oldest:
        unit.connection.execute(delete(subscription).where(subscription.c.endpoint.in_(oldest)))


def forget(unit: Unit, endpoint: str, person_id: int | None = None) -> None:
    """Ring there no more; `person_id`: only if it is his."""
    query = delete(subscription).where(subscription.c.endpoint == endpoint)
    unit.connection.execute(query if person_id is None else query.where(subscription.c.person_id == person_id))


def of(connection: Connection, person_ids: Collection[int]) -> list[Subscription]:
    """Where these people are rung."""
    query = select(subscription).where(subscription.c.person_id.in_(person_ids)).order_by(subscription.c.created_at)
    return [Subscription(row.endpoint, row.person_id, row.p256dh, row.auth) for row in connection.execute(query)]


def is_any(connection: Connection) -> bool:
    """Whether anybody can be rung."""
    return bool(connection.scalar(select(exists().where(subscription.c.endpoint.is_not(None)))))


def unseen(connection: Connection, sids: Collection[str] | None) -> list[Unseen]:
    """Among these conversations (None: all), those that people who can be rung have not seen."""
    people = _who_can_be_rung(connection)
    if not people or (sids is not None and not sids):
        return []
    last = (
        select(func.max(history.c.version))
        .where(history.c.conversation_sid == conversation_worker.c.conversation_sid)
        .where(IS_NEWS)
        .scalar_subquery()
    )
    query = select(conversation_worker, last.label("last")).where(conversation_worker.c.identity.in_(people))
    if sids is not None:
        query = query.where(conversation_worker.c.conversation_sid.in_(sids))
    rows = [row for row in connection.execute(query) if row.last is not None and row.last > row.seen_version]
    return [
        Unseen(row.conversation_sid, people[row.identity], row.last, max(row.since, _came(connection, row)))
        for row in rows
    ]


def _came(connection: Connection, row: Any) -> int:
    when = select(history.c.at).where(history.c.conversation_sid == row.conversation_sid, history.c.version == row.last)
    return int(connection.execute(when).scalar_one())


def _who_can_be_rung(connection: Connection) -> dict[str, int]:
    """People by identity, in any letter case; databases fold letters differently, and these are few."""
    has_one = exists().where(subscription.c.person_id == person.c.id)
    query = select(person.c.id, person.c.identity).where(
        person.c.identity.is_not(None), person.c.disabled_at.is_(None), has_one
    )
    return {row.identity.casefold(): row.id for row in connection.execute(query)}


def key(connection: Connection) -> str | None:
    """The private key that says who rings (PEM), if there is one yet."""
    return connection.execute(select(meta.c.value).where(meta.c.name == _KEY)).scalar_one_or_none()


def keep_key(unit: Unit, pem: str) -> str:
    """Keep a key unless there is one already; the one that is kept."""
    statement = unit.sql.words.insert(meta).values(name=_KEY, value=pem)
    unit.connection.execute(statement.on_conflict_do_nothing(index_elements=[meta.c.name]))
    kept = key(unit.connection)
    assert kept is not None, "it was just written"
    return kept

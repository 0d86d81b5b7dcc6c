"""Which worker was last with which customer: one row a customer, written when somebody comes or leaves.

A conversation ends and the next begins; the relationship stays. Neither table that was there serves the question: who
has left a conversation stands in its history alone, and no index leads from a customer to those of all his
conversations. A customer's message writes nothing here.
"""

from collections.abc import Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from states.conversation import Conversation
from states.returning import Spoken, company, key_of
from storage.schema import relationship
from storage.statements import Sql, Statement, Words


def spoken(before: Conversation, after: Conversation, now: int) -> dict[str, Any] | None:
    """The row that a decision at `now` (milliseconds since 1970) leaves, where it says who was with the customer."""
    if after.workers is before.workers and after.customer is before.customer and after.state == before.state:
        return None
    identity = company(before, after)
    key = key_of(after.address, None if after.customer is None else after.customer.customer_id)
    if identity is None or key is None:
        return None
    return {"key": key, "identity": identity.casefold(), "last_at": now}


def keep(sql: Sql, rows: Collection[dict[str, Any]]) -> None:
    """Write rows, one for each key, in one order everywhere; what was later stays."""
    sql.many(_SPOKEN, sorted(rows, key=itemgetter("key")))


def last_of(connection: Connection, keys: Sequence[str]) -> Spoken | None:
    """Who was last with the customer of the first of these keys that anything is kept under."""
    query = select(relationship).where(relationship.c.key.in_(keys))
    found = {row.key: Spoken(row.identity, row.last_at) for row in connection.execute(query)}
    return next((found[key] for key in keys if key in found), None)


def _upsert(words: Words, given: Mapping[str, ColumnElement[Any]]) -> Any:
    statement = words.adding(words.insert(relationship), given)
    fresh = {name: statement.excluded[name] for name in ("identity", "last_at")}
    is_later = statement.excluded.last_at >= relationship.c.last_at
    return statement.on_conflict_do_update(index_elements=[relationship.c.key], set_=fresh, where=is_later)


_SPOKEN = Statement(_upsert, {column.name: column.type for column in relationship.c})

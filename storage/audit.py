"""Audit: who did what to which conversation, why, and what came of it. Rows are added and never changed."""

from dataclasses import dataclass

from sqlalchemy import Connection, Select, insert, select

from storage.schema import audit
from storage.unit import Unit


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did. `id` goes up with each; `at`: milliseconds since 1970; `who`: a login; `target`: whom or what
    it was done to, beside the conversation."""

    id: int
    at: int
    who: str
    act: str
    conversation_sid: str | None
    target: str | None
    reason: str
    outcome: str


def record(
    unit: Unit, who: str, act: str, conversation_sid: str | None, target: str | None, reason: str, outcome: str
) -> None:
    """Write down what somebody did, in the transaction that does it."""
    row = {
        "at": unit.now,
        "who": who,
        "act": act,
        "conversation_sid": conversation_sid,
        "target": target,
        "reason": reason,
        "outcome": outcome,
    }
    unit.connection.execute(insert(audit).values(row))
    if conversation_sid is not None:
        unit.touch(conversation_sid)


def of(connection: Connection, sid: str) -> list[Act]:
    """What was done to a conversation, oldest first."""
    return _acts(connection, select(audit).where(audit.c.conversation_sid == sid).order_by(audit.c.id))


def newest(connection: Connection, limit: int, before: int | None = None) -> list[Act]:
    """What was done last, newest first; `before`: what came before the act of this id."""
    query = select(audit).order_by(audit.c.id.desc()).limit(limit)
    return _acts(connection, query if before is None else query.where(audit.c.id < before))


def _acts(connection: Connection, query: Select[tuple[object, ...]]) -> list[Act]:
    return [Act(**row._mapping) for row in connection.execute(query)]

"""The inbox beyond one event: which conversations have events that wait for a look, and putting them off."""

from sqlalchemy import bindparam, func, literal_column, select, update

from storage.schema import inbox, look
from storage.unit import Unit

# Spelled out, or SQLite does not see that the partial indexes serve.
_WAITING = inbox.c.status == literal_column("'waiting'")


def due_conversations(unit: Unit, limit: int) -> list[str]:
    """The conversations with an undecided event that is due."""
    query = (
        select(inbox.c.conversation_sid)
        .where(_WAITING, inbox.c.due_at <= bindparam("now"))
        .group_by(inbox.c.conversation_sid)
        .order_by(func.min(inbox.c.due_at))
        .limit(limit)
    )
    return list(unit.connection.execute(query, {"now": unit.now}).scalars())


def put_off(unit: Unit, sid: str, due_at: int) -> None:
    """The look at this conversation did not succeed: its undecided events wait until `due_at`."""
    unit.connection.execute(
        update(inbox).where(_WAITING, inbox.c.conversation_sid == sid, inbox.c.due_at < due_at).values(due_at=due_at)
    )


def waiting_since(unit: Unit, sid: str) -> int:
    """When the oldest undecided event of this conversation came, milliseconds since 1970; now, where there is none."""
    oldest = select(func.min(inbox.c.received_at)).where(_WAITING, inbox.c.conversation_sid == sid)
    return unit.connection.execute(oldest).scalar() or unit.now


def next_due(unit: Unit) -> int | None:
    """When the next undecided event or look falls due that is not due yet, milliseconds since 1970."""
    queries = [
        select(func.min(inbox.c.due_at)).where(_WAITING, inbox.c.due_at > bindparam("now")),
        select(func.min(look.c.due_at)).where(look.c.due_at > bindparam("now")),
    ]
    times = [unit.connection.execute(query, {"now": unit.now}).scalar() for query in queries]
    return min((time for time in times if time is not None), default=None)

"""When each worker was last assigned, by whichever route: the record that decides who has been idle longest."""

from collections.abc import Iterable

from sqlalchemy import func, select

from storage.schema import reservation
from storage.unit import Unit

# Whoever gives a customer to a worker holds this until the commit: two who choose at once would choose the same one.
ASSIGNMENTS = "assignments"


def last_assigned(unit: Unit, worker_sids: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Worker SID to the time of his last assignment (milliseconds since 1970) and its turn among all assignments."""
    unit.sql.lock([ASSIGNMENTS])
    query = select(reservation.c.worker_sid, reservation.c.last_assigned_at, reservation.c.turn).where(
        reservation.c.worker_sid.in_(list(worker_sids))
    )
    return {row.worker_sid: (row.last_assigned_at, row.turn) for row in unit.connection.execute(query)}


def latest(unit: Unit, until: int) -> int:
    """The time of the latest assignment of all up to `until`, milliseconds since 1970; 0 where there is none."""
    query = select(func.coalesce(func.max(reservation.c.last_assigned_at), 0))
    return int(unit.connection.execute(query.where(reservation.c.last_assigned_at <= until)).scalar_one())


def reserve(unit: Unit, worker_sid: str, identity: str, at_ms: int) -> None:
    """Note an assignment, the latest of all."""
    unit.sql.lock([ASSIGNMENTS])
    turn = unit.connection.execute(select(func.coalesce(func.max(reservation.c.turn), 0) + 1)).scalar_one()
    changed = {"identity": identity, "last_assigned_at": at_ms, "turn": turn}
    statement = unit.sql.words.insert(reservation).values(worker_sid=worker_sid, **changed)
    unit.connection.execute(statement.on_conflict_do_update(index_elements=[reservation.c.worker_sid], set_=changed))

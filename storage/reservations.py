"""When each worker was last assigned, by whichever route: the record that decides who has been idle longest."""

from collections.abc import Iterable

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.sqlite import insert

from storage.schema import reservation


def last_assigned(connection: Connection, worker_sids: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Worker SID to the time of his last assignment (milliseconds since 1970) and its turn among all assignments."""
    query = select(reservation.c.worker_sid, reservation.c.last_assigned_at, reservation.c.turn).where(
        reservation.c.worker_sid.in_(list(worker_sids))
    )
    return {row.worker_sid: (row.last_assigned_at, row.turn) for row in connection.execute(query)}


def reserve(connection: Connection, worker_sid: str, identity: str, at_ms: int) -> None:
    """Note an assignment, the latest of all."""
    turn = connection.execute(select(func.coalesce(func.max(reservation.c.turn), 0) + 1)).scalar_one()
    changed = {"identity": identity, "last_assigned_at": at_ms, "turn": turn}
    statement = insert(reservation).values(worker_sid=worker_sid, **changed)
    connection.execute(statement.on_conflict_do_update(index_elements=[reservation.c.worker_sid], set_=changed))

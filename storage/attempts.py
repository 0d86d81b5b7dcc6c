"""Attempts to sign in: at most so many a minute for each key, counted before they are made and shared by all replicas.

A key is a digest of what is counted for. An attempt that succeeded is taken back, so that only failures add up; while
it is under way it counts, so nobody can try more at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from storage.schema import attempt

LIMIT, WINDOW_MS = 5, 60_000
# Held while attempts are counted, so that two replicas do not both see the last free one.
LOCK = "attempts"


@dataclass(frozen=True, slots=True)
class Attempt:
    """Whether a try may be made: not for `wait_ms` milliseconds, unless that is 0. `ids`: what was noted of it."""

    wait_ms: int
    ids: tuple[int, ...] = ()


def attempt_once(connection: Connection, keys: Sequence[str], now: int) -> Attempt:
    """Note a try under every key, unless one of them has had its tries for this minute."""
    wait = max(_wait(connection, key, now) for key in keys)
    if wait > 0:
        return Attempt(wait)
    noted = (connection.execute(insert(attempt).values(key=key, at=now).returning(attempt.c.id)) for key in keys)
    return Attempt(0, tuple(int(row.scalar_one()) for row in noted))


def count(connection: Connection, key: str, now: int) -> int:
    """How many tries of this key stand within the last minute, as far as it matters."""
    return len(_recent(connection, key, now))


def _wait(connection: Connection, key: str, now: int) -> int:
    recent = _recent(connection, key, now)
    return recent[-1] + WINDOW_MS - now if len(recent) >= LIMIT else 0


def _recent(connection: Connection, key: str, now: int) -> list[int]:
    query = select(attempt.c.at).where(attempt.c.key == key, attempt.c.at > now - WINDOW_MS)
    return list(connection.execute(query.order_by(attempt.c.at.desc()).limit(LIMIT)).scalars())


def take_back(connection: Connection, ids: Sequence[int]) -> None:
    """Count a try no more: it succeeded."""
    connection.execute(delete(attempt).where(attempt.c.id.in_(ids)))


def prune(connection: Connection, now: int) -> int:
    """Delete what is older than a minute; how many."""
    return connection.execute(delete(attempt).where(attempt.c.at <= now - WINDOW_MS)).rowcount

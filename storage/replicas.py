"""Replicas: each running service has a number, given once, and a lease by the database's clock.

The effects a replica runs carry its number: whoever writes an outcome must still be the one the row names, and what a
replica without a lease ran is given back by any other. A replica that was frozen, or cut off from the database, gets a
new number; nothing it does under the old one counts. SQLite has one service, whose lease never ends.
"""

import sys

from sqlalchemy import delete, insert, update

from storage.schema import duty, replica
from storage.unit import Unit

FOR_EVER_MS = sys.maxsize // 4


def join(unit: Unit, lease_ms: int) -> int:
    """A number of one's own, with a lease."""
    added = insert(replica).values(until=unit.now + lease_ms).returning(replica.c.number)
    return int(unit.connection.execute(added).scalar_one())


def renew(unit: Unit, number: int, lease_ms: int) -> bool:
    """Prolong a lease; False where it has ended, and what it covered may be somebody else's by now."""
    prolonged = (
        update(replica).where(replica.c.number == number, replica.c.until > unit.now).values(until=unit.now + lease_ms)
    )
    return unit.connection.execute(prolonged).rowcount == 1


def leave(unit: Unit, number: int) -> None:
    """End a lease: what is left of this replica's work is taken over at once."""
    unit.connection.execute(delete(replica).where(replica.c.number == number))


def forget_ended(unit: Unit) -> None:
    """Drop the leases that have ended, once what they covered was given back."""
    unit.connection.execute(delete(replica).where(replica.c.until <= unit.now))


def forget_all(unit: Unit) -> None:
    """Nobody else can be running: end every lease and every duty."""
    unit.connection.execute(delete(replica))
    unit.connection.execute(delete(duty))


def take(unit: Unit, name: str, for_ms: int) -> bool:
    """Take a duty until it is given back, `for_ms` at most; False where another replica has it."""
    until = unit.now + for_ms
    statement = unit.sql.words.insert(duty).values(name=name, until=until)
    taken = statement.on_conflict_do_update(
        index_elements=[duty.c.name], set_={"until": until}, where=duty.c.until <= unit.now
    )
    return unit.connection.execute(taken).rowcount == 1


def give_back(unit: Unit, name: str) -> None:
    """The duty is done for now."""
    unit.connection.execute(delete(duty).where(duty.c.name == name))


def rest(unit: Unit, name: str, for_ms: int) -> None:
    """The duty is done, and not due again before `for_ms`, whoever has it by now."""
    unit.connection.execute(update(duty).where(duty.c.name == name).values(until=unit.now + for_ms))

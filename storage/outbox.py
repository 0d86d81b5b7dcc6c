"""The outbox beyond one decision: recovering what a dead process left behind, and when the next effect is due."""

from collections.abc import Collection, Mapping

from sqlalchemy import ColumnElement, bindparam, case, exists, func, select, tuple_, update

from storage import codec
from storage.failpoints import reached
from storage.lanes import Due
from storage.schema import is_open, is_waiting, outbox, replica
from storage.unit import Unit

# Twilio has no idempotency key for creating a message: whether it was sent is looked up before it is sent again.
SENDS = ("send_message", "send_template")
# So it is with what is created in Flex.
CREATES = (*SENDS, "copy_to_flex", "invite_flex", "relay_to_flex")


def running(unit: Unit, owner: int) -> dict[str, int]:
    """What a replica has marked running: effect key to the number of its attempts."""
    unit.lanes.close_rows()
    rows = unit.connection.execute(
        select(outbox.c.key, outbox.c.attempts).where(is_open(), outbox.c.status == "running", outbox.c.owner == owner)
    )
    return {row.key: row.attempts for row in rows}


def recover(unit: Unit, quiet_ms: int, lost: Mapping[str, int] | None = None) -> int:
    """Give back what was running when its process ended: what creates is in doubt and is looked for after the quiet
    period, everything else is simply repeated. A process has ended when it has no lease. `lost`: these attempts alone,
    as `running` tells them. Returns how many rows there were."""
    reached("recover")
    unit.lanes.close_rows()
    running = is_open() & (outbox.c.status == "running")
    if lost is None:
        running &= ~_has_lease(unit.now)
    else:
        running &= tuple_(outbox.c.key, outbox.c.attempts).in_(list(lost.items()))
    doubtful = outbox.c.kind.in_(CREATES)
    unsure = unit.connection.execute(
        update(outbox)
        .where(running, doubtful)
        .values(
            status="ambiguous",
            # A clock that was set back must not make the quiet period longer.
            due_at=case((outbox.c.intent_at > unit.now, unit.now), else_=outbox.c.intent_at) + quiet_ms,
            last_error="it ran, and how it ended was never heard",
        )
    )
    repeated = unit.connection.execute(update(outbox).where(running).values(status="pending", due_at=unit.now))
    return unsure.rowcount + repeated.rowcount


def _has_lease(now: int) -> ColumnElement[bool]:
    """Whether the replica that runs an effect lives."""
    return exists().where(replica.c.number == outbox.c.owner, replica.c.until > now)


def restamp(unit: Unit, due: Due) -> bool:
    """A further attempt leaves now: a crash from here on is in doubt for a quiet period from now. False where the
    attempt is somebody else's by now."""
    unit.lanes.close_rows()
    ours = (outbox.c.key == due.key, outbox.c.status == "running", outbox.c.owner == due.owner)
    stamped = update(outbox).where(*ours, outbox.c.attempts == due.attempts).values(intent_at=unit.now)
    return unit.connection.execute(stamped).rowcount == 1


def results(unit: Unit, keys: Collection[str]) -> dict[str, str | None]:
    """What each of these effects is known to have made, None where that is not known; without those that are none."""
    if not keys:
        return {}
    unit.lanes.close_rows()
    rows = unit.connection.execute(select(outbox.c.key, outbox.c.result_sid).where(outbox.c.key.in_(keys)))
    return {row.key: row.result_sid for row in rows}


def authors(unit: Unit, keys: Collection[str]) -> dict[str, str]:
    """Under which author each of these messages is, or was, to be published."""
    if not keys:
        return {}
    unit.lanes.close_rows()
    sent = (outbox.c.key.in_(keys), outbox.c.kind.in_(SENDS))
    rows = unit.connection.execute(select(outbox.c.key, outbox.c.payload).where(*sent))
    return {row.key: codec.decode(row.payload).author for row in rows}


def note_result(unit: Unit, key: str, result_sid: str, index: int) -> None:
    """A message of an effect that is not settled was seen in the conversation."""
    unit.connection.execute(update(outbox).where(outbox.c.key == key).values(result_sid=result_sid, result_index=index))


def bring_forward(unit: Unit, kind: str) -> int:
    """Make the waiting and parked effects of a kind due now: what hindered them is over."""
    waiting = outbox.c.status.in_(("retrying", "parked"))
    result = unit.connection.execute(
        update(outbox)
        .where(outbox.c.kind == bindparam("b_kind"), waiting)
        .values(status="retrying", due_at=unit.now, done_at=None),
        {"b_kind": kind},
    )
    return result.rowcount


def bring_retries_forward(unit: Unit) -> int:
    """Make everything that waits for another attempt due now. What is in doubt keeps its quiet period."""
    waiting = update(outbox).where(is_open(), outbox.c.status == "retrying", outbox.c.due_at > unit.now)
    return unit.connection.execute(waiting.values(due_at=unit.now)).rowcount


def next_due(unit: Unit) -> int | None:
    """When the next waiting effect falls due that is not due yet, milliseconds since 1970. What is due already waits
    for the one before it in its lane, whose end starts it."""
    later = select(func.min(outbox.c.due_at)).where(is_waiting(), outbox.c.due_at > bindparam("now"))
    return unit.connection.execute(later, {"now": unit.now}).scalar()

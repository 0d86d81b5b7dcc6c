"""The outbox beyond one decision: recovering what a dead process left behind, and when the next effect is due."""

from sqlalchemy import bindparam, case, func, select, update

from storage.schema import outbox
from storage.unit import Unit

# Twilio has no idempotency key for creating a message: whether it was sent is looked up before it is sent again.
CREATES = ("send_message",)


def recover(unit: Unit, quiet_ms: int) -> int:
    """Give back what was running when the process ended: what creates is in doubt and is looked for after the quiet
    period, everything else is simply repeated. Returns how many rows there were."""
    running = outbox.c.status == "running"
    doubtful = outbox.c.kind.in_(CREATES)
    unsure = unit.connection.execute(
        update(outbox)
        .where(running, doubtful)
        .values(
            status="ambiguous",
            # A clock that was set back must not make the quiet period longer.
            due_at=case((outbox.c.intent_at > unit.now, unit.now), else_=outbox.c.intent_at) + quiet_ms,
            last_error="the process ended while it ran",
        )
    )
    repeated = unit.connection.execute(update(outbox).where(running).values(status="pending", due_at=unit.now))
    return unsure.rowcount + repeated.rowcount


def restamp(unit: Unit, key: str) -> None:
    """A further attempt leaves now: a crash from here on is in doubt for a quiet period from now."""
    unit.connection.execute(update(outbox).where(outbox.c.key == key).values(intent_at=unit.now))


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
    waiting = update(outbox).where(outbox.c.status == "retrying", outbox.c.due_at > unit.now)
    return unit.connection.execute(waiting.values(due_at=unit.now)).rowcount


def next_due(unit: Unit) -> int | None:
    """When the next waiting effect is due, milliseconds since 1970."""
    waiting = outbox.c.status.in_(("pending", "retrying", "ambiguous"))
    return unit.connection.execute(select(func.min(outbox.c.due_at)).where(waiting)).scalar()

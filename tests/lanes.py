"""Decisions that ask for effects, their outcomes, and what the lanes started."""

from typing import Any

from states.conversation import Conversation, Decision, KeyedEffect
from states.effects import Effect
from states.names import WorkerSid
from storage import codec
from storage.lanes import Due
from storage.schema import outbox
from storage.unit import Unit
from tests.stores import Store, column, sid, started

WORKER = WorkerSid(sid("WK", 1))


def ask_for(unit: Unit, *effects: Effect, conversation: int = 1) -> None:
    """A decision of one conversation that asks for these effects."""
    stored = unit.open(sid("CH", conversation))
    before = stored.conversation
    following = Conversation(
        sid=before.sid,
        created_at=before.created_at,
        updated_at=unit.now,
        state="awaiting_choice",
        version=before.version + 1,
    )
    keyed = tuple(KeyedEffect(f"{before.sid}/{following.version}/{i}", effect) for i, effect in enumerate(effects))
    decision = Decision(following, keyed, "conversation_started", before.state, following.state, "test")
    unit.apply(stored, decision, started())


def decided(store: Store, *effects: Effect, conversation: int = 1) -> list[Due]:
    """One transaction with one decision; what it started."""
    with store.unit() as unit:
        ask_for(unit, *effects, conversation=conversation)
    return unit.lanes.started


def closed(store: Store, due: Due, status: str = "done", **changes: Any) -> list[Due]:
    """One transaction that writes an outcome; what it started."""
    with store.unit() as unit:
        unit.lanes.close(due, **({"status": status, "done_at": unit.now} | changes))
    return unit.lanes.started


def due_now(store: Store, limit: int = 10) -> list[Due]:
    """What the dispatcher's look at the outbox starts."""
    with store.unit() as unit:
        unit.start_due(limit)
    return unit.lanes.started


def said(dues: list[Due]) -> list[str]:
    return [codec.decode(due.payload).body for due in dues]


def statuses(store: Store) -> list[str]:
    return column(store.rows(outbox), "status")

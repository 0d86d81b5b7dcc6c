"""Who gets the customer: choosing and claiming a worker in the transaction that accepts the choice.

The service's own record of assignments decides who has been idle longest; a worker's `lastAcceptedTaskTime` only seeds
it. Two customers at once therefore meet two workers where two are available, and one worker takes all who wait.
"""

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from orchestrator.ports import Worker
from states.events import Event, HandedToWorker, NobodyAvailable, WorkerFound
from states.names import WorkerSid
from states.policy import IdleWorker, longest_idle
from storage import reservations
from storage.unit import Unit

# How far ahead of the clock a burst is believed to run; what is later than that is a mistake of somebody else's.
BURST_MS = 1_000


def assign_longest_idle(
    unit: Unit, conversation_sid: str, available: Sequence[Worker], turn: int, excluding: Collection[str]
) -> Event | None:
    """Claim the longest idle of `available` for a conversation in `routing`; None where somebody is on his way or the
    search is over."""
    if not _still_looks(unit, conversation_sid, turn):
        return None
    record = reservations.last_assigned(unit, [worker.sid for worker in available])
    chosen = longest_idle(
        [
            IdleWorker(worker.identity, worker.sid, *record.get(worker.sid, (worker.last_accepted_task_time, 0)))
            for worker in available
        ],
        excluding,
    )
    if chosen is None:
        return NobodyAvailable(turn)
    worker = next(worker for worker in available if worker.sid == chosen.worker_sid)
    return _claim(unit, worker, record.get(worker.sid), turn, named=False)


def assign_named(unit: Unit, conversation_sid: str, worker: Worker, turn: int) -> Event | None:
    """Claim the worker the customer named, available or not; None as above."""
    if not _still_looks(unit, conversation_sid, turn):
        return None
    record = reservations.last_assigned(unit, [worker.sid])
    return _claim(unit, worker, record.get(worker.sid), turn, named=True)


def assign_known(
    unit: Unit, conversation_sid: str, worker: Worker, turn: int, considered: tuple[str, ...]
) -> Event | None:
    """Claim the worker the customer knows; None as above. He is not `named`: where he cannot be added, whoever is free
    is looked for."""
    found = assign_named(unit, conversation_sid, worker, turn)
    return replace(found, named=False, considered=considered) if isinstance(found, WorkerFound) else None


def assign_by_hand(unit: Unit, identity: str, worker: Worker | None, by: str, reason: str) -> HandedToWorker:
    """Claim whom somebody has given a customer to, available or not; `worker` is None where he is none of TaskRouter's,
    of whom no time is kept."""
    if worker is None:
        return HandedToWorker(identity, None, unit.now, by, reason)
    record = reservations.last_assigned(unit, [worker.sid])
    at_ms = _reserve(unit, worker, record.get(worker.sid))
    return HandedToWorker(worker.identity, WorkerSid(worker.sid), at_ms, by, reason)


def _still_looks(unit: Unit, conversation_sid: str, turn: int) -> bool:
    stored = unit.conversation(conversation_sid)
    if stored is None:
        return False
    conversation = stored.conversation
    return conversation.state == "routing" and conversation.claim is None and conversation.turn == turn


def _claim(unit: Unit, worker: Worker, recorded: tuple[int, int] | None, turn: int, *, named: bool) -> WorkerFound:
    at_ms = _reserve(unit, worker, recorded)
    return WorkerFound(worker.identity, WorkerSid(worker.sid), at_ms, turn, named)


def _reserve(unit: Unit, worker: Worker, recorded: tuple[int, int] | None) -> int:
    """The assignment's time is the later of now and his last one plus 1, so that order survives a burst; and no earlier
    than those of the same burst that came before it, for one who is named again and again runs ahead of the clock."""
    last = max(0 if recorded is None else recorded[0], worker.last_accepted_task_time or 0)
    at_ms = max(unit.now, last + 1, reservations.latest(unit, unit.now + BURST_MS))
    reservations.reserve(unit, worker.sid, worker.identity, at_ms)
    return at_ms

"""The waiting room: customers for whom nobody was available are served, oldest first, as soon as somebody is.

A TaskRouter event is a hint; asking every few seconds while anybody waits is the truth.
"""

import asyncio

import structlog

from orchestrator.assigning import assign_longest_idle
from orchestrator.directory import Directory
from orchestrator.errors import EffectError
from orchestrator.ports import Worker
from orchestrator.taking import admit_result
from states.events import WorkerFound
from storage import conversations, replicas
from storage.errors import StorageError
from storage.unit import About, Unit
from storage.writer import Batches

log = structlog.get_logger()
POLL_S = 5.0
AT_ONCE = 200


class WaitingRoom:
    """Assigns those who wait. `poll_s`: how often it looks without a hint."""

    def __init__(self, writer: Batches, directory: Directory, poll_s: float = POLL_S) -> None:
        self._writer = writer
        self._directory = directory
        self._poll_s = poll_s
        self._hint = asyncio.Event()

    def hint(self) -> None:
        """Somebody may have become available."""
        self._hint.set()

    async def run(self) -> None:
        """Serve the queue until cancelled."""
        while True:
            hinted = self._hint.is_set()
            self._hint.clear()
            try:
                if hinted or await self._is_our_turn():
                    await self.serve()
            except (EffectError, StorageError) as error:
                log.warning("queue_not_served", reason=str(error))
            try:
                async with asyncio.timeout(self._poll_s):
                    await self._hint.wait()
            except TimeoutError:
                continue

    async def _is_our_turn(self) -> bool:
        """Whether no other replica has just asked."""
        turn_ms = round(self._poll_s * 900)
        return not self._writer.is_shared or await self._writer.run(
            lambda unit: replicas.take(unit, "waiting_room", turn_ms), About(lock="waiting_room")
        )

    async def serve(self) -> int:
        """Offer the available workers to everybody who waits; how many were assigned. Raises EffectError when
        TaskRouter does not answer."""
        waited_for = await self._writer.run(lambda unit: conversations.task_queues(unit.connection))
        if not self._directory.configured:
            return 0
        return sum([await self._serve(queue) for queue in waited_for])

    async def _serve(self, queue: str | None) -> int:
        available = await self._directory.available(queue)
        if not available:
            return 0
        return await self._writer.run(lambda unit: assign_waiting(unit, available, queue), About(assigns=True))


def assign_waiting(unit: Unit, available: list[Worker], queue: str | None = None) -> int:
    """Assign everybody who waits for this task queue, oldest first, as far as `available` reach; how many that were."""
    if not available:
        return 0
    return sum(_assign(unit, sid, available) for sid in conversations.queue(unit.connection, AT_ONCE, queue))


def _assign(unit: Unit, sid: str, available: list[Worker]) -> bool:
    stored = unit.conversation(sid)
    if stored is None:
        return False
    found = assign_longest_idle(unit, sid, available, stored.conversation.turn, stored.conversation.refused)
    if not isinstance(found, WorkerFound):
        return False
    admit_result(unit, sid, f"queue/{sid}", found)
    return True

"""Dispatcher: drains the outbox. Performs what a commit has marked running, and settles each outcome.

The store hands over the head of each free lane with the commit that made it so; the loop here only finds what falls due
by time, and asks every few seconds regardless: a wake-up is a hint and polling the truth.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import cast

import structlog

from orchestrator.alarm import Alarm
from orchestrator.intake import Intake, Outcome
from orchestrator.metrics import EFFECTS
from orchestrator.performing import Performer
from orchestrator.retrying import Patience, after_failure
from states.effects import Effect
from storage import codec, outbox, replicas
from storage.errors import StorageError
from storage.failpoints import reached
from storage.lanes import Due
from storage.unit import About, Unit
from storage.writer import Batches

log = structlog.get_logger()
SIDE_BY_SIDE = 64
SETTLE_RETRY_S = 1.0
# Polls between two searches for what is marked running and runs nowhere.
SEARCH_EVERY = 5


class Dispatcher:
    """Runs effects until told to stop. `poll_s`: how often the outbox is looked at without a hint."""

    def __init__(
        self,
        writer: Batches,
        intake: Intake,
        performer: Performer,
        patience: Patience,
        poll_s: float,
    ) -> None:
        self._writer = writer
        self._intake = intake
        self._performer = performer
        self._patience = patience
        self._poll_s = poll_s
        self._clock = writer.now
        self._slots = asyncio.Semaphore(SIDE_BY_SIDE)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._alarm = Alarm()
        # More is due than can run: what a commit makes due waits its turn behind it.
        self._is_crowded = False
        self._search_at = float("-inf")
        writer.on_started = self.start
        writer.on_crowded = self._crowd
        writer.room = lambda: 0 if self._is_crowded else self._free()

    def _free(self) -> int:
        return max(0, SIDE_BY_SIDE - len(self._tasks))

    def _crowd(self) -> None:
        """More is due than there is room for. Where there is none at all, whoever ends makes it, and hints."""
        self._is_crowded = True
        if self._free():
            self._alarm.ring()

    def start(self, dues: Sequence[Due]) -> None:
        """Perform effects that are marked running, but for those a number ran that is ours no more."""
        for due in dues:
            if due.owner != self._writer.owner:
                continue
            task = self._tasks[due.key] = asyncio.create_task(self._run(due), name=due.key)
            task.add_done_callback(self._ended)

    def start_over(self) -> None:
        """This process has a new number: what runs under the old one is another replica's to do, or ours once it was
        given back."""
        for task in self._tasks.values():
            task.cancel()
        self._search_at = float("-inf")
        self._alarm.ring()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if self._tasks.get(task.get_name()) is task:
            del self._tasks[task.get_name()]
        if self._is_crowded:
            self._alarm.ring()
        if not task.cancelled() and task.exception() is not None:
            log.critical("effect_died", key=task.get_name(), exc_info=task.exception())

    def wake(self) -> None:
        """Something may be due now."""
        self._alarm.ring()

    async def recover(self) -> None:
        """Give back what processes without a lease left running."""
        await self._give_back(None)

    async def _find_lost(self) -> None:
        """Give back what is marked running and runs nowhere: its task has died, it was started by a commit that
        succeeded and was taken for a failed one, or its replica has no lease any more."""
        owner = self._writer.owner
        running = await self._writer.run(lambda unit: outbox.running(unit, owner))
        lost = {key: attempts for key, attempts in running.items() if key not in self._tasks}
        if lost:
            await self._give_back(lost)
        await self._give_back(None)

    async def _give_back(self, attempts: Mapping[str, int] | None) -> None:
        quiet_ms = round(self._patience.quiet_period_s * 1000)

        def work(unit: Unit) -> int:
            count = outbox.recover(unit, quiet_ms, attempts)
            if attempts is None:
                replicas.forget_ended(unit)
            return count

        count = await self._writer.run(work, About(lock="giving back"))
        if count:
            log.warning("effects_recovered", count=count)

    async def run(self) -> None:
        """Start what falls due, until cancelled."""
        self._search_at = asyncio.get_running_loop().time() + SEARCH_EVERY * self._poll_s
        while True:
            self._alarm.reset()
            self._alarm.ring_in(await self._round())
            await self._alarm.wait()

    async def _round(self) -> float:
        """Start what is due, and at times what was lost; seconds until more may be."""
        now = asyncio.get_running_loop().time()
        try:
            if now >= self._search_at:
                self._search_at = now + SEARCH_EVERY * self._poll_s
                await self._find_lost()
            while self._free():
                has_more, next_due = await self._start_due()
                if not has_more:
                    wait_s = self._poll_s if next_due is None else (next_due - self._clock()) / 1000
                    return min(self._poll_s, wait_s)
        except StorageError as error:
            log.error("outbox_not_read", reason=str(error))
        return self._poll_s

    async def _start_due(self) -> tuple[bool, int | None]:
        """Start what is due, as far as there is room; whether to ask again, and when the next effect falls due. After a
        crowd there is always more: a commit that still saw it may have left something."""
        free, was_crowded = self._free(), self._is_crowded
        self._is_crowded, next_due = await self._writer.run(lambda unit: (unit.start_due(free), outbox.next_due(unit)))
        return self._is_crowded or was_crowded, next_due

    async def drain(self, seconds: float) -> None:
        """Start nothing more, and let what runs finish; what does not is left for the next start."""
        self._writer.may_start = False
        if self._tasks:
            _done, unfinished = await asyncio.wait(set(self._tasks.values()), timeout=seconds)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)

    async def _run(self, due: Due) -> None:
        reached("effect.begun", due.kind)
        effect = cast(Effect, codec.decode(due.payload))
        async with self._slots:
            outcome = await self._attempt(due, effect)
        EFFECTS.labels(kind=due.kind, status=outcome.status).inc()
        reached("settle.before", due.kind)
        await self._settle(due, outcome)
        reached("settle.after", due.kind)
        if outcome.retry_at is not None:
            self._alarm.ring_in((outcome.retry_at - self._clock()) / 1000)

    async def _attempt(self, due: Due, effect: Effect) -> Outcome:
        began = time.monotonic()
        try:
            reached("call.before", due.kind)
            outcome = await self._performer.perform(due, effect)
            reached("call.after", due.kind)
        except Exception as error:
            routable = self._performer.directory.configured
            outcome = after_failure(due, effect, error, self._clock(), self._patience, routable)
            level = log.warning if outcome.retry_at is not None else log.error
            level(
                "effect_failed",
                conversation_sid=due.conversation_sid,
                key=due.key,
                kind=due.kind,
                status=outcome.status,
                attempts=due.attempts,
                error=type(error).__name__,
                reason=str(error),
            )
            return outcome
        log.info(
            "effect_done",
            conversation_sid=due.conversation_sid,
            key=due.key,
            kind=due.kind,
            ms=round((time.monotonic() - began) * 1000),
        )
        return outcome

    async def _settle(self, due: Due, outcome: Outcome) -> None:
        """The outcome is known to nobody but us: it is written however long the store takes."""
        while True:
            try:
                await self._intake.settle(due, outcome)
                return
            except StorageError as error:
                log.error("outcome_not_written", key=due.key, reason=str(error))
                await asyncio.sleep(SETTLE_RETRY_S)

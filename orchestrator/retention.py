"""Retention: once a day, what is done and older than the set time is deleted, a little at a time.

Between two steps the writer is left alone for many times as long as a step took, so that webhooks have it nearly to
themselves; where they keep it busy a step takes longer, and so does the pause after it. Over PostgreSQL one replica has
the duty; should two be at it, they do each other no harm.
"""

import asyncio

import structlog

from orchestrator.metrics import PRUNED
from storage import replicas
from storage.errors import StorageError
from storage.pruning import DAY_MS, PRUNABLE, Prunable, Step, over_before
from storage.unit import About, Unit
from storage.writer import Batches

log = structlog.get_logger()
DUTY = "retention"
LOOK_EVERY_S = 3600.0
# A pass is made once a day, which an hour of looking may put off; should its replica die, another begins after this.
NEXT_PASS_MS, TAKEOVER_MS = DAY_MS - 3_600_000, DAY_MS // 4
# How much of the writer's time a pass may take, and what is rested at least.
SHARE, REST_S = 0.05, 0.01


class Retention:
    """Prunes what is older than `days`. `share`: of the writer's time; `look_every_s`: how often it looks whether a
    pass is due."""

    def __init__(self, writer: Batches, days: float, look_every_s: float = LOOK_EVERY_S, share: float = SHARE) -> None:
        self._writer = writer
        self._kept_ms = round(days * DAY_MS)
        self._look_every_s = look_every_s
        self._rests = 1 / share - 1
        self._is_unfinished = False

    async def run(self) -> None:
        """Make the passes that are due, until cancelled."""
        while True:
            try:
                if self._is_unfinished or await self._is_our_turn():
                    await self.round()
            except StorageError as error:
                log.warning("pruning_interrupted", reason=str(error))
            await asyncio.sleep(self._look_every_s)

    async def _is_our_turn(self) -> bool:
        return await self._writer.run(lambda unit: replicas.take(unit, DUTY, TAKEOVER_MS), About(lock=DUTY))

    async def round(self) -> int:
        """One pass over everything; how many rows were deleted. Raises StorageError, what was deleted until then being
        gone."""
        self._is_unfinished = True
        pruned = {table.name: await self._walk(table) for table in PRUNABLE}
        await self._writer.run(lambda unit: replicas.rest(unit, DUTY, NEXT_PASS_MS))
        self._is_unfinished = False
        log.info("pruned", **pruned)
        return sum(pruned.values())

    async def _walk(self, table: Prunable) -> int:
        pruned, after = 0, table.first
        while after is not None:
            step, took_s = await self._timed(table, after)
            PRUNED.labels(table=table.name).inc(step.pruned)
            pruned, after = pruned + step.pruned, step.after
            await asyncio.sleep(max(REST_S, took_s * self._rests))
        return pruned

    async def _timed(self, table: Prunable, after: int | str) -> tuple[Step, float]:
        """A step, and how long it took until it was committed, in seconds."""

        def work(unit: Unit) -> Step:
            return table.step(unit, after, over_before(unit.now, self._kept_ms))

        loop = asyncio.get_running_loop()
        began = loop.time()
        return await self._writer.run(work), loop.time() - began

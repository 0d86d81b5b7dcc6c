"""Looking into Flex every now and then, for what its webhooks should have told and did not: they are hints alone."""

import asyncio
from collections.abc import Sequence

import structlog

from orchestrator.errors import EffectError
from orchestrator.flexing import taken_in
from orchestrator.ports import Flex
from orchestrator.taking import admit_result
from storage import conversations, replicas
from storage.errors import StorageError
from storage.unit import About, Unit
from storage.writer import Batches

log = structlog.get_logger()
DUTY = "flex"
PAGE = 100


class FlexWatch:
    """Looks at every stay. `every_s`: the pause between two rounds."""

    def __init__(self, writer: Batches, flex: Flex, every_s: float) -> None:
        self._writer = writer
        self._flex = flex
        self._every_s = every_s

    async def run(self) -> None:
        """One round now, then one every `every_s`, until cancelled; of several replicas one has the turn."""
        while True:
            try:
                if await self._is_our_turn():
                    await self.round()
            except StorageError as error:
                log.warning("flex_not_watched", reason=str(error))
            await asyncio.sleep(self._every_s)

    async def _is_our_turn(self) -> bool:
        turn_ms = round(self._every_s * 900)
        return not self._writer.is_shared or await self._writer.run(
            lambda unit: replicas.take(unit, DUTY, turn_ms), About(lock=DUTY)
        )

    async def round(self) -> None:
        """Look at all stays there are."""
        last = 0
        while rows := await self._stays_after(last):
            for number, sid in rows:
                last = number
                try:
                    await self._look(sid)
                except EffectError as error:
                    log.warning("flex_look_failed", conversation_sid=sid, reason=str(error))

    async def _stays_after(self, last: int) -> Sequence[tuple[int, str]]:
        return await self._writer.run(lambda unit: conversations.in_flex_after(unit.connection, last, PAGE))

    async def _look(self, sid: str) -> None:
        stored = await self._writer.run(lambda unit: unit.peek(sid))
        stay = None if stored is None else stored.conversation.flex
        if stay is None or not stay.sid:
            return
        look = await self._flex.look(stay.sid, stay.seen)

        def work(unit: Unit) -> None:
            seen = taken_in(unit, sid, stay.sid, look)
            if seen is not None:
                admit_result(unit, sid, f"flex/{stay.sid}", seen)

        await self._writer.run(work, About(sid))

"""Reconciler: at the start and every few minutes, open conversations are held against Twilio's own record.

What a webhook should have told and did not, because it was lost or we were away, is found here and enters under the
same keys. Slow on purpose: it shares the account with the customers' replies.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import Row

from orchestrator.errors import EffectError
from orchestrator.looker import Looker
from orchestrator.ports import Conversations, Listed
from storage import conversations, replicas
from storage.errors import StorageError
from storage.unit import About
from storage.writer import Batches

log = structlog.get_logger()
PAGE = 100
# Conversations looked at a second; each look is three reads, which Twilio does not count against the action limit.
PER_SECOND = 10.0


class Reconciler:
    """Looks at everything that is open. `every_s`: the pause between two rounds."""

    def __init__(self, writer: Batches, record: Conversations, looker: Looker, every_s: float) -> None:
        self._writer = writer
        self._record = record
        self._looker = looker
        self._every_s = every_s

    async def run(self) -> None:
        """One round now, then one every `every_s`, until cancelled; of several replicas one has the turn."""
        is_first = True
        while True:
            try:
                if await self._is_our_turn() or is_first:
                    await self.round()
            except (EffectError, StorageError) as error:
                log.warning("reconcile_interrupted", reason=str(error))
            is_first = False
            await asyncio.sleep(self._every_s)

    async def _is_our_turn(self) -> bool:
        turn_ms = round(self._every_s * 900)
        return not self._writer.is_shared or await self._writer.run(
            lambda unit: replicas.take(unit, "reconcile", turn_ms), About(lock="reconcile")
        )

    async def round(self) -> int:
        """Hold all open conversations against the record; how many customer messages had been missed."""
        missed = await self._known()
        missed += await self._unknown()
        if missed:
            log.warning("missed_messages_found", count=missed)
        return missed

    async def _known(self) -> int:
        missed, last = 0, 0
        while True:
            rows = await self._open_after(last)
            for row in rows:
                missed += await self._look(row.sid, row.service_sid)
                last = row.id
            if len(rows) < PAGE:
                return missed

    async def _open_after(self, last: int) -> list[Row[Any]]:
        return await self._writer.run(lambda unit: conversations.open_after(unit.connection, last, PAGE))

    async def _look(self, sid: str, service_sid: str | None) -> int:
        try:
            found = await self._looker.look_at(sid, service_sid, whole=True)
        except EffectError as error:
            log.warning("look_failed", conversation_sid=sid, reason=str(error))
            found = 0
        await asyncio.sleep(1 / PER_SECOND)
        return found

    async def _unknown(self) -> int:
        """Conversations never heard of that are younger than this database; older ones are left alone."""
        born_at = await self._writer.run(lambda unit: conversations.born_at(unit.connection))
        since = datetime.fromtimestamp(born_at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        adopted = 0
        for listed in await self._record.created_since(since):
            sid = listed.conversation_sid
            if not await self._is_known(sid):
                adopted += await self._adopt(listed, born_at)
        return adopted

    async def _adopt(self, listed: Listed, born_at: int) -> int:
        try:
            return await self._looker.adopt(listed, born_at)
        except EffectError as error:
            log.warning("look_failed", conversation_sid=listed.conversation_sid, reason=str(error))
            return 0

    async def _is_known(self, sid: str) -> bool:
        return await self._writer.run(lambda unit: unit.peek(sid) is not None)

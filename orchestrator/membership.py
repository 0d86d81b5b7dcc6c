"""Membership: this process's number and lease among the replicas of one database.

A lease is three call timeouts long and renewed four times in each. No call to Twilio begins later than one timeout
after the last renewal, so it is over by two; not before three does another replica take over what ran here. A process
that was frozen or lost its database therefore stops calling out by itself, and what it did meanwhile under its old
number is refused where it would be written. Over SQLite there is one process, and its lease never ends.
"""

import asyncio
import time
from collections.abc import Callable

import structlog

from storage import replicas
from storage.errors import StorageError
from storage.unit import Unit
from storage.writer import Batches

log = structlog.get_logger()
LEASE_CALLS = 3
RENEWALS_A_CALL = 4
# Whoever stops waits no longer than this to be rid of its lease: others take over in any case, only later.
LEAVE_S = 1.0


class Membership:
    """`call_s`: how long one call to the outside may take, in seconds. `on_joined` is called with every new number,
    before any call is made under it: what runs under an older one must end."""

    def __init__(self, writer: Batches, call_s: float) -> None:
        self._writer = writer
        self._call_s = call_s
        self._lease_ms = round(LEASE_CALLS * call_s * 1000)
        self._renewed_at = float("-inf")
        self.on_joined: Callable[[], None] = lambda: None

    def may_call(self) -> bool:
        """Whether what this process has marked running is certainly still its own to do."""
        return not self._writer.is_shared or time.monotonic() < self._renewed_at + self._call_s

    async def join(self) -> None:
        """Get a number and a lease."""
        if not self._writer.is_shared:
            self._writer.owner = await self._writer.run(_alone)
            return
        began = time.monotonic()
        self._writer.owner = await self._writer.run(lambda unit: replicas.join(unit, self._lease_ms))
        self.on_joined()
        self._renewed_at = began
        log.info("replica_joined", number=self._writer.owner)

    async def run(self) -> None:
        """Renew the lease, until cancelled."""
        while self._writer.is_shared:
            await asyncio.sleep(self._call_s / RENEWALS_A_CALL)
            try:
                await self._renew()
            except StorageError as error:
                log.error("lease_not_renewed", number=self._writer.owner, reason=str(error))
        await asyncio.Event().wait()

    async def _renew(self) -> None:
        began, number = time.monotonic(), self._writer.owner
        if await self._writer.run(lambda unit: replicas.renew(unit, number, self._lease_ms)):
            self._renewed_at = began
        else:
            log.critical("lease_ended", number=number)
            await self.join()

    async def leave(self) -> None:
        """Call out no more, and end the lease: others take over at once what is left. Raises StorageError, and
        TimeoutError where the database does not answer soon."""
        self._renewed_at = float("-inf")
        if self._writer.is_shared:
            number = self._writer.owner
            async with asyncio.timeout(LEAVE_S):
                await self._writer.run(lambda unit: replicas.leave(unit, number))


def _alone(unit: Unit) -> int:
    replicas.forget_all(unit)
    return replicas.join(unit, replicas.FOR_EVER_MS)

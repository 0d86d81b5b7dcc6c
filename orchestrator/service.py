"""Service: everything that runs for one account over one database, and its starting and stopping in order."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiohttp import web
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from orchestrator.adapters.account_hold import AccountHold
from orchestrator.adapters.guarded_crm import GuardedCrm
from orchestrator.directory import Directory
from orchestrator.dispatcher import Dispatcher
from orchestrator.intake import Intake
from orchestrator.looker import Looker
from orchestrator.reconciler import Reconciler
from orchestrator.settings import Settings
from orchestrator.waiting_room import WaitingRoom
from storage import outbox
from storage.errors import StorageError
from storage.unit import Unit
from storage.writer import Writer

log = structlog.get_logger()
READY_LIMIT_S = 2.0
# With the end of open requests and of the sandbox after it, well within the 15 s a stop may take.
DRAIN_S = 8.0


@dataclass(slots=True)
class Service:
    """The running parts. `ready` is false until everything is recovered and again once it stops."""

    settings: Settings
    writer: Writer
    reader: AsyncEngine
    directory: Directory
    intake: Intake
    dispatcher: Dispatcher
    looker: Looker
    waiting_room: WaitingRoom
    reconciler: Reconciler
    crm: GuardedCrm
    hold: AccountHold
    ready: bool = False
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        """Recover what a dead process left, then run the loops."""
        await self.dispatcher.recover()
        self.crm.on_recovered = lambda: self._catch_up(lambda unit: outbox.bring_forward(unit, "find_customer"))
        self.hold.on_recovered = lambda: self._catch_up(outbox.bring_retries_forward)
        loops: list[Callable[[], Coroutine[Any, Any, None]]] = [
            self.directory.keep_fresh,
            self.dispatcher.run,
            self.looker.run,
            self.waiting_room.run,
            self.reconciler.run,
            self.hold.run,
        ]
        self._tasks = [asyncio.create_task(loop(), name=loop.__qualname__) for loop in loops]
        for task in self._tasks:
            task.add_done_callback(_report_death)
        self.ready = True

    async def drain(self) -> None:
        """Be no longer ready, start no further effect, and let what runs finish. What does not is left as it is
        recorded: the next start takes it up."""
        self.ready = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.dispatcher.drain(DRAIN_S)

    async def stop(self) -> None:
        """Close the store; everything handed to it is committed first."""
        await self.writer.close()
        await self.reader.dispose()

    async def hindrance(self) -> str | None:
        """Why webhooks cannot be accepted now; None if they can."""
        if not self.ready:
            return "starting or stopping"
        if any(task.done() for task in self._tasks):
            return "a part of the service has died"
        try:
            async with asyncio.timeout(READY_LIMIT_S):
                await self.writer.run(lambda unit: unit.connection.execute(text("SELECT 1")))
        except (TimeoutError, StorageError, SQLAlchemyError) as error:
            return f"the store cannot commit ({type(error).__name__})"
        return None

    def _catch_up(self, bring_forward: Callable[[Unit], int]) -> None:
        """A neighbour answers again: what waited for it is done now."""
        task = asyncio.create_task(self._bring_forward(bring_forward))
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)

    async def _bring_forward(self, bring_forward: Callable[[Unit], int]) -> None:
        try:
            await self.writer.run(bring_forward)
        except StorageError as error:
            log.warning("not_caught_up", reason=str(error))
        self.dispatcher.wake()


SERVICE = web.AppKey("service", Service)


def _report_death(task: asyncio.Task[None]) -> None:
    """A loop that ends by itself is a bug; `/readyz` shows it from now on."""
    if not task.cancelled() and task.exception() is not None:
        log.critical("loop_died", loop=task.get_name(), exc_info=task.exception())

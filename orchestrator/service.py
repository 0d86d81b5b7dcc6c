"""Service: everything that runs for one account over one database, and its starting and stopping in order."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog
from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.acts import Acts
from orchestrator.adapters.account_hold import AccountHold
from orchestrator.adapters.guarded_crm import GuardedCrm
from orchestrator.directory import Directory
from orchestrator.dispatcher import Dispatcher
from orchestrator.feed import Feed
from orchestrator.flex_transfers import Transfers
from orchestrator.flex_watch import FlexWatch
from orchestrator.intake import Intake
from orchestrator.looker import Looker
from orchestrator.membership import Membership
from orchestrator.reconciler import Reconciler
from orchestrator.retention import Retention
from orchestrator.settings import Settings
from orchestrator.templates import Templates
from orchestrator.waiting_room import WaitingRoom
from storage import outbox
from storage.errors import StorageError
from storage.failpoints import reached
from storage.probe import probe
from storage.readers import Readers
from storage.unit import Unit
from storage.writer import Batches

log = structlog.get_logger()
READY_LIMIT_S = 2.0
# With the end of open requests and of the sandbox after it, well within the 15 s a stop may take.
DRAIN_S = 6.0
LOOP_REST_S = 1.0
# What replicas hint at to one another.
WORKERS, LOOKS, EFFECTS = "workers", "looks", "effects"
Role = Literal["web", "effects", "all"]
# Anybody may ask whether we are ready, and only a commit can tell: more often than this, the last answer is given.
PROBE_EVERY_S = 0.5


@dataclass(slots=True)
class Service:
    """The running parts. `ready` is false until everything is recovered and again once it stops."""

    settings: Settings
    role: Role
    writer: Batches
    reader: Readers
    membership: Membership
    directory: Directory
    intake: Intake
    dispatcher: Dispatcher
    looker: Looker
    waiting_room: WaitingRoom
    reconciler: Reconciler
    retention: Retention
    crm: GuardedCrm
    hold: AccountHold
    acts: Acts
    templates: Templates
    feed: Feed
    transfers: Transfers
    flex_watch: FlexWatch | None
    ready: bool = False
    _probed_at: float = float("-inf")
    _hindrance: str | None = None
    _has_left: bool = False
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        """Recover what a dead process left, then run the loops."""
        reached("start.before")
        await self.membership.join()
        self.writer.may_start = self.role != "web"
        await self.dispatcher.recover()
        self.writer.on_told = self._told
        self.feed.start()
        self.crm.on_recovered = lambda: self._catch_up(lambda unit: outbox.bring_forward(unit, "find_customer"))
        self.hold.on_recovered = self._accepted_again
        loops: list[Callable[[], Coroutine[Any, Any, None]]] = [
            self.membership.run,
            self.directory.keep_fresh,
            self.hold.run,
        ]
        if self.writer.is_shared:
            loops.append(self.feed.run)
        if self.role == "web":
            self.intake.on_due = lambda _due_at: self.writer.tell(LOOKS)
        else:
            loops += [self.dispatcher.run, self.looker.run, self.waiting_room.run, self.reconciler.run]
            loops.append(self.retention.run)
            if self.flex_watch is not None:
                loops.append(self.flex_watch.run)
        self._tasks = [asyncio.create_task(_kept_up(loop)) for loop in loops]
        self.ready = True
        reached("start.after")

    async def drain(self) -> None:
        """Be no longer ready, start no further effect, and let what runs finish. What does not is left as it is
        recorded: the next start takes it up."""
        self.ready = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.dispatcher.drain(DRAIN_S)
        if not self._has_left:
            self._has_left = True
            await self._leave()

    async def _leave(self) -> None:
        try:
            await self.membership.leave()
        except (StorageError, TimeoutError) as error:
            log.warning("lease_not_ended", error=type(error).__name__, reason=str(error))

    async def stop(self) -> None:
        """Close the store; everything handed to it is committed first."""
        await self.writer.close()
        await self.reader.close()

    async def hindrance(self) -> str | None:
        """Why webhooks cannot be accepted now; None if they can."""
        if not self.ready:
            return "starting or stopping"
        now = asyncio.get_running_loop().time()
        if now >= self._probed_at + PROBE_EVERY_S:
            self._probed_at, self._hindrance = now, await self._probe()
        return self._hindrance

    async def _probe(self) -> str | None:
        try:
            async with asyncio.timeout(READY_LIMIT_S):
                await self.writer.run(probe)
        except (TimeoutError, StorageError, SQLAlchemyError) as error:
            return f"the store cannot commit ({type(error).__name__})"
        return None

    def _told(self, what: str) -> None:
        """A hint, perhaps of another replica."""
        if self.feed.hear(what):
            return
        if what == WORKERS:
            self.directory.stale.set()
            self.waiting_room.hint()
        elif what == LOOKS:
            self.looker.hint()
        else:
            self.dispatcher.wake()

    def _accepted_again(self) -> None:
        """Twilio takes the account's credentials again; whoever was searched for in vain meanwhile waits too."""
        self._catch_up(outbox.bring_retries_forward)
        self.waiting_room.hint()

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


async def _kept_up(loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a loop that never ends, and again where it failed: that is a bug of ours, and no reason to leave what else it
    does undone."""
    while True:
        try:
            await loop()
        except Exception:
            log.critical("loop_failed", loop=loop.__qualname__, exc_info=True)
            await asyncio.sleep(LOOP_REST_S)

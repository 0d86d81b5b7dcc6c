"""Directory: who works here, and who of them is free. Asked for as seldom as may be.

The list of workers is read at the start, every minute, on each TaskRouter event, and once more before an address is
called nobody's; who is available is asked whenever somebody is to be chosen. Callers who ask at the same time share
one call.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import replace
from functools import partial

import structlog

from orchestrator.errors import EffectError, Rejected
from orchestrator.fresh import Fresh
from orchestrator.ports import Worker, Workers
from states.languages import Tongues
from states.roles import Knowledge
from storage.errors import StorageError

log = structlog.get_logger()
REFRESH_S = 60.0


class Directory:
    """The workers of one workspace; `workers` is None where TaskRouter is not configured. `tongues`: by which a
    customer's language is known; `people` reads the identities of those who sign in here: without TaskRouter they are
    all that is known."""

    def __init__(
        self,
        workers: Workers | None,
        tongues: Tongues | None = None,
        people: Callable[[], Awaitable[Collection[str]]] | None = None,
    ) -> None:
        self._workers = workers
        self._tongues = tongues
        self._read_people = people
        self._people: Collection[str] = ()
        self._by_identity: dict[str, Worker] = {}
        self._seeds: dict[str, Worker] = {}
        self.refresh = Fresh(self._read)
        self._available: dict[str | None, Fresh[list[Worker]]] = {}
        self._queues = Fresh(self._read_queues)
        self.stale = asyncio.Event()
        self._heard = asyncio.Event()

    @property
    def configured(self) -> bool:
        """Whether there is a workspace at all."""
        return self._workers is not None

    def knowledge(self, *, sure: bool = False) -> Knowledge:
        """Who is known to work here, for `states.roles`."""
        identities: Collection[str] | None = self._by_identity.keys() if self.configured else None
        return Knowledge(identities, sure, self._tongues, self._people)

    def everyone(self) -> list[Worker]:
        """Who works here, as last heard."""
        return list(self._by_identity.values())

    def known(self, identity: str) -> Worker | None:
        """The worker with this identity in any letter case, as last heard."""
        return self._by_identity.get(identity.casefold())

    async def find(self, identity: str) -> Worker | None:
        """The worker with this identity in any letter case, as TaskRouter has him now; the list is read once more
        before the answer is no. Raises EffectError when TaskRouter does not answer."""
        if self._workers is None:
            return None
        found = await self._fetched(identity)
        if found is None:
            await self.refresh()
            found = await self._fetched(identity)
        return found

    async def _fetched(self, identity: str) -> Worker | None:
        """The worker who was last heard to have this identity; None where it is another's by now, or he is gone."""
        found = self.known(identity)
        if found is None or self._workers is None:
            return None
        heard = self._heard
        try:
            fresh = await self._workers.fetch(found.sid)
        except Rejected:
            # He was in the list a moment ago and is no more; his identity may be in it again, under another SID.
            return None
        if fresh.identity.casefold() != identity.casefold():
            return None
        # What was heard while this was asked may be newer.
        if self._heard is heard:
            self._hear({**self._by_identity, identity.casefold(): fresh})
        return fresh

    async def availability(self, identity: str) -> AsyncIterator[bool]:
        """Whether this worker is available, and again whenever that has changed; nothing while nobody knows."""
        told: bool | None = None
        while True:
            heard, worker = self._heard, self.known(identity)
            if worker is not None and worker.available is not told:
                told = worker.available
                yield told
            await heard.wait()

    async def available(self, queue: str | None = None) -> list[Worker]:
        """The available workers of the queue of this name or SID, of the configured one where it is None or there is
        no such queue: who asked for a person is not left waiting for a misspelt one. Raises EffectError when TaskRouter
        does not answer."""
        sid = None if queue is None else await self._queue_sid(queue)
        if sid not in self._available:
            self._available[sid] = Fresh(partial(self._read_available, sid))
        return await self._available[sid]()

    async def _queue_sid(self, queue: str) -> str | None:
        queues = await self._queues()
        if queue in queues.values():
            return queue
        by_name = {name.casefold(): sid for name, sid in queues.items()}
        found = by_name.get(queue.casefold())
        if found is None:
            log.warning("no_such_queue")
        return found

    async def _read_queues(self) -> dict[str, str]:
        return {} if self._workers is None else await self._workers.queues()

    async def _read(self) -> None:
        if self._workers is not None:
            everyone = await self._workers.everyone()
            self._hear({worker.identity.casefold(): worker for worker in everyone})
        elif self._read_people is not None:
            self._people = frozenset(identity.casefold() for identity in await self._read_people())

    def _hear(self, by_identity: dict[str, Worker]) -> None:
        self._by_identity = by_identity
        heard, self._heard = self._heard, asyncio.Event()
        heard.set()

    async def _read_available(self, queue_sid: str | None) -> list[Worker]:
        """The available workers of a queue; who was listed without attributes is fetched once to learn them."""
        if self._workers is None:
            return []
        listed = await (self._workers.available(queue_sid) if queue_sid else self._workers.available())
        return [worker if worker.attributes_shown else await self._seed(worker) for worker in listed]

    async def _seed(self, worker: Worker) -> Worker:
        assert self._workers is not None
        if worker.sid not in self._seeds:
            self._seeds[worker.sid] = await self._workers.fetch(worker.sid)
        return replace(worker, last_accepted_task_time=self._seeds[worker.sid].last_accepted_task_time)

    async def keep_fresh(self) -> None:
        """Read the list every minute, and whenever `stale` is set. Runs until cancelled."""
        while True:
            self.stale.clear()
            try:
                await self.refresh()
            except (EffectError, StorageError) as error:
                log.warning("directory_not_refreshed", reason=str(error))
            try:
                async with asyncio.timeout(REFRESH_S):
                    await self.stale.wait()
            except TimeoutError:
                continue

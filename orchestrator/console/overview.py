"""The numbers over all conversations, kept for a moment: a dozen open boards cost what one does."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web
from sqlalchemy import Connection

from orchestrator.service import Service
from states.table import STATES
from storage import conversations

if TYPE_CHECKING:
    from storage.boards import Trouble, Waiting

KEPT_S: Final = 2.0
# Counting goes through the index of all conversations: of very many, it is done a tenth of the time at most.
REST_S: Final = 0.1
REST_TIMES: Final = 10
QUEUE_SHOWN, TROUBLE_SHOWN = 8, 20


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """A worker and what he has to do. `available` is None where TaskRouter does not know him."""

    identity: str
    open: int
    available: bool | None


@dataclass(frozen=True, slots=True)
class Overview:
    """What is on the board beside the list."""

    counts: dict[str, int]
    queue: "list[Waiting]"
    queue_length: int
    workers: list[WorkerLoad]
    trouble: "Trouble"

    @property
    def failing(self) -> int:
        """How many effects are given up or tried again, and events parked."""
        return sum(count for status, count in self.trouble.counts.items() if status != "event_waiting")


class Overviews:
    """Overviews of one service, read one after the other and with a rest between them."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()
        self._coming: asyncio.Task[Overview] | None = None
        self._not_before = float("-inf")
        self._last: tuple[float, Overview] | None = None

    async def recent(self, service: Service) -> Overview:
        """One that is a little old at most: for a page that will ask again by itself. Raises StorageError."""
        if self._last is not None and asyncio.get_running_loop().time() < self._last[0] + KEPT_S:
            return self._last[1]
        return await self.fresh(service)

    async def fresh(self, service: Service) -> Overview:
        """One whose reading began after this call; who asks while it rests shares it. Raises StorageError."""
        if self._coming is None:
            self._coming = asyncio.create_task(self._read(service))
            # Its failure is no news where everybody who asked has left.
            self._coming.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(self._coming)

    async def _read(self, service: Service) -> Overview:
        loop = asyncio.get_running_loop()
        async with self._one:
            await asyncio.sleep(max(0.0, self._not_before - loop.time()))
            self._coming = None
            began = loop.time()
            found = await service.reader.read(_overview(service))
            ended = loop.time()
            self._not_before = ended + max(REST_S, REST_TIMES * (ended - began))
            self._last = ended, found
        return found


OVERVIEWS: Final = web.AppKey("overviews", Overviews)


def _overview(service: Service) -> Callable[[Connection], Overview]:
    # The application has Overviews from its start, which should not wait for the questions they ask.
    from storage import boards

    def read(connection: Connection) -> Overview:
        counts = conversations.count_by_state(connection)
        return Overview(
            counts={state: counts.get(state, 0) for state in STATES},
            queue=boards.waiting(connection, QUEUE_SHOWN),
            queue_length=boards.how_many_wait(connection),
            workers=loads(service, boards.load(connection)),
            trouble=boards.trouble(connection, TROUBLE_SHOWN),
        )

    return read


def loads(service: Service, load: dict[str, int]) -> list[WorkerLoad]:
    """Everybody who works here or serves somebody: the busiest first, then who is available."""
    known = service.directory.knowledge().workers or ()
    found = []
    for identity in {*known, *load}:
        worker = service.directory.known(identity)
        available = None if worker is None else worker.available
        found.append(WorkerLoad(identity if worker is None else worker.identity, load.get(identity, 0), available))
    return sorted(found, key=lambda worker: (-worker.open, worker.available is not True, worker.identity))

"""The writer beside other replicas, over PostgreSQL: the same batches, the same works, and locks in one order.

A transaction first locks the conversations its works are about, by name and in one order, so that two replicas who are
told of the same conversation at the same instant decide one after the other, and the second one sees what the first one
did. The time is the database's. What a deadlock or a lost connection undid is run again: inbox keys and version checks
make a transaction harmless that had been committed all the same.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import asyncpg
import structlog
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import conversations
from storage.failpoints import reached
from storage.postgres import CONNECT_S, Trouble, as_storage_error, dsn_of, engine_of, trouble_of
from storage.reservations import ASSIGNMENTS
from storage.statements import PostgresSql
from storage.unit import Unit
from storage.writer import BATCH_MAX, Batches, Work

log = structlog.get_logger()
SIDE_BY_SIDE = 2
RELIEF_S = 0.05
CHANNEL = "expert_hub"
# How long a webhook may wait for a server that is being started again, before it is told 503.
PATIENCE_S = 3.0
PAUSE_S = 0.1
RERUNS = 5
QUEUE_READ = 200


class SharedWriter(Batches):
    """The writer of a PostgreSQL database; `clock` gives this machine's time, milliseconds since 1970."""

    is_shared = True

    def __init__(self, url: str, clock: Callable[[], int]) -> None:
        super().__init__()
        self._url = url
        self._engine = engine_of(url, connections=SIDE_BY_SIDE + 1)
        self._clock = clock
        self._ahead_ms = 0
        self._works: deque[tuple[float, Work]] = deque()
        self._arrived = asyncio.Event()
        self._telling: set[str] = set()
        self._lanes = [asyncio.create_task(self._work(n * RELIEF_S)) for n in range(SIDE_BY_SIDE)]
        self._others = [asyncio.create_task(self._listen())]

    def now(self) -> int:
        return self._clock() + self._ahead_ms

    def tell(self, what: str) -> None:
        self.on_told(what)
        self._telling.add(what)
        if len(self._telling) == 1 and not self._closed:
            task = asyncio.create_task(self._notify())
            self._others.append(task)
            task.add_done_callback(self._others.remove)

    async def _notify(self) -> None:
        told, self._telling = self._telling, set()
        try:
            async with self._engine.begin() as connection:
                for what in told:
                    await connection.exec_driver_sql("SELECT pg_notify($1, $2)", (CHANNEL, what))
        except Exception as error:
            # A hint that got lost: everybody asks by himself every few seconds.
            log.warning("hint_not_told", reason=str(as_storage_error(error)))

    async def _listen(self) -> None:
        """Hear what other replicas tell, until cancelled; a lost connection is made again."""
        while True:
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._listen_once()
            await asyncio.sleep(1)

    async def _listen_once(self) -> None:
        ended = asyncio.Event()
        connection = await asyncpg.connect(dsn_of(self._url), timeout=CONNECT_S)
        try:
            connection.add_termination_listener(lambda *_told: ended.set())
            await connection.add_listener(CHANNEL, lambda *told: self.on_told(told[3]))
            await ended.wait()
        finally:
            connection.terminate()

    async def close(self) -> None:
        self._closed = True
        self._arrived.set()
        await asyncio.gather(*self._lanes)
        others = list(self._others)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._engine.dispose()

    def _hand_over(self, work: Work) -> None:
        self._works.append((self._event_loop.time(), work))
        self._arrived.set()

    async def _work(self, patience_s: float) -> None:
        """Take whatever has arrived, transaction by transaction. The second one at a time, with less to share, is for
        what has waited: the first may be waiting for another replica."""
        while not self._closed or self._works:
            if not self._works:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            early_s = self._works[0][0] + patience_s - self._event_loop.time()
            if early_s > 0:
                await asyncio.sleep(early_s)
                continue
            count = min(len(self._works), BATCH_MAX)
            await self._commit([self._works.popleft()[1] for _ in range(count)])

    async def _commit(self, works: list[Work]) -> None:
        try:
            unit = await self._persist(works)
        except Exception as error:
            if len(works) > 1 and trouble_of(error) in (None, Trouble.REFUSED, Trouble.AGAIN):
                for work in works:
                    await self._commit([work])
                return
            self._answer(works, None, as_storage_error(error))
            return
        self._answer(works, unit, None)
        if unit.lanes.leaves_due:
            self.tell("effects")

    async def _persist(self, works: list[Work]) -> Unit:
        """The transaction, run again where that may help."""
        give_up_at = self._event_loop.time() + PATIENCE_S
        reruns = RERUNS
        while True:
            try:
                return await self._transact(works)
            except Exception as error:
                trouble = trouble_of(error)
                if trouble is Trouble.AGAIN and reruns:
                    reruns -= 1
                elif trouble is not Trouble.LOST or self._event_loop.time() > give_up_at:
                    raise
                log.warning("transaction_again", reason=str(as_storage_error(error)), works=len(works))
            await asyncio.sleep(PAUSE_S * random.random())

    async def _transact(self, works: list[Work]) -> Unit:
        async with self._engine.connect() as connection:
            try:
                async with connection.begin():
                    unit = await connection.run_sync(self._run, works)
            except Exception as error:
                if trouble_of(error) is Trouble.LOST:
                    await _forget(connection)
                raise
        reached("commit.after")
        return unit

    def _run(self, connection: Connection, works: list[Work]) -> Unit:
        connection.exec_driver_sql("SELECT 1")
        sql = PostgresSql(connection)
        now = sql.begin(_names(sql, connection, works))
        self._ahead_ms = now - self._clock()
        unit = Unit(connection, now, self.may_start, self.room(), self.owner, sql)
        self._apply(unit, works)
        return unit


def _names(sql: PostgresSql, connection: Connection, works: list[Work]) -> set[str]:
    """What the works are about. Who may be given to a worker is locked with them, after the right to give."""
    about = [work.about for work in works if work.about is not None]
    names = {name for it in about for name in (it.sid, it.lock) if name is not None}
    if any(it.assigns for it in about):
        sql.lock([ASSIGNMENTS])
        names |= set(conversations.queue(connection, QUEUE_READ))
    return names


async def _forget(connection: AsyncConnection) -> None:
    """Do not use this connection again."""
    with suppress(Exception):
        await connection.invalidate()

"""The writer beside other replicas, over PostgreSQL: the same batches, the same works, and locks in one order.

A transaction first locks the conversations its works are about, by name and in one order, so that two replicas who are
told of the same conversation at the same instant decide one after the other, and the second one sees what the first one
did. The time is the database's. What a deadlock or a lost connection undid is run again: inbox keys and version checks
make a transaction harmless that had been committed all the same.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import asyncpg
import structlog
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import conversations
from storage.errors import StorageError
from storage.failpoints import reached
from storage.postgres import (
    BY_INDEX,
    CONNECT_S,
    Trouble,
    as_storage_error,
    break_off,
    driver_arguments,
    engine_of,
    let_go,
    trouble_of,
)
from storage.reservations import ASSIGNMENTS
from storage.statements import PostgresSql
from storage.unit import Unit
from storage.writer import BATCH_MAX, Batches, Work

log = structlog.get_logger()
SIDE_BY_SIDE = 2
RELIEF_S = 0.05
# After a transaction that so many shared, how long those it answered are waited for: where they come in a stream they
# come back at once, and one transaction of all costs little more than one of those who have waited alone. It is what
# PostgreSQL calls `commit_siblings` and `commit_delay`, before the transaction instead of at its end.
CROWD, GATHER_S = 8, 0.002
CHANNEL = "expert_hub"
# How long a webhook may wait for a server that is being started again, before it is told 503.
PATIENCE_S = 3.0
PAUSE_S = 0.1
# How long what was handed over may take once the writer closes; a server that is away is not waited for then.
CLOSE_S = 2.0
RERUNS = 5
QUEUE_READ = 200
TELL_EVERY_S = 0.05
LISTEN_AGAIN_S, ASK_EVERY_S = 1.0, 10.0


class SharedWriter(Batches):
    """The writer of a PostgreSQL database; `clock` gives this machine's time, milliseconds since 1970."""

    is_shared = True

    def __init__(self, url: str, clock: Callable[[], int]) -> None:
        super().__init__()
        self._engine = engine_of(url, connections=SIDE_BY_SIDE + 1, planning=BY_INDEX)
        self._clock = clock
        self._ahead_ms = 0
        self._works: deque[tuple[float, Work]] = deque()
        self._arrived = asyncio.Event()
        self._telling: set[str] = set()
        self._is_telling = False
        self._lost_at: float | None = None
        self._lanes = [asyncio.create_task(self._work(n * RELIEF_S)) for n in range(SIDE_BY_SIDE)]
        self._others = [asyncio.create_task(self._listen())]

    def now(self) -> int:
        return self._clock() + self._ahead_ms

    def tell(self, what: str) -> None:
        self.on_told(what)
        self._telling.add(what)
        if not self._is_telling and not self._closed:
            self._is_telling = True
            task = asyncio.create_task(self._notify())
            self._others.append(task)
            task.add_done_callback(self._others.remove)

    async def _notify(self) -> None:
        """Tell at once, and what is told in the moment after that together: under load everything is told again and
        again."""
        try:
            while self._telling:
                told, self._telling = self._telling, set()
                is_told = await self._notify_of(told)
                if not is_told:
                    self._telling |= told
                await asyncio.sleep(TELL_EVERY_S if is_told else LISTEN_AGAIN_S)
        finally:
            self._is_telling = False

    async def _notify_of(self, told: set[str]) -> bool:
        try:
            async with self._engine.begin() as connection:
                for what in told:
                    await connection.exec_driver_sql("SELECT pg_notify($1, $2)", (CHANNEL, what))
        except Exception as error:
            # A hint that is late: everybody asks by himself every few seconds.
            log.warning("hint_not_told", reason=str(as_storage_error(error)))
            return False
        return True

    async def _listen(self) -> None:
        """Hear what other replicas tell, until cancelled; a lost connection is made again."""
        while True:
            try:
                await self._listen_once()
            except Exception as error:
                log.warning("hints_not_heard", reason=str(as_storage_error(error)))
            await asyncio.sleep(LISTEN_AGAIN_S)

    async def _listen_once(self) -> None:
        ended = asyncio.Event()
        connection = await asyncpg.connect(**driver_arguments(self._engine), timeout=CONNECT_S)
        try:
            connection.add_termination_listener(lambda *_told: ended.set())
            await connection.add_listener(CHANNEL, lambda *told: self.on_told(told[3]))
            self._hear(True)
            while not ended.is_set():
                await self._still_heard(connection, ended)
        finally:
            self._hear(False)
            connection.terminate()

    def _hear(self, hears: bool) -> None:
        if hears != self.hears:
            self.hears = hears
            self.on_hearing(hears)

    async def _still_heard(self, connection: Any, ended: asyncio.Event) -> None:
        """Wait for the end of the listening connection, and ask now and then: a server whose machine is gone says
        nothing."""
        try:
            async with asyncio.timeout(ASK_EVERY_S):
                await ended.wait()
        except TimeoutError:
            await connection.execute("SELECT 1", timeout=CONNECT_S)

    async def close(self) -> None:
        self._closed = True
        self._arrived.set()
        _done, stuck = await asyncio.wait(self._lanes, timeout=CLOSE_S)
        if stuck:
            break_off(self._engine)
        ending = [*stuck, *self._others]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        self._refuse([work for _at, work in self._works])
        self._works.clear()
        await let_go(self._engine.sync_engine)

    def _refuse(self, works: Sequence[Work]) -> None:
        self._answer(works, None, StorageError("the store was closed before this could be written"))

    def _hand_over(self, work: Work) -> None:
        self._works.append((self._event_loop.time(), work))
        self._arrived.set()

    async def _work(self, patience_s: float) -> None:
        """Take whatever has arrived, transaction by transaction. The second one at a time, with less to share, is for
        what has waited: the first may be waiting for another replica."""
        while not self._closed or self._works:
            await self._hear_out()
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
            if count >= CROWD:
                await asyncio.sleep(GATHER_S)

    async def _hear_out(self) -> None:
        """Let in whatever is at the door: a transaction costs the same dozen questions however many share it."""
        heard = 0
        while heard < len(self._works) < BATCH_MAX:
            heard = len(self._works)
            await asyncio.sleep(0)

    async def _commit(self, works: list[Work]) -> None:
        try:
            unit = await self._persist(works)
        except asyncio.CancelledError:
            self._refuse(works)
            raise
        except Exception as error:
            if len(works) > 1 and trouble_of(error) in (None, Trouble.REFUSED, Trouble.AGAIN):
                for work in works:
                    await self._commit([work])
                return
            self._tell_of(works, None, as_storage_error(error))
            return
        self._tell_of(works, unit, None)
        if unit.lanes.leaves_due:
            self.tell("effects")

    def _tell_of(self, works: list[Work], unit: Unit | None, error: Exception | None) -> None:
        """Answer in a step of its own: what a listener raises is the loop's to report, and no end of this task."""
        self._event_loop.call_soon(self._answer, works, unit, error)

    async def _persist(self, works: list[Work]) -> Unit:
        """The transaction, run again where that may help."""
        began, reruns = self._event_loop.time(), RERUNS
        while True:
            try:
                unit = await self._transact(works)
            except Exception as error:
                trouble = trouble_of(error)
                if trouble is Trouble.AGAIN and reruns:
                    reruns -= 1
                elif trouble is not Trouble.LOST or not self._waits_for_the_server(began):
                    raise
                log.warning("transaction_again", reason=str(as_storage_error(error)), works=len(works))
            else:
                self._lost_at = None
                return unit
            await asyncio.sleep(PAUSE_S * random.random())

    def _waits_for_the_server(self, since: float) -> bool:
        """Whether it may be back in time. Who comes long after it was lost is told at once: Twilio waits for nobody
        who waits for those before him."""
        now = self._event_loop.time()
        if self._lost_at is None:
            self._lost_at = now
        return not self._closed and now <= min(since, self._lost_at) + PATIENCE_S

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
    """Do not use this connection again. Why is being raised already; that a dead one cannot be closed adds nothing."""
    with suppress(Exception):
        await connection.invalidate()

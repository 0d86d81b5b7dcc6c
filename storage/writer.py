"""The writer: what many callers brought goes into one commit, and each is answered after it.

Whatever arrived while the last commit was under way shares the next; if anything in a batch raises, the batch is rolled
back and its works run one by one, so a bad one fails alone. A caller who leaves cancels his waiting, never the commit:
works are handed over, not awaited inside the transaction. Works may therefore run twice and must do nothing but through
the unit they are given.

SQLite has one writer anyway: here a thread owns the writing connection. `storage.shared_writer` does the same beside
other replicas, over PostgreSQL.
"""

import asyncio
import queue
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError

from storage.deadlines import Deadlines
from storage.engine import is_busy
from storage.errors import DatabaseBusy, StorageError
from storage.failpoints import reached
from storage.lanes import Due
from storage.unit import About, Unit

T = TypeVar("T")
BATCH_MAX = 256


@dataclass(slots=True)
class Work:
    """What a caller brought, and what came of it."""

    run: Callable[[Unit], Any]
    future: asyncio.Future[Any]
    about: About | None
    result: Any = None


class Batches(ABC):
    """Runs works in shared transactions. `on_started` is called in the event loop, after the commit, with the effects
    that the commit marked running, and `on_crowded` where more was due than the `room` it may start; `owner` is the
    number of the replica that runs them. `on_changed`, if somebody wants to know, is called with the conversations that
    a commit changed. `on_told` is called with what this or another replica has told, and `on_hearing` when what others
    tell begins to be heard (`hears`), and when it is heard no more."""

    is_shared = False

    def __init__(self) -> None:
        self._event_loop = asyncio.get_running_loop()
        self._deadlines = Deadlines(self._event_loop)
        self.on_started: Callable[[Sequence[Due]], None] = lambda _due: None
        self.on_crowded: Callable[[], None] = lambda: None
        self.on_changed: Callable[[Collection[str]], None] | None = None
        self.on_told: Callable[[str], None] = lambda _what: None
        self.on_hearing: Callable[[bool], None] = lambda _hears: None
        self.hears = False
        self.room: Callable[[], int] = lambda: sys.maxsize
        self.may_start = True
        self.owner = 0
        self._closed = False

    async def run(self, work: Callable[[Unit], T], about: About | None = None, deadline: float | None = None) -> T:
        """Run `work` in the next transaction; its result once committed. What it is `about` is read for all works at
        once; `deadline`, by the loop's clock, ends the waiting and not the work. Raises what the work raised,
        DatabaseBusy when another program held the database for too long, TimeoutError at the deadline, StorageError for
        what else the database refused, or when the writer was closed."""
        if self._closed:
            raise StorageError("the store is closed; nothing was written")
        future: asyncio.Future[T] = self._event_loop.create_future()
        self._hand_over(Work(work, future, about))
        if deadline is None:
            return await future
        self._deadlines.watch(future, deadline)
        try:
            return await future
        finally:
            self._deadlines.forget(future)

    @abstractmethod
    def now(self) -> int:
        """The time that the store goes by, milliseconds since 1970."""

    @abstractmethod
    def tell(self, what: str) -> None:
        """Hint at something to every replica, this one too: it may get lost, so nothing may depend on it."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what was handed over, then let go of the database."""

    @abstractmethod
    def _hand_over(self, work: Work) -> None: ...

    def _apply(self, unit: Unit, works: Sequence[Work]) -> None:
        """What happens between the begin and the commit of a transaction."""
        unit.read_ahead([work.about for work in works if work.about is not None])
        for work in works:
            work.result = work.run(unit)
        unit.flush()
        reached("commit.before")

    def _answer(self, works: Sequence[Work], unit: Unit | None, error: Exception | None) -> None:
        """Tell what became of works, in the event loop: the listeners first, and the callers whatever those raise."""
        try:
            if unit is not None and unit.lanes.started:
                self.on_started(unit.lanes.started)
            if unit is not None and unit.lanes.is_crowded:
                self.on_crowded()
            if unit is not None and self.on_changed is not None and (changed := unit.changed):
                self.on_changed(changed)
        finally:
            for work in works:
                if work.future.done():
                    continue
                if error is None:
                    work.future.set_result(work.result)
                else:
                    work.future.set_exception(error)


class Writer(Batches):
    """The writer of an SQLite file, whose one writing connection `engine` has; `clock` gives milliseconds since
    1970."""

    def __init__(self, engine: Engine, clock: Callable[[], int]) -> None:
        super().__init__()
        self._engine = engine
        self._clock = clock
        self._connection: Connection | None = None
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="writer", daemon=True)
        self._thread.start()

    def now(self) -> int:
        return self._clock()

    def tell(self, what: str) -> None:
        self.on_told(what)

    async def close(self) -> None:
        """Finish what was handed over, then end the thread and the connection."""
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()

    def _hand_over(self, work: Work) -> None:
        self._queue.put(work)

    def _loop(self) -> None:
        running = True
        while running:
            batch = self._take()
            running = batch[-1] is not None
            works = [work for work in batch if work is not None]
            if works:
                self._commit(works)

    def _take(self) -> list[Work | None]:
        batch = [self._queue.get()]
        while batch[-1] is not None and len(batch) < BATCH_MAX:
            try:
                batch.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return batch

    def _commit(self, works: list[Work]) -> None:
        unit, refused = None, None
        try:
            unit = self._transact(works)
        except Exception as error:
            if len(works) > 1 and not is_busy(error):
                for work in works:
                    self._commit([work])
                return
            refused = _translate(error)
        self._event_loop.call_soon_threadsafe(self._answer, works, unit, refused)

    def _transact(self, works: list[Work]) -> Unit:
        connection = self._connection or self._engine.connect()
        # Kept from one transaction to the next; after one that failed, whatever is left of it is cleared away first.
        self._connection = None
        try:
            with connection.begin():
                unit = Unit(connection, self._clock(), self.may_start, self.room(), self.owner)
                self._apply(unit, works)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        reached("commit.after")
        return unit


def _translate(error: Exception) -> Exception:
    """The database's complaint as ours; what a work itself raised stays as it is."""
    if is_busy(error):
        return DatabaseBusy("another program holds the database; try again")
    if isinstance(error, DatabaseError):
        return StorageError(f"the database refused: {type(error.orig).__name__}: {error.orig}")
    return error


def wall_clock() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000

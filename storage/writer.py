"""The one writer: what many callers brought goes into one commit, and each is answered after it.

A thread owns the writing connection. Whatever arrived while the last commit was under way shares the next; if
anything in a batch raises, the batch is rolled back and its works run one by one, so a bad one fails alone. A
caller who leaves cancels his waiting, never the commit: works are handed over, not awaited inside the transaction.
Works may therefore run twice and must do nothing but through the unit they are given.
"""

import asyncio
import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError

from storage.engine import is_busy
from storage.errors import DatabaseBusy, StorageError
from storage.failpoints import reached
from storage.lanes import Due
from storage.unit import Unit

T = TypeVar("T")
BATCH_MAX = 256


class About(NamedTuple):
    """What a work will read: a conversation, by SID, and an inbox row, by key."""

    sid: str
    key: str


@dataclass(slots=True)
class _Work:
    run: Callable[[Unit], Any]
    future: asyncio.Future[Any]
    about: About | None
    result: Any = None
    error: BaseException | None = None


class Writer:
    """Runs works in shared transactions. `on_started` is called in the event loop, after the commit, with the effects
    that the commit marked running, and `on_crowded` where more was due than the `room` it may start; `clock` gives
    milliseconds since 1970."""

    def __init__(self, engine: Engine, clock: Callable[[], int]) -> None:
        self._engine = engine
        self._clock = clock
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="writer", daemon=True)
        self._event_loop = asyncio.get_running_loop()
        self.on_started: Callable[[Sequence[Due]], None] = lambda _due: None
        self.on_crowded: Callable[[], None] = lambda: None
        self.room: Callable[[], int] = lambda: sys.maxsize
        self.may_start = True
        self._closed = False
        self._thread.start()

    async def run(self, work: Callable[[Unit], T], about: About | None = None) -> T:
        """Run `work` in the next transaction; its result once committed. What it is `about` is read for all works at
        once. Raises what the work raised, DatabaseBusy when another program held the database for too long,
        StorageError for what else the database refused, or when the writer was closed."""
        if self._closed:
            raise StorageError("the store is closed; nothing was written")
        future: asyncio.Future[T] = self._event_loop.create_future()
        self._queue.put(_Work(work, future, about))
        return await future

    async def close(self) -> None:
        """Finish what was handed over, then end the thread and the connection."""
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._engine.dispose()

    def _loop(self) -> None:
        running = True
        while running:
            batch = self._take()
            running = batch[-1] is not None
            works = [work for work in batch if work is not None]
            if works:
                self._commit(works)

    def _take(self) -> list[_Work | None]:
        batch = [self._queue.get()]
        while batch[-1] is not None and len(batch) < BATCH_MAX:
            try:
                batch.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return batch

    def _commit(self, works: list[_Work]) -> None:
        try:
            unit = self._transact(works)
        except Exception as error:
            if len(works) == 1 or is_busy(error):
                self._answer(works, None, error)
                return
            for work in works:
                self._commit([work])
            return
        self._answer(works, unit, None)

    def _transact(self, works: list[_Work]) -> Unit:
        with self._engine.begin() as connection:
            unit = Unit(connection, self._clock(), self.may_start, self.room())
            about = [work.about for work in works if work.about is not None]
            if len(about) > 1:
                unit.read_ahead({it.sid for it in about}, {it.key for it in about})
            for work in works:
                work.result = work.run(unit)
            unit.flush()
            reached("commit.before")
        reached("commit.after")
        return unit

    def _answer(self, works: list[_Work], unit: Unit | None, error: Exception | None) -> None:
        translated = None if error is None else _translate(error)

        def answer() -> None:
            if unit is not None and unit.lanes.started:
                self.on_started(unit.lanes.started)
            if unit is not None and unit.lanes.is_crowded:
                self.on_crowded()
            for work in works:
                if work.future.done():
                    continue
                if translated is None:
                    work.future.set_result(work.result)
                else:
                    work.future.set_exception(translated)

        self._event_loop.call_soon_threadsafe(answer)


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

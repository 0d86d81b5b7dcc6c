"""The one writer: shared commits, each caller answered after his, failures and cancellations kept apart."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, text

from orchestrator.directory import Directory
from orchestrator.intake import Intake
from orchestrator.taking import take
from storage import engine as storage_engine
from storage.engine import writing_engine
from storage.errors import DatabaseBusy, StorageError
from storage.lanes import Due
from storage.schema import conversation, meta
from storage.unit import Unit
from storage.writer import Writer
from tests.stores import UNSURE, Store, column, message, new_store, report, sid, started

BUSY_TIMEOUT_S = 0.4


class Bench:
    """A writer on a real file, the commits it made, and a gate to hold it up with."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.engine = writing_engine(store.url)
        self.commits = 0
        self.writer = Writer(self.engine, store.clock)
        event.listen(self.engine, "commit", self._committed)

    def _committed(self, _connection: Any) -> None:
        self.commits += 1

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """The writer is busy with one work for as long as this lasts; what is handed over shares the next commit."""
        entered, gate = threading.Event(), threading.Event()

        def wait(_unit: Unit) -> None:
            entered.set()
            assert gate.wait(10)

        task = asyncio.create_task(self.writer.run(wait))
        await asyncio.to_thread(entered.wait, 10)
        try:
            yield
            # Tasks begin in the order they were made, so by now every work stands in the queue.
            await asyncio.sleep(0)
        finally:
            gate.set()
        await task

    def names(self) -> list[str]:
        """The names noted so far, read through a second connection."""
        return [name for name in column(self.store.rows(meta), "name") if name != "created_at"]


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(storage_engine, "BUSY_TIMEOUT_S", BUSY_TIMEOUT_S)
    with new_store(tmp_path) as store:
        bench = Bench(store)
        yield bench
        await bench.writer.close()


def note(name: str) -> Callable[[Unit], str]:
    """A work that leaves a row under `name`; twice is refused by the database."""

    def work(unit: Unit) -> str:
        unit.connection.execute(insert(meta).values(name=name, value=""))
        return name

    return work


def broken(unit: Unit) -> None:
    note("half done")(unit)
    raise ZeroDivisionError("by design")


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program holds the database."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield other
    finally:
        if other.in_transaction:
            other.execute("ROLLBACK")
        other.close()


def first_message(unit: Unit) -> None:
    """A conversation begins and its customer writes, in one transaction."""
    for fact in (started(), message(0)):
        take(unit, report(fact), UNSURE)


async def test_many_callers_share_few_commits_and_each_gets_his_own_result(bench: Bench) -> None:
    async with bench.held():
        results = asyncio.gather(*(bench.writer.run(note(f"n{i:02}")) for i in range(64)))
    names = [f"n{i:02}" for i in range(64)]
    assert await results == names
    assert bench.names() == names
    assert bench.commits == 2


async def test_a_work_that_raises_fails_alone_and_leaves_nothing_behind(bench: Bench) -> None:
    works: list[Callable[[Unit], Any]] = [note("a"), broken, note("b"), note("a"), note("c")]
    async with bench.held():
        results = asyncio.gather(*(bench.writer.run(work) for work in works), return_exceptions=True)
    first, second, third, fourth, fifth = await results
    assert (first, third, fifth) == ("a", "b", "c")
    assert isinstance(second, ZeroDivisionError)
    assert isinstance(fourth, StorageError)
    assert "UNIQUE" in str(fourth)
    assert bench.names() == ["a", "b", "c"]


async def test_what_fails_only_when_written_out_fails_alone_too(bench: Bench) -> None:
    """A row that the database refuses is noticed at the flush, after every work of the batch has returned."""

    def bad_row(unit: Unit) -> None:
        unit.record(key="k", conversation_sid=None, kind="", status="done", received_at=0, message_index=None, event="")

    async with bench.held():
        results = asyncio.gather(bench.writer.run(note("good")), bench.writer.run(bad_row), return_exceptions=True)
    good, bad = await results
    assert good == "good"
    assert isinstance(bad, StorageError)
    assert bench.names() == ["good"]


async def test_two_works_of_one_conversation_in_a_batch_see_each_other(bench: Bench) -> None:
    def rename(unit: Unit) -> str | None:
        stored = unit.open(sid("CH", 1))
        before, stored.friendly_name, stored.dirty = stored.friendly_name, f"{stored.friendly_name}+", True
        return before

    async with bench.held():
        results = asyncio.gather(*(bench.writer.run(rename) for _ in range(3)))
    assert await results == [None, "None+", "None++"]
    assert column(bench.store.rows(conversation), "friendly_name") == ["None+++"]
    assert bench.commits == 2


async def test_nobody_is_answered_before_his_commit_can_be_read_by_others(bench: Bench) -> None:
    async def write_and_look(name: str) -> bool:
        await bench.writer.run(note(name))
        return name in bench.names()

    assert await asyncio.gather(*(write_and_look(f"n{i}") for i in range(20))) == [True] * 20


async def test_what_a_commit_started_is_reported_before_the_caller_is_answered_and_only_if_committed(
    bench: Bench,
) -> None:
    seen: list[Any] = []

    def start(dues: Any) -> None:
        seen.append(([due.kind for due in dues], column(bench.store.rows(conversation), "state")))

    def fail_after_taking(unit: Unit) -> None:
        first_message(unit)
        raise ZeroDivisionError

    bench.writer.on_started = start
    with pytest.raises(ZeroDivisionError):
        await bench.writer.run(fail_after_taking)
    assert seen == []
    await bench.writer.run(first_message)
    assert seen == [(["find_customer", "send_message", "ask_bot"], ["awaiting_choice"])]


async def test_what_the_works_of_a_transaction_are_about_is_read_at_once(bench: Bench) -> None:
    """Five conversations begin and two of the reports come twice, one of them in an earlier transaction."""
    intake = Intake(bench.writer, Directory(None), grace_ms=1000)
    assert await intake.accept(report(started(), 1))
    numbers = (1, 2, 3, 4, 4, 5)
    asked: list[str] = []
    with bench.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
    async with bench.held():
        driver.set_trace_callback(asked.append)
        taken = asyncio.gather(*(intake.accept(report(started(), number)) for number in numbers))
    assert await taken == [False, True, True, True, False, True]
    assert column(bench.store.rows(conversation), "sid") == [sid("CH", number) for number in range(1, 6)]
    asked_for = [" ".join(text.split()) for text in asked]
    assert sum("FROM conversation WHERE conversation.sid" in text for text in asked_for) == 1
    assert sum('FROM inbox WHERE inbox."key"' in text for text in asked_for) == 1


async def test_while_the_service_drains_nothing_is_started(bench: Bench) -> None:
    dues: list[Due] = []
    bench.writer.on_started = dues.extend
    bench.writer.may_start = False
    await bench.writer.run(first_message)
    assert dues == []


async def test_a_cancelled_caller_neither_cancels_the_commit_nor_wedges_the_writer(bench: Bench) -> None:
    async with bench.held():
        leaving = asyncio.create_task(bench.writer.run(note("left")))
        staying = asyncio.create_task(bench.writer.run(note("stayed")))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
    assert await staying == "stayed"
    assert bench.names() == ["left", "stayed"]
    assert await bench.writer.run(note("next")) == "next"


async def test_a_deadline_ends_the_waiting_and_not_the_work(bench: Bench) -> None:
    now = asyncio.get_running_loop().time()
    async with bench.held():
        with pytest.raises(TimeoutError):
            await bench.writer.run(note("late"), deadline=now + 0.01)
    assert await bench.writer.run(note("next"), deadline=now + 10) == "next"
    assert bench.names() == ["late", "next"]


async def test_a_caller_cancelled_in_the_middle_of_his_work_holds_no_lock(bench: Bench) -> None:
    entered, gate = threading.Event(), threading.Event()

    def slow(unit: Unit) -> None:
        note("slow")(unit)
        entered.set()
        assert gate.wait(10)

    task = asyncio.create_task(bench.writer.run(slow))
    await asyncio.to_thread(entered.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()
    await bench.writer.run(note("after"))
    assert bench.names() == ["after", "slow"]
    with locked(bench.store.path):
        pass


async def test_a_lock_held_shortly_by_another_program_costs_only_time(bench: Bench) -> None:
    with locked(bench.store.path) as other:
        results = asyncio.gather(*(bench.writer.run(note(f"n{i}")) for i in range(8)))
        asyncio.get_running_loop().call_later(BUSY_TIMEOUT_S / 4, other.execute, "ROLLBACK")
        assert len(await results) == 8
    assert len(bench.names()) == 8


async def test_a_lock_held_for_too_long_is_told_to_everybody_and_passes_by_itself(bench: Bench) -> None:
    with locked(bench.store.path):
        began = time.monotonic()
        works = (bench.writer.run(note(f"n{i}")) for i in range(8))
        results = await asyncio.gather(*works, return_exceptions=True)
        # The first may have had a commit of its own; nobody waits for one timeout each.
        assert time.monotonic() - began < 2 * BUSY_TIMEOUT_S + 1
    assert [type(result) for result in results] == [DatabaseBusy] * 8
    assert bench.names() == []
    assert await bench.writer.run(note("after")) == "after"


async def test_close_finishes_what_was_handed_over(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        bench = Bench(store)
        async with bench.held():
            works = [asyncio.create_task(bench.writer.run(note(f"n{i}"))) for i in range(5)]
            await asyncio.sleep(0)
            closing = asyncio.create_task(bench.writer.close())
        await closing
        assert await asyncio.gather(*works) == [f"n{i}" for i in range(5)]
        assert len(bench.names()) == 5


async def test_what_comes_after_the_close_is_refused_and_does_not_wait_for_ever(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        writer = Writer(writing_engine(store.url), store.clock)
        await writer.close()
        with pytest.raises(StorageError, match="closed"):
            await writer.run(note("late"))
        assert len(store.rows(meta)) == 1


async def test_close_lets_go_of_the_file(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        writer = Writer(writing_engine(store.url), store.clock)
        await writer.run(note("a"))
        await writer.close()
    assert not store.path.with_name("hub.db-wal").exists()


async def test_the_writer_is_durable_by_setting(bench: Bench) -> None:
    """WAL with synchronous=FULL: a commit is on the disk before anybody is answered (sqlite.org/pragma.html)."""

    def pragmas(unit: Unit) -> list[Any]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [unit.connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in names]

    assert await bench.writer.run(pragmas) == ["wal", 2, 1]

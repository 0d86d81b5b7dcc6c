"""The writer beside other replicas, on a real PostgreSQL: the same promises as the one writer's, and those of two."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import pytest
from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncEngine

from chaos.postgres import Postgres
from orchestrator.directory import Directory
from orchestrator.intake import Intake
from orchestrator.taking import take
from storage import failpoints, shared_writer
from storage import postgres as storage_postgres
from storage.errors import DatabaseBusy, StorageError, VersionConflict
from storage.postgres import driver_arguments, engine_of
from storage.schema import conversation, history, inbox, meta, outbox
from storage.shared_writer import CROWD, SharedWriter
from storage.statements import PostgresSql
from storage.unit import About, Unit
from storage.writer import wall_clock
from tests.postgres import noop, note, stored, writing
from tests.stores import UNSURE, column, message, report, sid, started

HOUR_MS = 3_600_000
SOON_S = 0.3


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many transactions were committed by writers made after this."""
    counted = Counter[str]()

    def counting(*args: Any, **kwargs: Any) -> AsyncEngine:
        engine = engine_of(*args, **kwargs)
        event.listen(engine.sync_engine, "commit", lambda _connection: counted.update(["commits"]))
        return engine

    monkeypatch.setattr(shared_writer, "engine_of", counting)
    return counted


@pytest.fixture
def unplugged() -> Iterator[Callable[[str, int], None]]:
    """Has the connection be lost at a failpoint, so many times."""
    left = Counter[str]()

    def hook(name: str, _kind: str | None) -> None:
        if left[name]:
            left[name] -= 1
            raise ConnectionResetError("by design")

    failpoints.set_hook(hook)
    yield lambda name, times: left.update({name: times})
    failpoints.set_hook(None)


async def names(writer: SharedWriter) -> list[str]:
    """The names noted so far."""
    return [name for name in column(await stored(writer, meta), "name") if name != "created_at"]


def first_message(unit: Unit) -> None:
    """A conversation begins and its customer writes, in one transaction."""
    for fact in (started(), message(0)):
        take(unit, report(fact), UNSURE)


def intake(writer: SharedWriter) -> Intake:
    return Intake(writer, Directory(None), grace_ms=1000)


async def test_many_callers_share_few_commits_and_each_gets_his_own_result(
    commits: Counter[str], shared_url: str
) -> None:
    async with writing(shared_url) as writer:
        wanted = [f"n{i:02}" for i in range(64)]
        assert await asyncio.gather(*(writer.run(note(name)) for name in wanted)) == wanted
        assert commits["commits"] <= 2
        assert await names(writer) == wanted


async def test_who_comes_while_others_are_still_coming_shares_their_commit(
    commits: Counter[str], shared_url: str
) -> None:
    async def come(writer: SharedWriter, number: int) -> None:
        for _turn_of_the_loop in range(number):
            await asyncio.sleep(0)
        await writer.run(note(f"n{number:02}"))

    async with writing(shared_url) as writer:
        await asyncio.gather(*(come(writer, number) for number in range(30)))
        assert commits["commits"] == 1


async def test_who_was_answered_with_many_and_comes_back_at_once_shares_the_next_commit(
    commits: Counter[str], shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long enough for a machine out of breath, on which nobody else takes what waits either.
    monkeypatch.setattr(shared_writer, "GATHER_S", 1.0)
    monkeypatch.setattr(shared_writer, "RELIEF_S", 60.0)
    begun = asyncio.Event()

    def first(unit: Unit) -> None:
        begun.set()
        note("begun")(unit)

    async def come_twice(writer: SharedWriter, name: str) -> None:
        await writer.run(note(name))
        await asyncio.sleep(0.0005)
        await writer.run(note(f"{name} again"))

    async def come_meanwhile(writer: SharedWriter) -> None:
        await begun.wait()
        await asyncio.gather(*(writer.run(note(f"waits{n}")) for n in range(CROWD)))

    async with writing(shared_url) as writer:
        twice = [come_twice(writer, f"n{number}") for number in range(CROWD)]
        await asyncio.gather(writer.run(first), *twice, come_meanwhile(writer))
        assert commits["commits"] == 2


async def test_a_bad_work_fails_alone_and_leaves_nothing_behind(one: SharedWriter) -> None:
    def broken(unit: Unit) -> None:
        note("half done")(unit)
        raise ZeroDivisionError("by design")

    def conflicting(unit: Unit) -> None:
        note("taken over")(unit)
        raise VersionConflict("by design")

    def asking_wrongly(unit: Unit) -> None:
        unit.connection.execute(select(meta).where(meta.c.name == "nobody")).one()

    def unspeakable(unit: Unit) -> None:
        note("a\0b")(unit)

    bad = [broken, conflicting, asking_wrongly, unspeakable, note("a")]
    results = await asyncio.gather(*(one.run(work) for work in [note("a"), *bad, note("b")]), return_exceptions=True)
    assert (results[0], results[-1]) == ("a", "b")
    kinds = [ZeroDivisionError, VersionConflict, StorageError, StorageError, StorageError]
    assert all(isinstance(result, kind) for result, kind in zip(results[1:-1], kinds, strict=True))
    assert await names(one) == ["a", "b"]


async def test_two_replicas_told_the_same_at_the_same_instant_make_one_conversation_and_one_transition(
    one: SharedWriter, other: SharedWriter
) -> None:
    numbers = range(1, 21)
    told = [intake(writer).accept(report(started(), n)) for n in numbers for writer in (one, other)]
    taken = await asyncio.gather(*told)
    assert [taken[i : i + 2].count(True) for i in range(0, len(taken), 2)] == [1] * 20
    assert sorted(column(await stored(one, conversation), "sid")) == [sid("CH", n) for n in numbers]
    assert column(await stored(one, history), "version") == [1] * 20
    assert len(await stored(one, inbox)) == 20


async def test_opposite_orders_do_not_deadlock(postgres: Postgres, shared_url: str) -> None:
    """What works are about is locked in one order, whatever order they come in."""
    before = deadlocks(postgres)
    there = [About(sid=sid("CH", n), lock=f"x{n}") for n in range(50)]
    async with writing(shared_url) as one, writing(shared_url) as other:
        ways = ((one, there), (other, there[::-1]))
        async with held(shared_url, sid("CH", 25)):
            works = [asyncio.ensure_future(writer.run(noop, it)) for writer, way in ways for it in way]
            await waiting(shared_url, 2)
        await asyncio.gather(*works)
    assert deadlocks(postgres) == before


@asynccontextmanager
async def held(url: str, name: str) -> AsyncIterator[None]:
    """Another session is in the midst of a transaction that is about `name`."""
    engine = engine_of(url)
    async with engine.connect() as connection:
        await connection.exec_driver_sql("SELECT 1")
        await connection.run_sync(lambda it: PostgresSql(it).begin([name]))
        yield
        await connection.invalidate()
    await engine.dispose()


async def waiting(url: str, wanted: int) -> None:
    """Until so many sessions wait for a lock."""
    connection = await asyncpg.connect(**driver_arguments(engine_of(url)))
    for _ in range(100):
        if await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") == wanted:
            break
        await asyncio.sleep(0.01)
    await connection.close()


async def test_a_deadlock_costs_time_and_not_the_work(
    postgres: Postgres, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who locks in the midst of a transaction, against the order, is run again."""
    name = shared_url.rpartition("/")[2]
    postgres.query(f"ALTER DATABASE {name} SET deadlock_timeout = '50ms'")
    monkeypatch.setattr(shared_writer, "PAUSE_S", 0.01)
    before = deadlocks(postgres)

    def also(number: int) -> Callable[[Unit], None]:
        return lambda unit: unit.sql.lock([sid("CH", number)])

    async with writing(shared_url) as one, writing(shared_url) as other:
        for _ in range(20):
            there, back = About(sid=sid("CH", 1)), About(sid=sid("CH", 2))
            await asyncio.gather(one.run(also(2), there), other.run(also(1), back))
    assert deadlocks(postgres) > before


def deadlocks(postgres: Postgres) -> int:
    """How many there were, in all databases, as far as sessions that have ended know."""
    return int(postgres.query("SELECT sum(deadlocks) FROM pg_stat_database"))


async def test_a_server_that_is_stopped_and_started_again_costs_time_and_not_the_work(
    one: SharedWriter, postgres: Postgres
) -> None:
    await one.run(note("before"))
    postgres.stop_immediately()
    works = asyncio.gather(*(one.run(note(f"n{i}")) for i in range(8)))
    await asyncio.sleep(0.1)
    postgres.start()
    await works
    assert await names(one) == ["before", *(f"n{i}" for i in range(8))]


async def test_a_commit_of_which_nobody_heard_is_harmless(
    one: SharedWriter, unplugged: Callable[[str, int], None]
) -> None:
    unplugged("commit.after", 1)
    await intake(one).accept(report(started()))
    assert column(await stored(one, history), "trigger", "version") == [("conversation_started", 1)]
    assert len(await stored(one, conversation)) == 1


async def test_a_connection_that_is_lost_at_the_commit_costs_time_and_not_the_work(
    one: SharedWriter, unplugged: Callable[[str, int], None]
) -> None:
    unplugged("commit.before", 2)
    assert await intake(one).accept(report(started()))
    assert len(await stored(one, history)) == 1


async def test_a_session_frozen_inside_a_transaction_is_ended_and_the_others_go_on(
    one: SharedWriter, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_postgres, "IDLE_IN_TRANSACTION_MS", 300)
    async with held(shared_url, sid("CH", 1)):
        began = time.monotonic()
        await one.run(first_message, About(sid=sid("CH", 1)))
        assert time.monotonic() - began < 2
    assert len(await stored(one, conversation)) == 1


async def test_what_one_replica_tells_another_one_hears(one: SharedWriter, other: SharedWriter) -> None:
    heard, here = asyncio.Event(), []
    other.on_told = lambda what: heard.set() if what == "effects" else None
    one.on_told = here.append
    await told_until(one, heard)
    assert here[0] == "effects"


async def test_hints_are_heard_again_after_the_server_was_started_again(
    one: SharedWriter, other: SharedWriter, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_writer, "LISTEN_AGAIN_S", 0.05)
    heard = asyncio.Event()
    other.on_told = lambda _what: heard.set()
    await told_until(one, heard)
    postgres.stop_immediately()
    postgres.start()
    heard.clear()
    await told_until(one, heard)


async def told_until(writer: SharedWriter, heard: asyncio.Event) -> None:
    """Tell until somebody hears it: a hint may get lost before he listens."""
    for _ in range(100):
        writer.tell("effects")
        with suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await heard.wait()
                return
    raise AssertionError("nobody heard it")


@pytest.mark.parametrize("wrong_by", [-HOUR_MS, HOUR_MS])
async def test_the_time_is_the_databases_however_wrong_the_local_clock(shared_url: str, wrong_by: int) -> None:
    async with writing(shared_url, lambda: wall_clock() + wrong_by) as writer:
        before = wall_clock()
        await writer.run(first_message)
        assert abs(writer.now() - wall_clock()) < 1000
        due_at = column(await stored(writer, outbox), "due_at", "created_at", "intent_at")
        assert all(before - 1000 <= at <= wall_clock() + 1000 for row in due_at for at in row if at is not None)


async def test_a_work_that_is_always_in_the_way_is_given_up_alone(
    one: SharedWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_writer, "PAUSE_S", 0.001)
    tries = Counter[str]()

    def in_the_way(unit: Unit) -> None:
        tries["tries"] += 1
        unit.connection.exec_driver_sql("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")

    results = await asyncio.gather(one.run(note("a")), one.run(in_the_way), one.run(note("b")), return_exceptions=True)
    assert (results[0], results[2]) == ("a", "b")
    assert isinstance(results[1], DatabaseBusy)
    assert tries["tries"] <= 2 * (shared_writer.RERUNS + 1)


async def test_a_question_too_long_is_ended_by_the_server(shared_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_postgres, "STATEMENT_MS", 100)
    async with writing(shared_url) as writer:
        with pytest.raises(StorageError):
            await writer.run(lambda unit: unit.connection.exec_driver_sql("SELECT pg_sleep(5)"))
        assert await writer.run(note("after")) == "after"


@pytest.mark.parametrize("asked", ["ssl=require", "sslmode=require"])
async def test_encryption_is_asked_for_by_either_name(asked: str) -> None:
    engine = engine_of(f"postgresql+asyncpg://hub@127.0.0.1/hub?{asked}")
    assert driver_arguments(engine)["ssl"] == "require"
    assert "sslmode" not in driver_arguments(engine)
    await engine.dispose()


async def test_a_listener_that_raises_holds_up_neither_the_caller_nor_those_after_him(one: SharedWriter) -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))

    def fail(_dues: object) -> None:
        raise ZeroDivisionError

    one.on_started = fail

    def start(unit: Unit) -> str:
        for fact in (started(), message(0)):
            take(unit, report(fact), UNSURE)
        return "taken"

    assert await asyncio.wait_for(one.run(start), 5) == "taken"
    assert await asyncio.wait_for(one.run(lambda _unit: "next"), 5) == "next"
    assert [type(context["exception"]) for context in told] == [ZeroDivisionError]

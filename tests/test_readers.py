"""Questions beside the writer: answered on either database, and told where they cannot be."""

import asyncio
import gc
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, func, insert, select, text

from chaos.postgres import Postgres
from storage.errors import StorageError
from storage.opening import upgrade
from storage.readers import Readers
from storage.schema import meta
from storage.unit import Unit
from tests.places import Place
from tests.stores import new_store

A_WHILE = text(
    "WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 1000000) "
    "SELECT count(*) FROM counted"
)
HOW_MANY = select(func.count()).select_from(meta)


@pytest.fixture
async def shared(shared_url: str) -> AsyncIterator[Readers]:
    readers = Readers(shared_url)
    yield readers
    await readers.close()


async def how_many(readers: Readers) -> int:
    return await readers.read(lambda connection: int(connection.execute(HOW_MANY).scalar_one()))


async def test_a_server_that_was_away_is_asked_again_as_soon_as_it_is_back(shared: Readers, postgres: Postgres) -> None:
    assert await how_many(shared) == 1
    postgres.stop_immediately()
    with pytest.raises(StorageError, match="does not answer"):
        await how_many(shared)
    postgres.start()
    assert await how_many(shared) == 1


async def test_nothing_is_written_by_asking(shared: Readers) -> None:
    with pytest.raises(StorageError):
        await shared.read(lambda connection: connection.execute(delete(meta)))
    assert await how_many(shared) == 1


async def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        readers = Readers(store.url)
        assert await how_many(readers) == 1
        with pytest.raises(StorageError, match="cannot be read"):
            await readers.read(lambda connection: connection.execute(delete(meta)))
        await readers.close()


def counted_twice(place: Place) -> Callable[[Connection], tuple[int, int]]:
    """A question that counts, waits until somebody else has written, and counts again."""

    def write(unit: Unit) -> None:
        unit.connection.execute(insert(meta).values(name="meanwhile", value="written"))

    def question(connection: Connection) -> tuple[int, int]:
        before = connection.execute(HOW_MANY).scalar_one()
        written = threading.Thread(target=place.do, args=(write,))
        written.start()
        written.join()
        return before, connection.execute(HOW_MANY).scalar_one()

    return question


async def test_an_answer_is_of_one_moment_whatever_is_written_meanwhile(place: Place) -> None:
    readers = Readers(place.url)
    assert await readers.read(counted_twice(place)) == (1, 1)
    assert await how_many(readers) == 2
    await readers.close()


def test_so_is_what_a_command_reads_beside_a_running_service(place: Place) -> None:
    assert place.read(counted_twice(place)) == (1, 1)


async def test_a_mistake_of_who_asks_is_his_own(shared: Readers) -> None:
    with pytest.raises(ZeroDivisionError):
        await shared.read(lambda _connection: 1 // 0)


async def test_what_is_still_asked_when_it_closes_is_answered_and_leaves_no_connection_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unraisable: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: unraisable.append(told.exc_value))
    url = f"sqlite+aiosqlite:///{tmp_path}/hub.db"
    upgrade(url)
    readers = Readers(url)
    await how_many(readers)
    asked = asyncio.create_task(readers.read(lambda connection: connection.execute(A_WHILE).scalar_one()))
    await asyncio.sleep(0)
    await readers.close()
    assert await asked == 1_000_000
    gc.collect()
    assert unraisable == []


async def test_nothing_is_asked_once_it_is_closed(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/hub.db"
    upgrade(url)
    readers = Readers(url)
    assert await how_many(readers) == 1
    await readers.close()
    with pytest.raises(StorageError, match="closed"):
        await how_many(readers)


def test_a_file_that_is_not_there_leaves_no_thread_behind_to_tell_a_closed_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda died: told.append(died.exc_value))

    async def ask() -> None:
        readers = Readers(f"sqlite+aiosqlite:///{tmp_path}/hub.db")
        with pytest.raises(StorageError, match="cannot be read"):
            await how_many(readers)
        await readers.close()

    threads = set(threading.enumerate())
    for _ in range(50):
        asyncio.run(ask())
        assert set(threading.enumerate()) <= threads
    assert told == []

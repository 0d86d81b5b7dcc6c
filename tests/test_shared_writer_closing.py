"""The writer beside other replicas, closed, or before a server that does not come back: everybody is told, soon."""

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest

from chaos.postgres import Postgres
from storage import shared_writer
from storage.errors import StorageError
from storage.shared_writer import SharedWriter
from storage.writer import wall_clock
from tests.postgres import noop, note, writing

SOON_S = 0.3


@pytest.fixture
def hanging() -> Iterator[str]:
    """The URL of a server that lets everybody in and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        yield f"postgresql+asyncpg://hub@127.0.0.1:{door.getsockname()[1]}/hub"


@pytest.fixture
def refusing() -> str:
    """The URL of a server that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    return f"postgresql+asyncpg://hub@127.0.0.1:{port}/hub"


@pytest.mark.parametrize("away", ["hanging", "refusing"])
async def test_close_ends_soon_though_the_server_is_away_and_everybody_is_told(
    away: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_writer, "CLOSE_S", SOON_S)
    writer = SharedWriter(request.getfixturevalue(away), wall_clock)
    works = [asyncio.create_task(writer.run(note(f"n{i}"))) for i in range(300)]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(2):
        await writer.close()
        results = await asyncio.gather(*works, return_exceptions=True)
    assert all(isinstance(result, StorageError) for result in results)
    with pytest.raises(StorageError, match="closed"):
        await writer.run(note("late"))


async def test_close_ends_soon_though_a_server_hangs_in_the_midst_of_a_transaction(
    shared_url: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_writer, "CLOSE_S", SOON_S)
    writer = SharedWriter(shared_url, wall_clock)
    await writer.run(note("before"))
    with postgres.hanging():
        works = [asyncio.create_task(writer.run(note(f"n{i}"))) for i in range(8)]
        await asyncio.sleep(0.1)
        async with asyncio.timeout(3):
            await writer.close()
            results = await asyncio.gather(*works, return_exceptions=True)
    assert all(isinstance(result, StorageError) for result in results)


async def test_close_finishes_what_was_handed_over(shared_url: str) -> None:
    writer = SharedWriter(shared_url, wall_clock)
    works = [asyncio.create_task(writer.run(note(f"n{i}"))) for i in range(5)]
    await asyncio.sleep(0)
    await writer.close()
    assert await asyncio.gather(*works) == [f"n{i}" for i in range(5)]


async def test_who_comes_long_after_the_server_was_lost_does_not_wait_as_long_as_the_first(
    refusing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_writer, "PATIENCE_S", SOON_S)
    async with writing(refusing) as writer:
        began = time.monotonic()
        for waits in (True, False, False):
            with pytest.raises(StorageError, match="does not answer"):
                await writer.run(noop)
            assert (time.monotonic() - began >= SOON_S) is waits
            began = time.monotonic()

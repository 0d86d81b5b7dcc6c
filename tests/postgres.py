"""A PostgreSQL for tests: one server for each process of tests, started when the first test asks for it."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import Table, insert

from chaos.postgres import NoPostgres, Postgres, throwaway
from storage.opening import upgrade
from storage.schema import meta
from storage.shared_writer import SharedWriter
from storage.unit import Unit
from storage.writer import Batches, wall_clock
from tests.stores import rows
from tests.tools import lacking


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running server; skips without one, or fails where tools are required."""
    try:
        with throwaway() as server:
            yield server
    except NoPostgres as error:
        lacking(str(error))


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """DATABASE_URL of an empty database of the test's own."""
    return postgres.fresh_database()


@pytest.fixture
def shared_url(postgres: Postgres) -> str:
    """DATABASE_URL of a database of the test's own, brought up to date."""
    return postgres.fresh_database(upgrade)


@pytest.fixture
async def one(shared_url: str) -> AsyncIterator[SharedWriter]:
    """A replica's writer."""
    async with writing(shared_url) as writer:
        yield writer


@pytest.fixture
async def other(shared_url: str) -> AsyncIterator[SharedWriter]:
    """Another replica's, over the same database."""
    async with writing(shared_url) as writer:
        yield writer


@asynccontextmanager
async def writing(url: str, clock: Callable[[], int] = wall_clock) -> AsyncIterator[SharedWriter]:
    """A replica's writer, for as long as this lasts."""
    writer = SharedWriter(url, clock)
    try:
        yield writer
    finally:
        await writer.close()


async def stored(writer: Batches, table: Table, **columns: Any) -> list[dict[str, Any]]:
    """What is committed; `columns` narrow it."""
    return await writer.run(lambda unit: rows(unit.connection, table, **columns))


def note(name: str) -> Callable[[Unit], str]:
    """A work that leaves a row under `name`; twice is refused by the database."""

    def work(unit: Unit) -> str:
        unit.connection.execute(insert(meta).values(name=name, value=""))
        return name

    return work


def noop(_unit: Unit) -> None:
    """A work that is about something and does nothing."""

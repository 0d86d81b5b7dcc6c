"""A database at a time the test chooses: an SQLite file or a PostgreSQL, one transaction at a time."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest
from sqlalchemy import Connection, Table

from storage import postgres
from storage.opening import reading, upgrade
from storage.unit import Unit
from tests.stores import NOON, Store, new_store, rows

T = TypeVar("T")


class Place(Protocol):
    """A database at a time the test chooses."""

    url: str

    def do(self, work: Callable[[Unit], T], at: int = NOON) -> T:
        """One transaction."""

    def read(self, question: Callable[[Connection], T]) -> T:
        """The answer to a question, of what is committed."""

    def rows(self, table: Table, **columns: Any) -> list[dict[str, Any]]:
        """What is committed."""


class OnSqlite:
    def __init__(self, store: Store) -> None:
        self._store = store
        self.url = store.url
        self.rows = store.rows

    def do(self, work: Callable[[Unit], T], at: int = NOON) -> T:
        self._store.clock.now = at
        with self._store.unit() as unit:
            return work(unit)

    def read(self, question: Callable[[Connection], T]) -> T:
        with reading(self._store.url) as connection:
            return question(connection)


class OnPostgres:
    def __init__(self, url: str) -> None:
        self.url = url

    def do(self, work: Callable[[Unit], T], at: int = NOON) -> T:
        def whole(connection: Connection) -> T:
            unit = Unit(connection, at)
            result = work(unit)
            unit.flush()
            return result

        return postgres.run(self.url, whole)

    def read(self, question: Callable[[Connection], T]) -> T:
        return postgres.run(self.url, question, read_only=True)

    def rows(self, table: Table, **columns: Any) -> list[dict[str, Any]]:
        return self.read(lambda connection: rows(connection, table, **columns))


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Both databases, one after the other."""
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
        upgrade(url)
        yield OnPostgres(url)
        return
    with new_store(tmp_path) as store:
        yield OnSqlite(store)


@pytest.fixture(params=["sqlite", "postgresql"])
def either_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """DATABASE_URL of a fresh database, of both kinds one after the other."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres").fresh_database(upgrade))
    with new_store(tmp_path) as store:
        return store.url

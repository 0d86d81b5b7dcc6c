"""A PostgreSQL for tests: one server for each process of tests, started when the first test asks for it."""

from collections.abc import Iterator

import pytest

from chaos.postgres import NoPostgres, Postgres, throwaway
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

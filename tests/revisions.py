"""A database at a revision of the schema, whichever database it is."""

from collections.abc import Callable
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from storage import postgres as storage_postgres
from storage.engine import is_postgres, writing_engine
from storage.opening import MIGRATIONS


def in_transaction(url: str, work: Callable[[Connection], Any]) -> Any:
    """Run `work` in one transaction, whatever the schema is."""
    if is_postgres(url):
        return storage_postgres.run(url, work)
    engine = writing_engine(url)
    with engine.begin() as connection:
        found = work(connection)
    engine.dispose()
    return found


def migrate(url: str, revision: str) -> None:
    """Bring the schema to a revision."""

    def work(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    in_transaction(url, work)

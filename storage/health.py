"""How a database fares, looked at beside a running service or without one, and left as it is."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import quote

from sqlalchemy import Connection, text

from storage.engine import BUSY_TIMEOUT_S, is_postgres, sqlite_path
from storage.opening import HEAD, revision_of


@dataclass(frozen=True, slots=True)
class Health:
    """`revision` is None where nothing is there yet. `free_bytes` and `journal` are an SQLite file's."""

    kind: str
    version: str
    revision: str | None
    needed: str = HEAD
    free_bytes: int | None = None
    journal: str | None = None
    unwritable: str | None = None


def health(url: str) -> Health:
    """Look at the database; from outside an event loop. Raises StorageError for one that cannot be opened."""
    return _postgres(url) if is_postgres(url) else _sqlite(url)


def _sqlite(url: str) -> Health:
    path = sqlite_path(url)
    revision = revision_of(url)
    there = next(folder for folder in (path.parent, *path.parent.absolute().parents) if folder.exists())
    free_bytes = shutil.disk_usage(there).free
    if revision is None:
        return Health("SQLite", sqlite3.sqlite_version, None, free_bytes=free_bytes)
    journal, unwritable = _written(f"file:{quote(str(path.absolute()))}?mode=rw")
    return Health("SQLite", sqlite3.sqlite_version, revision, HEAD, free_bytes, journal, unwritable)


def _written(uri: str) -> tuple[str | None, str | None]:
    """The journal mode, and why nothing can be written; a transaction is begun and given up."""
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
            journal = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("CREATE TABLE never_kept (at)")
                connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                return journal, str(error)
            return journal, None
    except sqlite3.Error as error:
        return None, str(error)


def _postgres(url: str) -> Health:
    from storage import postgres

    return postgres.run(url, _asked, read_only=True)


def _asked(connection: Connection) -> Health:
    from storage import postgres

    def ask(question: str) -> object:
        return connection.execute(text(question)).scalar_one()

    revision, version = postgres.current_revision(connection), str(ask("SHOW server_version"))
    if ask("SELECT pg_is_in_recovery()"):
        return Health("PostgreSQL", version, revision, unwritable="it is a standby, which only reads")
    right = "has_table_privilege('inbox', 'INSERT')" if revision else "has_schema_privilege('public', 'CREATE')"
    unwritable = None if ask(f"SELECT {right}") else "its user has no right to write"
    return Health("PostgreSQL", version, revision, unwritable=unwritable)

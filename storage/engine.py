"""SQLite's engines: one connection that writes, a few that only read.

SQLite's driver opens its transaction at the first write, after our read, and so loses updates without a word; here
every transaction of the writing connection begins with BEGIN IMMEDIATE (design: begin at the beginning). Everything
else opens the file read-only, so only one connection ever writes or checkpoints: versions before 3.51.3 can lose
committed data when two do (sqlite.org/wal.html, "The WAL-reset bug").
"""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, unquote

from sqlalchemy import Connection, Dialect, Engine, create_engine, event, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool

from storage.errors import DatabaseUnusable
from storage.statements import wrapped

EXAMPLE = "sqlite+aiosqlite:///data/expert-hub.db"
BUSY_TIMEOUT_S = 3.8
BEGIN = "BEGIN IMMEDIATE"
# Pages; a longer WAL between checkpoints keeps the cost of a commit flat.
WAL_AUTOCHECKPOINT = 4000


def is_postgres(url: str) -> bool:
    """Whether a URL names a PostgreSQL database."""
    return url.startswith("postgresql")


def sqlite_path(url: str) -> Path:
    """The file a `sqlite+aiosqlite:///…` URL names. Raises DatabaseUnusable for anything else."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        found = unquote(parsed.render_as_string())
        raise DatabaseUnusable(
            f"DATABASE_URL must name an SQLite file, like {EXAMPLE}, or a PostgreSQL database, found {found}"
        )
    return Path(parsed.database)


def make_folder(path: Path) -> None:
    """Make the folder the database lies in. Raises DatabaseUnusable."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnusable(f"DATABASE_URL: cannot make the folder {path.parent} ({error.strerror})") from error


def is_busy(error: Exception) -> bool:
    """Whether the database refused only because another program holds it."""
    return isinstance(error, OperationalError) and ("locked" in str(error.orig) or "busy" in str(error.orig))


def writing_engine(url: str, *, checkpoints: bool = True) -> Engine:
    """An engine with the one writing connection. `checkpoints=False` for a command beside a running service."""
    path = sqlite_path(url)
    make_folder(path)
    engine = create_engine(
        f"sqlite+pysqlite:///{path}",
        poolclass=StaticPool,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_S, "isolation_level": None},
    )
    pragmas = ["journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"]
    pragmas.append(f"wal_autocheckpoint={WAL_AUTOCHECKPOINT if checkpoints else 0}")

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Straight to the driver: through SQLAlchemy, to begin and to commit would cost twice as much.
        driver = cast(sqlite3.Connection, connection.connection.driver_connection)
        try:
            driver.execute(BEGIN)
        except sqlite3.Error as error:
            raise wrapped(error, BEGIN, connection.dialect) from error

    return engine


def reading_engine(url: str) -> Engine:
    """An engine whose connections cannot write, and see in each transaction one moment; to be used within
    `greenlet_spawn`, for its driver waits in the event loop. `create_async_engine` would put just that around it, and
    bring the whole of SQLAlchemy's ORM, 6 MB and a twentieth of a second."""
    path = sqlite_path(url)
    engine = create_engine(
        f"sqlite+aiosqlite:///file:{quote(str(path))}?mode=ro&uri=true",
        pool_size=4,
        hide_parameters=True,
        connect_args={"timeout": BUSY_TIMEOUT_S, "isolation_level": None},
    )

    @event.listens_for(engine, "do_connect")
    def can_be_opened(_dialect: Dialect, _record: Any, where: Sequence[Any], how: Mapping[str, Any]) -> None:
        # The driver leaves the thread of a connection that failed behind, to tell a loop that may be closed by then.
        sqlite3.connect(*where, **how).close()

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA query_only=ON")

    see_one_moment(engine)
    return engine


def see_one_moment(engine: Engine) -> None:
    """Let all that a transaction reads be of one moment. Python's driver begins none for what only reads; it must be
    told to leave that to us (`isolation_level` None)."""

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

"""Opening the database for the service or a command: one service per file, schema up to date, damage noticed.

`upgrade`, `revision_of`, `read` and `write` serve both databases; the rest is SQLite's. Alembic is imported only where
a migration has to run: it would cost a fifth of a second at every start.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DatabaseError

from storage.engine import (
    BUSY_TIMEOUT_S,
    is_busy,
    is_postgres,
    make_folder,
    see_one_moment,
    sqlite_path,
    writing_engine,
)
from storage.errors import DatabaseBusy, DatabaseUnusable, StorageError

T = TypeVar("T")

HEAD = "0007"
MIGRATIONS = Path(__file__).parent / "migrations"
# As Alembic makes it.
_REVISIONS = (
    "CREATE TABLE alembic_version ("
    "version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)


def current_revision(engine: Engine) -> str | None:
    """The schema revision the database is at, None for a fresh one. Raises DatabaseUnusable for a damaged file,
    DatabaseBusy where another program holds it."""
    try:
        with engine.connect() as connection:
            return _revision(connection)
    except DatabaseError as error:
        raise _refusal(str(engine.url.database), error) from error


def _revision(connection: Connection) -> str | None:
    found = connection.execute(
        text("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'")
    ).first()
    if found is None:
        return None
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


def _refusal(path: str, error: DatabaseError) -> StorageError:
    """Only what is damaged is worth a backup, and SQLite's driver tells that by no class of its own; a file that cannot
    be opened or is in use is as good as before."""
    if is_busy(error):
        return DatabaseBusy(f"another program holds {path}; try again")
    if type(error) is not DatabaseError:
        return DatabaseUnusable(f"{path} cannot be used ({error.orig}); see to its folder, permissions and free space")
    return DatabaseUnusable(
        f"{path} is damaged or no database ({error.orig}); restore it from a backup"
        " (`expert-hub db backup` makes them), or move it away to start afresh"
    )


def upgrade(url: str) -> str:
    """Bring the schema up to date; returns the revision. Raises DatabaseUnusable for a damaged file or a newer
    schema."""
    if is_postgres(url):
        from storage import postgres

        postgres.upgrade(url, _migrate, HEAD)
        return HEAD
    engine = writing_engine(url)
    try:
        if current_revision(engine) != HEAD:
            with engine.connect() as connection:
                # Asked again where nobody else can make it meanwhile.
                revision = _revision(connection)
                if revision is None:
                    _create(connection)
                else:
                    _migrate(connection, revision)
                connection.commit()
        return HEAD
    finally:
        engine.dispose()


def revision_of(url: str) -> str | None:
    """The schema revision of the database, None if there is none yet. Nothing is created. Raises DatabaseUnusable."""
    if is_postgres(url):
        from storage import postgres

        return postgres.run(url, postgres.current_revision, read_only=True)
    if not sqlite_path(url).exists():
        return None
    engine = _reading_engine(url)
    try:
        return current_revision(engine)
    finally:
        engine.dispose()


def _reading_engine(url: str) -> Engine:
    engine = create_engine(
        f"sqlite+pysqlite:///file:{quote(str(_existing(url)))}?mode=ro&uri=true",
        connect_args={"timeout": BUSY_TIMEOUT_S, "isolation_level": None},
        hide_parameters=True,
    )
    see_one_moment(engine)
    return engine


@contextmanager
def reading(url: str) -> Iterator[Connection]:
    """A read-only connection for a command, which sees one moment. Raises DatabaseUnusable where there is no database,
    and StorageError for what the database refuses."""
    engine = _reading_engine(url)
    try:
        with engine.connect() as connection:
            yield connection
    except DatabaseError as error:
        raise _refusal(str(sqlite_path(url)), error) from error
    finally:
        engine.dispose()


def _existing(url: str) -> Path:
    path = sqlite_path(url)
    if not path.exists():
        raise DatabaseUnusable(
            f"there is no database at {path}; `expert-hub serve` or `expert-hub db upgrade` makes it"
        )
    return path


@contextmanager
def writing(url: str) -> Iterator[Connection]:
    """One short transaction for a command, beside a running service or not, on a database brought up to date.
    Raises StorageError for what the database refuses."""
    if revision_of(url) != HEAD:
        upgrade(url)
    engine = writing_engine(url, checkpoints=False)
    try:
        with engine.begin() as connection:
            yield connection
    except DatabaseError as error:
        raise _refusal(str(sqlite_path(url)), error) from error
    finally:
        engine.dispose()


def read(url: str, work: Callable[[Connection], T]) -> T:
    """Run `work` on a read-only connection; its result. From outside an event loop. Raises DatabaseUnusable where there
    is no database, and StorageError for what the database refuses."""
    if is_postgres(url):
        from storage import postgres

        return postgres.run(url, work, read_only=True)
    with reading(url) as connection:
        return work(connection)


def write(url: str, work: Callable[[Connection], T]) -> T:
    """Run `work` in one short transaction, beside running services or not, on a database brought up to date; its
    result. From outside an event loop. Raises StorageError for what the database refuses."""
    if is_postgres(url):
        from storage import postgres

        if postgres.run(url, postgres.current_revision, read_only=True) != HEAD:
            upgrade(url)
        return postgres.run(url, work)
    with writing(url) as connection:
        return work(connection)


def _create(connection: Connection) -> None:
    """Make a fresh SQLite database from the schema, which is what the revisions lead to: to go through them, and to
    import Alembic for it, takes five times as long."""
    from storage.schema import meta, metadata

    metadata.create_all(connection, checkfirst=False)
    connection.execute(meta.insert().values(name="created_at", value=str(time.time_ns() // 1_000_000)))
    connection.execute(text(_REVISIONS))
    connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": HEAD})


def _migrate(connection: Connection, revision: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise DatabaseUnusable(
            f"the database is at revision {revision}, which this version does not know; run a newer expert-hub"
        ) from error


def check(url: str) -> None:
    """Look through the file for damage that a query would only meet later. Raises DatabaseUnusable."""
    path = sqlite_path(url)
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0].splitlines()[0]
    except sqlite3.DatabaseError as error:
        answer = str(error)
    if answer != "ok":
        raise DatabaseUnusable(
            f"{path} is damaged ({answer}); restore it from a backup, or move it away to start afresh"
        )


def _lock_file(path: Path) -> IO[str]:
    try:
        return open(f"{path}.lock", "a")
    except OSError as error:
        raise DatabaseUnusable(f"DATABASE_URL: cannot write in the folder {path.parent} ({error.strerror})") from error


class ServiceLock:
    """Held by the one service of a file for as long as it runs; the system drops it when the process dies."""

    def __init__(self, url: str) -> None:
        path = sqlite_path(url)
        make_folder(path)
        self._file = _lock_file(path)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise DatabaseUnusable(
                f"another expert-hub serves {path}; stop it, or set DATABASE_URL and PORT to run beside it"
            ) from error
        try:
            # Emptied only by its holder: whoever was refused leaves the holder's number standing.
            self._file.truncate(0)
            # Unbuffered: what could not be written is not tried again when the file is closed.
            os.write(self._file.fileno(), f"{os.getpid()}\n".encode())
        except OSError as error:
            self._file.close()
            raise StorageError(f"{path}.lock cannot be written ({error.strerror})") from error

    def release(self) -> None:
        """Let the next service in."""
        self._file.close()


def backup(url: str, target: Path) -> None:
    """Copy the database while it is being served, through SQLite's online backup, in one step: one of several starts
    afresh whenever somebody has written in between. Raises FileExistsError, DatabaseUnusable."""
    if is_postgres(url):
        raise DatabaseUnusable("the database is PostgreSQL, which brings its own backup: use pg_dump")
    if target.exists():
        raise FileExistsError(target)
    source = sqlite3.connect(f"file:{quote(str(_existing(url)))}?mode=ro", uri=True)
    try:
        with closing(source), closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
    except sqlite3.Error as error:
        target.unlink(missing_ok=True)
        raise StorageError(f"no backup was made ({error})") from error

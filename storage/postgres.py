"""PostgreSQL: engines, what its errors mean, and opening it. Imported only where DATABASE_URL names one.

Commands are synchronous and so is Alembic: what they do runs inside `run_sync`, over the one driver, asyncpg.
"""

import asyncio
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import URL, Connection, Engine, event, inspect, make_url, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import greenlet_spawn

from storage.errors import DatabaseBusy, DatabaseUnusable, StorageError

T = TypeVar("T")

CONNECT_S, LET_GO_S = 3.0, 0.5
# A replica that was frozen inside a transaction holds its locks until the server ends its session: sooner than anybody
# who waits for them gives up, and that is sooner than Twilio does (5 s).
IDLE_IN_TRANSACTION_MS, LOCK_MS, STATEMENT_MS = 1_500, 3_000, 10_000
# A statement is planned a few times, and then no more until its tables are analyzed. In a young database it is planned
# while they are all but empty, and would read them from end to end for every webhook of a first storm. Whatever the
# writer asks is found by an index, for each row by itself.
BY_INDEX = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}
# Migrations and commands that write hold this, one at a time; any number will do, as long as it stays the same.
COMMAND_LOCK = 7_305_446_126_981_377_013
# The driver's connections of each engine.
_SESSIONS: "WeakKeyDictionary[Engine, WeakSet[Any]]" = WeakKeyDictionary()


class Trouble(Enum):
    """What an error of the database means for what was tried."""

    AGAIN = "another transaction was in the way: this one can be run again at once"
    BUSY = "another transaction held a row or a name for too long"
    LOST = "the connection, or the server, is gone: whether the transaction was committed is not known"
    REFUSED = "the database refused"


_AGAIN = {"40001", "40P01", "23505"}
_BUSY = {"55P03", "57014"}
_NOT_OURS = {"28000", "28P01", "3D000", "42501"}
_LOST = {"25P03", "53300", "57P01", "57P02", "57P03", "57P05"}


def trouble_of(error: Exception) -> Trouble | None:
    """What went wrong, by its SQLSTATE (PostgreSQL manual, Appendix A); None for what no database said."""
    state = state_of(error)
    if state is None:
        if _is_of_the_connection(error):
            return Trouble.LOST
        return Trouble.REFUSED if isinstance(error, SQLAlchemyError) else None
    if state in _AGAIN:
        return Trouble.AGAIN
    if state in _BUSY:
        return Trouble.BUSY
    return Trouble.LOST if state in _LOST or state.startswith("08") else Trouble.REFUSED


def _is_of_the_connection(error: Exception) -> bool:
    from asyncpg import InterfaceError, InternalClientError

    return isinstance(error, DBAPIError | PoolTimeout | InterfaceError | InternalClientError | OSError | TimeoutError)


def as_storage_error(error: Exception) -> Exception:
    """The database's complaint as ours; what no database said stays as it is. Rows are never in the text."""
    match trouble_of(error):
        case None:
            return error
        case Trouble.BUSY | Trouble.AGAIN:
            return DatabaseBusy("another replica held what was to be written for too long; try again")
        case Trouble.LOST:
            return StorageError(f"PostgreSQL does not answer ({_name(error)})")
        case _ if state_of(error) in _NOT_OURS:
            return DatabaseUnusable(
                f"DATABASE_URL: PostgreSQL refused ({_name(error)}): see to user, password, database"
            )
        case _:
            return StorageError(f"PostgreSQL refused ({_name(error)})")


def state_of(error: Exception) -> str | None:
    """The SQLSTATE that an error carries, if a server sent it."""
    state: str | None = getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None)
    return state


def _name(error: Exception) -> str:
    origin = error.orig if isinstance(error, DBAPIError) else error
    return f"SQLSTATE {state_of(error)}" if state_of(error) else type(origin).__name__


def engine_of(
    url: str, *, read_only: bool = False, connections: int = 4, planning: Mapping[str, str] | None = None
) -> AsyncEngine:
    """An engine whose sessions are never waited for without an end; what is `read_only` sees one moment in each
    transaction. `planning`: parameters for the planner."""
    settings = {
        "application_name": "expert-hub",
        "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
        "lock_timeout": str(LOCK_MS),
        "statement_timeout": str(STATEMENT_MS),
        "jit": "off",
        **(planning or {}),
    }
    if read_only:
        settings["default_transaction_read_only"] = "on"
        settings["default_transaction_isolation"] = "repeatable read"
        # A search is planned for what it looks for: the plan that would do for any text reads the whole customer book.
        settings["plan_cache_mode"] = "force_custom_plan"
    engine = create_async_engine(
        _as_asyncpg_takes_it(url),
        pool_size=connections,
        max_overflow=0,
        # A session that died with the server before is noticed here and not by whoever asks; writers run again anyway.
        pool_pre_ping=read_only,
        hide_parameters=True,
        connect_args={"timeout": CONNECT_S, "server_settings": settings},
    )
    return _noted(engine)


def _as_asyncpg_takes_it(url: str) -> URL:
    """The URL with `sslmode`, libpq's name for it, as `ssl`, which is asyncpg's."""
    parsed = make_url(url)
    mode = parsed.query.get("sslmode")
    if mode is None:
        return parsed
    return parsed.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})


def _noted(engine: AsyncEngine) -> AsyncEngine:
    """The engine, with every session it makes from now on in `_SESSIONS`."""
    sessions = _SESSIONS[engine.sync_engine] = WeakSet()
    event.listen(engine.sync_engine, "connect", lambda session, _record: sessions.add(session.driver_connection))
    return engine


def break_off(engine: AsyncEngine) -> None:
    """Cut every session: nothing else frees one that waits for a server that hangs."""
    for session in list(_SESSIONS[engine.sync_engine]):
        session.terminate()


async def let_go(engine: Engine) -> None:
    """End the sessions, in order as far as the server answers a farewell."""
    sessions = [session for session in _SESSIONS[engine] if not session.is_closed()]
    await asyncio.gather(*(session.close(timeout=LET_GO_S) for session in sessions), return_exceptions=True)
    await greenlet_spawn(engine.dispose)


def driver_arguments(engine: AsyncEngine) -> dict[str, Any]:
    """What an engine's URL says, `?ssl=…` included, as asyncpg itself takes it."""
    _nothing, arguments = engine.dialect.create_connect_args(engine.url)
    return dict(arguments)


def run(url: str, work: Callable[[Connection], T], *, read_only: bool = False) -> T:
    """Run `work` in one transaction, from outside an event loop. Raises StorageError for what the database refuses, or
    when it does not answer."""
    return asyncio.run(_run(url, work, read_only))


async def _run(url: str, work: Callable[[Connection], T], read_only: bool) -> T:
    engine = engine_of(url, read_only=read_only, connections=1)
    try:
        async with engine.begin() as connection:
            for wait in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
                await connection.execute(text(f"SET LOCAL {wait} = 0"))
            if not read_only:
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({COMMAND_LOCK})"))
            return await connection.run_sync(work)
    except Exception as error:
        translated = as_storage_error(error)
        if translated is error:
            raise
        raise translated from error
    finally:
        await engine.dispose()


def current_revision(connection: Connection) -> str | None:
    """The schema revision the database is at, None for a fresh one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


def upgrade(url: str, migrate: Callable[[Connection, str | None], Any], head: str) -> None:
    """Bring the schema up to date, one replica at a time. Raises DatabaseUnusable where it is newer than this
    program or refuses us, and StorageError where it does not answer."""

    def work(connection: Connection) -> None:
        revision = current_revision(connection)
        if revision != head:
            migrate(connection, revision)

    run(url, work)

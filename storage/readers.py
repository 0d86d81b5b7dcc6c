"""Readers: questions that are not asked in the writer's transactions, over connections that cannot write."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.util import greenlet_spawn

from storage.engine import is_postgres, reading_engine
from storage.errors import StorageError

T = TypeVar("T")
# How long an answer is waited for at the end; a server that is away gives none.
CLOSE_S = 2.0


class Readers:
    """A few connections to a database, made when the first question is asked."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: Engine | None = None
        self._asked: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def read(self, question: Callable[[Connection], T]) -> T:
        """The answer to a question, as of one moment. Who leaves stops waiting; what he asked is answered all the same.
        Raises StorageError where it cannot be had, or once the readers are closed."""
        if self._closed:
            raise StorageError("the store is closed; nothing can be read")
        asked = asyncio.ensure_future(self._answer(question))
        self._asked.add(asked)
        asked.add_done_callback(self._answered)
        return await asyncio.shield(asked)

    def _answered(self, asked: asyncio.Task[T]) -> None:
        self._asked.discard(asked)
        if not asked.cancelled():
            # Seen, where nobody waits for it any more.
            asked.exception()

    async def _answer(self, question: Callable[[Connection], T]) -> T:
        if self._engine is None:
            self._engine = _engine(self._url)
        try:
            return await greenlet_spawn(_ask, self._engine, question)
        except Exception as error:
            translated = _translated(error, self._engine.dialect.name)
            if translated is error:
                raise
            raise translated from error

    async def close(self) -> None:
        """Let go of the database, once what was asked is answered: a connection that comes back later is nobody's."""
        self._closed = True
        if self._asked:
            await asyncio.wait(self._asked, timeout=CLOSE_S)
        if self._engine is None:
            return
        if self._engine.dialect.name != "postgresql":
            await greenlet_spawn(self._engine.dispose)
            return
        from storage.postgres import let_go

        await let_go(self._engine)


def _translated(error: Exception, database: str) -> Exception:
    """The database's complaint as ours; what no database said stays as it is."""
    if database == "postgresql":
        from storage.postgres import as_storage_error

        return as_storage_error(error)
    is_the_databases = isinstance(error, SQLAlchemyError | OSError)
    return StorageError(f"the database cannot be read ({type(error).__name__})") if is_the_databases else error


def _engine(url: str) -> Engine:
    if not is_postgres(url):
        return reading_engine(url)
    from storage.postgres import engine_of

    return engine_of(url, read_only=True).sync_engine


def _ask(engine: Engine, question: Callable[[Connection], T]) -> T:
    with engine.connect() as connection:
        return question(connection)

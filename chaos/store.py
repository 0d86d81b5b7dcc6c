"""Reading what a service has stored, whichever database it is in."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from storage.opening import reading

T = TypeVar("T")


def read(url: str, work: Callable[[Connection], T]) -> T:
    """What `work` makes of a connection that reads. Outside a running event loop only; within one, in a thread."""
    if not url.startswith("postgresql"):
        with reading(url) as connection:
            return work(connection)
    return asyncio.run(_read(url, work))


async def _read(url: str, work: Callable[[Connection], T]) -> T:
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()

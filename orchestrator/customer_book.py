"""Bringing customers into the built-in book: from a file or from Strapi, and the first three for the sandbox.

Rows are written a batch at a time, each in a transaction of its own; reading the next takes longer than writing, and
leaves the database to whoever else writes. An import that was cut off is begun again: what is in the book already
changes nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from orchestrator.addresses import channel_key
from orchestrator.customer_file import SEED_FILE, read_customers, rows_of
from orchestrator.customer_row import Checker, Fault, Row
from states.customers import Customer
from storage.customers import is_empty, save_customer, save_customers
from storage.opening import write

BATCH = 500


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did: rows read well, customers added or changed, rows refused."""

    read: int
    changed: int
    faults: tuple[Fault, ...]


class _Import:
    """Takes rows and writes the good ones. `tell` is called with how many were read, after each batch."""

    def __init__(self, url: str, tell: Callable[[int], None]) -> None:
        self._url = url
        self._tell = tell
        self._checker = Checker()
        self._batch: list[Customer] = []
        self._faults: list[Fault] = []
        self._read = self._changed = 0

    def take(self, row: Row) -> None:
        """One more row. Raises StorageError."""
        found = self._checker.check(*row)
        if isinstance(found, Fault):
            self._faults.append(found)
            return
        self._batch.append(found)
        if len(self._batch) == BATCH:
            self._save()

    def finish(self) -> ImportReport:
        """Write what is left. Raises StorageError."""
        self._save()
        return ImportReport(self._read, self._changed, tuple(self._faults))

    def _save(self) -> None:
        batch = [(customer, _keys(customer)) for customer in self._batch]
        self._changed += write(self._url, lambda connection: save_customers(connection, batch))
        self._read += len(batch)
        self._batch = []
        self._tell(self._read)


def import_file(url: str, file: Path, tell: Callable[[int], None] = lambda _read: None) -> ImportReport:
    """Bring FILE.csv or FILE.json into the book of this database. Raises StorageError."""
    importing = _Import(url, tell)
    for row in rows_of(file):
        importing.take(row)
    return importing.finish()


async def import_pages(
    url: str, pages: AsyncIterator[Sequence[Row]], tell: Callable[[int], None] = lambda _read: None
) -> ImportReport:
    """Bring rows that come a page at a time into the book of this database. Raises StorageError, and what `pages`
    raises: what came before is in the book then."""
    importing = _Import(url, tell)

    def take(rows: Sequence[Row]) -> None:
        for row in rows:
            importing.take(row)

    async for rows in pages:
        await asyncio.to_thread(take, rows)
    return await asyncio.to_thread(importing.finish)


def seed(url: str) -> None:
    """Give an empty book the article's three customers, so that the sandbox knows who writes."""

    def save(connection: Connection) -> None:
        if is_empty(connection):
            for customer in read_customers(SEED_FILE).customers:
                save_customer(connection, customer, _keys(customer))

    write(url, save)


def _keys(customer: Customer) -> list[str]:
    return [channel_key(channel.type, channel.value) for channel in customer.channels]

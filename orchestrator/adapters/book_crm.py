"""The Crm port over the built-in customer book, in the program's own database."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from orchestrator.addresses import normalise
from orchestrator.errors import CrmUnavailable
from states.customers import Customer
from storage import customers
from storage.errors import StorageError
from storage.readers import Readers

T = TypeVar("T")


class BookCrm:
    """Reads the book through `readers`."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def find_by_address(self, address: str) -> Customer | None:
        """The customer with this address on any channel, whatever its spelling or prefix."""
        return await self._read(lambda conn: customers.find_by_address(conn, normalise(address)))

    async def find(self, customer_id: str) -> Customer | None:
        """The customer with this id."""
        return await self._read(lambda conn: customers.find(conn, customer_id))

    async def customers(self, worker: str, page_size: int, after: str | None, query: str | None) -> Sequence[Customer]:
        """See the port: one page of this worker's customers."""
        return await self._read(lambda conn: customers.page(conn, worker, page_size, after, query))

    async def _read(self, question: Callable[[Connection], T]) -> T:
        try:
            return await self._readers.read(question)
        except StorageError as error:
            raise CrmUnavailable(f"the customer book cannot be read: {error}") from error

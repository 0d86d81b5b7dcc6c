"""The Crm port over Strapi v3, v4 or v5.

An id, or an address where the generation can filter by channel, is asked for by itself. What no filter can tell (v3's
channels, owners, a search) comes from the directory: all customers, read page by page, kept for a minute. It is read
once for all who wait, and goes on being read when they have left, so a long list is there for those who come back.
Links and details are read where the collection has them as JSON fields.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from itertools import count, dropwhile, islice
from types import MappingProxyType
from typing import Any

import aiohttp

from orchestrator.adapters.strapi_client import FilterRefused, StrapiClient
from orchestrator.adapters.strapi_dialects import Progress, channel_filters, customer_of
from orchestrator.addresses import channel_key, normalise
from orchestrator.errors import CrmUnavailable
from states.customers import Customer, folded, is_owner, search_text

KEEP_S = 60.0
Record = dict[str, Any]


class Directory:
    """All customers in Strapi's order, and the ways to find one. Of several with one address the first is meant."""

    def __init__(self) -> None:
        self.by_id: dict[str, Customer] = {}
        self.by_address: dict[str, Customer] = {}
        self._texts: dict[str, str] = {}
        self._is_owned = False

    def add(self, customer: Customer) -> None:
        """Take in one more customer."""
        if customer.customer_id in self.by_id:
            return
        keys = _keys(customer)
        self.by_id[customer.customer_id] = customer
        self._texts[customer.customer_id] = search_text(customer, keys)
        self._is_owned = self._is_owned or customer.worker is not None
        for key in keys:
            self.by_address.setdefault(key, customer)

    def select(self, worker: str, after: str | None, query: str | None) -> Iterator[Customer]:
        """This worker's customers after the one with id `after` whose name or channels contain `query`."""
        ids = iter(self.by_id)
        if after is not None:
            ids = islice(dropwhile(lambda customer_id: customer_id != after, ids), 1, None)
        text = folded(query or "").strip()
        found = (self.by_id[customer_id] for customer_id in ids if text in self._texts[customer_id])
        return (customer for customer in found if not self._is_owned or is_owner(worker, customer.worker))


class StrapiCrm:
    """Strapi's customers. Each call takes `timeout_s` at most; `clock` gives seconds, monotonic.

    `identifier` and `password` log in, unless there is a static API `token`.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        identifier: str | None,
        password: str | None,
        token: str | None,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = StrapiClient(session, url, identifier, password, token, timeout_s, clock)
        self._timeout_s = timeout_s
        self._clock = clock
        self._directory = Directory()
        self._keep_until = clock()
        self._reading: asyncio.Task[Directory] | None = None

    async def find_by_address(self, address: str) -> Customer | None:
        """The customer with this address on any channel, whatever its spelling or prefix."""
        key = normalise(address)
        if not key:
            return None
        async with self._in_time():
            with suppress(FilterRefused):  # the directory knows without a filter
                if (await self._client.dialect()).filters_channels:
                    return await self._first(channel_filters(address), lambda customer: key in _keys(customer))
            return (await self._everyone()).by_address.get(key)

    async def find(self, customer_id: str) -> Customer | None:
        """The customer with this id, compared as text."""
        async with self._in_time():
            query = (await self._client.dialect()).by_id(customer_id)
            with suppress(FilterRefused):  # a text, asked of a column of numbers
                return await self._first([query], lambda customer: customer.customer_id == customer_id)
            return (await self._everyone()).by_id.get(customer_id)

    async def customers(self, worker: str, page_size: int, after: str | None, query: str | None) -> Sequence[Customer]:
        """See the port: one page of this worker's customers."""
        async with self._in_time():
            return list(islice((await self._everyone()).select(worker, after, query), page_size))

    async def close(self) -> None:
        """Stop reading the directory; call it before the session is closed."""
        if self._reading:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    async def _first(self, queries: Iterable[Mapping[str, str]], fits: Callable[[Customer], bool]) -> Customer | None:
        for query in queries:
            async with aclosing(self._customers(query)) as customers:
                async for customer in customers:
                    if fits(customer):
                        return customer
        return None

    async def pages(self, query: Mapping[str, str] = MappingProxyType({})) -> AsyncGenerator[list[Record], None]:
        """Every record the query finds, page by page to the last; a server that repeats a page has no more. Raises
        CrmUnavailable."""
        dialect = await self._client.dialect()
        seen: set[str] = set()
        for pages in count():
            answer = await self._client.read(dialect.next_page(query, Progress(pages, len(seen))))
            records = {repr(record.get("id", record)): record for record in dialect.records(answer)}
            fresh = records.keys() - seen
            yield [record for name, record in records.items() if name in fresh]
            if not fresh or dialect.is_last(answer):
                return
            seen |= fresh

    async def _customers(self, query: Mapping[str, str]) -> AsyncGenerator[Customer, None]:
        async with aclosing(self.pages(query)) as pages:
            async for records in pages:
                for customer in map(customer_of, records):
                    if customer is not None:
                        yield customer

    async def _everyone(self) -> Directory:
        if self._clock() < self._keep_until:
            return self._directory
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_directory())
            self._reading.add_done_callback(self._keep)
        return await asyncio.shield(self._reading)

    async def _read_directory(self) -> Directory:
        directory = Directory()
        async for customer in self._customers({}):
            directory.add(customer)
        return directory

    def _keep(self, reading: asyncio.Task[Directory]) -> None:
        self._reading = None
        if not reading.cancelled() and reading.exception() is None:
            self._directory = reading.result()
            self._keep_until = self._clock() + KEEP_S

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except TimeoutError as error:
            raise CrmUnavailable(f"Strapi did not answer within {self._timeout_s:g} s") from error


def _keys(customer: Customer) -> list[str]:
    return [channel_key(channel.type, channel.value) for channel in customer.channels]

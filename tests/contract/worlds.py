"""A CRM of each kind with nobody in it, and one way to put people there: what the contract of the port is tried on."""

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from orchestrator.adapters.book_crm import BookCrm
from orchestrator.adapters.hubspot_crm import HubSpotCrm
from orchestrator.adapters.salesforce_crm import SalesforceCrm
from orchestrator.adapters.strapi_crm import StrapiCrm
from orchestrator.addresses import channel_key
from orchestrator.ports import Crm
from states.customers import Channel, Customer
from storage.customers import save_customer
from storage.opening import upgrade, write
from storage.readers import Readers
from tests.contract import hubspot, salesforce
from tests.contract.strapi import CREDENTIALS, Strapi

TIMEOUT_S = 5.0
# A real Strapi with nobody in it, which `make strapi` starts, and a token of full access to it.
LIVE_URL, LIVE_TOKEN = os.environ.get("LIVE_STRAPI_URL"), os.environ.get("LIVE_STRAPI_TOKEN", "")


class World(ABC):
    """One CRM. `always_owned`: nobody in it is without an owner. `by_words`: it finds words by how they begin, and not
    by what they contain."""

    always_owned = False
    by_words = False
    crm: Crm

    @abstractmethod
    async def add(self, name: str, sms: str | None = None, email: str | None = None, owner: str | None = None) -> str:
        """One more customer; his id."""

    @abstractmethod
    async def break_down(self) -> None:
        """Let it answer nothing that is of use from now on."""


class Book(World):
    def __init__(self, url: str, readers: Readers) -> None:
        self._url = url
        self._readers = readers
        self._count = 0
        self.crm = BookCrm(readers)

    async def add(self, name: str, sms: str | None = None, email: str | None = None, owner: str | None = None) -> str:
        self._count += 1
        customer = Customer(str(self._count), name, tuple(_channels(sms, email)), worker=owner)
        keys = [channel_key(channel.type, channel.value) for channel in customer.channels]
        await _in_thread(lambda: write(self._url, lambda connection: save_customer(connection, customer, keys)))
        return customer.customer_id

    async def break_down(self) -> None:
        await _in_thread(lambda: write(self._url, lambda conn: conn.exec_driver_sql("DROP TABLE customer_channel")))


class RecordedStrapi(World):
    def __init__(self, strapi: Strapi, crm: StrapiCrm) -> None:
        self._strapi = strapi
        self._strapi.records.clear()
        self.crm = crm

    async def add(self, name: str, sms: str | None = None, email: str | None = None, owner: str | None = None) -> str:
        number = 100 + len(self._strapi.records)
        channels = [{"type": one.type, "value": one.value} for one in _channels(sms, email)]
        self._strapi.add(display_name=name, customer_id=number, channels=channels, worker=owner)
        return str(number)

    async def break_down(self) -> None:
        self._strapi.fault = lambda: web.Response(text="<html>")


class LiveStrapi(World):
    def __init__(self, session: aiohttp.ClientSession, url: str, token: str) -> None:
        self._session = session
        self._customers = f"{url}/api/customers"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._url = url
        self._count = 100
        self.crm = StrapiCrm(session, url, None, None, token, TIMEOUT_S)

    async def clear(self) -> None:
        while records := (await self._ask("GET", f"{self._customers}?pagination[pageSize]=100"))["data"]:
            for record in records:
                await self._ask("DELETE", f"{self._customers}/{record['documentId']}")

    async def add(self, name: str, sms: str | None = None, email: str | None = None, owner: str | None = None) -> str:
        self._count += 1
        channels = [{"type": one.type, "value": one.value} for one in _channels(sms, email)]
        fields = {"display_name": name, "customer_id": self._count, "channels": channels, "worker": owner}
        await self._ask("POST", self._customers, json={"data": fields})
        return str(self._count)

    async def break_down(self) -> None:
        self.crm = StrapiCrm(self._session, self._url, None, None, "no-such-token", TIMEOUT_S)

    async def _ask(self, method: str, url: str, **content: Any) -> Any:
        async with self._session.request(method, url, headers=self._headers, **content) as answer:
            answer.raise_for_status()
            return await answer.json() if answer.content_type == "application/json" else None


class PlayedSalesforce(World):
    always_owned = True

    def __init__(self, server: salesforce.Salesforce, crm: Crm) -> None:
        self.server = server
        self.crm = crm

    async def add(self, name: str, sms: str | None = None, email: str | None = None, owner: str | None = None) -> str:
        return self.server.add(Name=name, MobilePhone=sms, Email=email, owner=owner or "nobody@example.test")

    async def break_down(self) -> None:
        self.server.fault = lambda: web.Response(status=503)


class PlayedHubSpot(World):
    by_words = True

    def __init__(self, server: hubspot.HubSpot, crm: Crm) -> None:
        self.server = server
        self.crm = crm

    async def add(self, name: str, sms: str | None = None, email: str | None = None, owner: str | None = None) -> str:
        first, _, last = name.partition(" ")
        return self.server.add(firstname=first, lastname=last, mobilephone=sms, email=email, owner=owner)

    async def break_down(self) -> None:
        self.server.fault = lambda: web.json_response({"hello": "world"})


KINDS = ("book", "book on PostgreSQL", "strapi v3", "strapi v4", "strapi v5", "salesforce", "hubspot")
LIVE = ("live strapi",) if LIVE_URL else ()


@asynccontextmanager
async def world_of(kind: str, folder: Path, postgres_url: Callable[[], str]) -> AsyncIterator[World]:
    """A CRM of this kind with nobody in it."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        if kind.startswith("book"):
            url = f"sqlite+aiosqlite:///{folder}/hub.db" if kind == "book" else postgres_url()
            await _in_thread(lambda: upgrade(url))
            readers = Readers(url)
            stack.push_async_callback(readers.close)
            yield Book(url, readers)
        elif kind == "live strapi":
            live = LiveStrapi(session, LIVE_URL or "", LIVE_TOKEN)
            await live.clear()
            yield live
        elif kind.startswith("strapi"):
            strapi = Strapi(kind[-2:])
            url = await _served(strapi.handle, stack)
            crm = StrapiCrm(session, url, CREDENTIALS["identifier"], CREDENTIALS["password"], None, TIMEOUT_S)
            stack.push_async_callback(crm.close)
            yield RecordedStrapi(strapi, crm)
        elif kind == "salesforce":
            force = salesforce.Salesforce()
            url = await _served(force.handle, stack)
            yield PlayedSalesforce(
                force,
                SalesforceCrm(session, url, salesforce.CLIENT_ID, salesforce.CLIENT_SECRET, None, TIMEOUT_S),
            )
        else:
            spot = hubspot.HubSpot()
            yield PlayedHubSpot(
                spot, HubSpotCrm(session, hubspot.TOKEN, None, TIMEOUT_S, await _served(spot.handle, stack))
            )


async def _served(handle: Callable[[web.Request], Awaitable[web.StreamResponse]], stack: AsyncExitStack) -> str:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    server = await stack.enter_async_context(TestServer(app))
    return str(server.make_url("")).rstrip("/")


async def _in_thread(work: Callable[[], object]) -> None:
    await asyncio.to_thread(work)


def _channels(sms: str | None, email: str | None) -> list[Channel]:
    return [Channel(kind, value) for kind, value in (("sms", sms), ("email", email)) if value]

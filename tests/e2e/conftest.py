"""A whole house for each test: the sandbox and the service in this process, talking over real sockets."""

import asyncio
import base64
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from chaos.stage import template
from orchestrator.app import build_app
from orchestrator.sandbox import seeds
from orchestrator.sandbox.server import Running
from orchestrator.sandbox.server import start as start_sandbox
from orchestrator.service import SERVICE, Service
from orchestrator.settings import Settings
from storage.engine import is_postgres
from storage.opening import upgrade
from tests.visitors import Visitor, visiting

ARTICLE_FILTERS = ["onConversationAdd", "onMessageAdd", "onParticipantAdded"]
PATIENCE_S = 15.0


def fresh_database(path: Path) -> None:
    """A database that was created now."""
    path.write_bytes(template())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = ? WHERE name = 'created_at'", [str(time.time_ns() // 1_000_000)])


class House:
    """The sandbox, the service, and what a test does with them."""

    def __init__(self, data: Path, session: aiohttp.ClientSession, database_url: str | None = None) -> None:
        self.data = data
        self.database_url = database_url or f"sqlite+aiosqlite:///{data}/hub.db"
        self.session = session
        self.sandbox: Running
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.variables: dict[str, str] = {}
        self._runner: web.AppRunner | None = None
        self.app: web.Application

    @property
    def service(self) -> Service:
        """The running service."""
        return self.app[SERVICE]

    def settings(self) -> Settings:
        """The sandbox's own account, with waiting times short enough for tests."""
        return Settings.load(
            {
                "DATABASE_URL": self.database_url,
                "PUBLIC_URL": self.url,
                "SANDBOX_PORT": self.sandbox.url.rsplit(":", 1)[1],
                "PUBLISH_GRACE_S": "0.3",
                "RETRY_BASE_S": "0.1",
                "RETRY_CAP_S": "1",
                "QUIET_PERIOD_S": "1",
                "DISPATCH_POLL_S": "0.5",
                "RECONCILE_S": "300",
                **self.variables,
            }
        )

    async def start(self, **variables: str) -> None:
        """Start the service; `variables` are settings beside the usual ones."""
        self.variables |= variables
        if not is_postgres(self.database_url) and not (self.data / "hub.db").exists():
            fresh_database(self.data / "hub.db")
        self.app = build_app(self.settings())
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=1.0, handler_cancellation=True)
        await self._runner.setup()
        await web.SockSite(self._runner, self.socket.dup()).start()

    async def stop(self) -> None:
        """Stop the service in order; the port stays ours."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def say(self, sender: str, body: str, **more: Any) -> str:
        """A customer writes; the conversation's SID."""
        answer = await self.post("/sandbox/inbound", {"from": sender, "body": body, **more})
        return str(answer["conversation_sid"])

    async def post(self, path: str, body: object, method: str = "POST") -> Any:
        """Call the sandbox's control API; the answer, which must be a success."""
        async with self.session.request(method, self.sandbox.url + path, json=body) as response:
            assert response.status < 300, (response.status, await response.text())
            return await response.json() if response.content_length else None

    async def worker(self, identity: str, available: bool, **attributes: Any) -> None:
        """Add or change a worker."""
        wanted = {"identity": identity, "available": available}
        await self.post("/sandbox/workers", wanted | ({"attributes": attributes} if attributes else {}))

    async def everyone_away(self) -> None:
        """Make every seeded worker unavailable."""
        for identity, _available in seeds.WORKERS:
            await self.worker(identity, False)

    async def filters(self, names: list[str]) -> None:
        """Choose which webhooks the account sends."""
        form = [("Filters", name) for name in names]
        url = f"{self.sandbox.url}/v1/Configuration/Webhooks"
        credentials = base64.b64encode(f"{seeds.ACCOUNT_SID}:{seeds.AUTH_TOKEN}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}"}
        async with self.session.post(url, data=form, headers=headers) as response:
            assert response.status == 200, await response.text()

    async def record(self, sid: str) -> Any:
        """The conversation as Twilio has it: conversation, participants, messages in published order."""
        async with self.session.get(f"{self.sandbox.url}/sandbox/conversations/{sid}") as response:
            assert response.status == 200
            return await response.json()

    async def said(self, sid: str) -> list[tuple[str, str]]:
        """Author and body of each message, in published order."""
        return [(m["author"], m["body"]) for m in (await self.record(sid))["messages"]]

    async def identities(self, sid: str) -> list[str]:
        """Who is in the conversation with an identity."""
        found = (p["identity"] for p in (await self.record(sid))["participants"])
        return [identity for identity in found if identity]

    async def ledger(self) -> list[Any]:
        """Every REST write and every webhook."""
        async with self.session.get(f"{self.sandbox.url}/sandbox/ledger") as response:
            return list((await response.json())["entries"])

    async def dump(self, sid: str) -> Any:
        """The state dump; an empty one while the conversation is unknown."""
        async with self.session.get(f"{self.url}/debug/conversations/{sid}") as response:
            return await response.json() if response.status == 200 else {"state": None, "history": [], "effects": []}

    async def until(self, what: Callable[[], Awaitable[Any]], seconds: float = PATIENCE_S) -> Any:
        """Ask until the answer is truthy; it. Fails after `seconds`."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            answer = await what()
            if answer:
                return answer
            assert asyncio.get_running_loop().time() < deadline, f"not within {seconds} s: {what}"
            await asyncio.sleep(0.03)

    async def state(self, sid: str, state: str, seconds: float = PATIENCE_S) -> Any:
        """Wait until the conversation is in `state`; its dump."""

        async def reached() -> Any:
            dump = await self.dump(sid)
            return dump if dump["state"] == state else None

        try:
            return await self.until(reached, seconds)
        except AssertionError:
            raise AssertionError(f"never {state}: {await self.dump(sid)}") from None

    async def quiet(self, sid: str, seconds: float = PATIENCE_S) -> Any:
        """Wait until nothing is under way for the conversation; its dump."""

        async def settled() -> Any:
            dump = await self.dump(sid)
            open_ones = [e for e in dump["effects"] if e["status"] in ("pending", "running", "retrying", "ambiguous")]
            return dump if dump["history"] and not open_ones and not dump["undecided"] else None

        return await self.until(settled, seconds)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """DATABASE_URL of a database of the test's own: an SQLite file, or a PostgreSQL where the test asks for one."""
    if getattr(request, "param", "sqlite") == "postgresql":
        found = request.getfixturevalue("postgres").fresh_database(upgrade)
        return str(found)
    return f"sqlite+aiosqlite:///{tmp_path}/hub.db"


# What must hold on either database is asked of both.
BOTH = ("sqlite", "postgresql")
on_both = pytest.mark.parametrize("database_url", BOTH, indirect=True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A module that has DATABASES runs all its tests of a house on each."""
    databases = getattr(metafunc.module, "DATABASES", None)
    if databases and "database_url" in metafunc.fixturenames:
        metafunc.parametrize("database_url", databases, indirect=True)


@pytest.fixture
async def bare_house(tmp_path: Path, database_url: str) -> AsyncIterator[House]:
    """A house whose service is not started yet."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        house = House(tmp_path, session, database_url)
        stack.callback(house.socket.close)
        house.sandbox = await start_sandbox("127.0.0.1", 0, house.url)
        stack.push_async_callback(house.sandbox.stop)
        stack.push_async_callback(house.stop)
        yield house


@pytest.fixture
async def house(bare_house: House) -> House:
    """A house with everything running."""
    await bare_house.start()
    return bare_house


@pytest.fixture
async def people(house: House) -> AsyncIterator[dict[str, Visitor]]:
    """One of each role, signed in, by login."""
    async with AsyncExitStack() as stack:
        found = {}
        for who in ("grace", "supervisor", "developer", "admin"):
            login = f"{who}@example.test"
            found[login] = await stack.enter_async_context(visiting(house.url))
            assert (await found[login].tap(login)).status == 303
        yield found


@pytest.fixture
def boss(people: dict[str, Visitor]) -> Visitor:
    """A supervisor, signed in."""
    return people["supervisor@example.test"]


@pytest.fixture
async def visitor(house: House) -> AsyncIterator[Visitor]:
    """Somebody who has not signed in."""
    async with visiting(house.url) as visitor:
        yield visitor


@pytest.fixture
async def real_house(bare_house: House) -> House:
    """A house with an account of its own instead of the sandbox's, so that nobody is offered."""
    account = {"TWILIO_ACCOUNT_SID": seeds.ACCOUNT_SID, "TWILIO_AUTH_TOKEN": seeds.AUTH_TOKEN}
    await bare_house.start(TWILIO_API_URL=bare_house.sandbox.url, **account)
    return bare_house


@pytest.fixture
async def grace(house: House) -> AsyncIterator[Visitor]:
    """Grace, signed in."""
    async with visiting(house.url) as visitor:
        await visitor.tap("grace@example.test")
        yield visitor


@pytest.fixture
async def ada(house: House) -> AsyncIterator[Visitor]:
    """Ada, signed in."""
    async with visiting(house.url) as visitor:
        await visitor.tap("ada@example.test")
        yield visitor

"""A whole house in this process: a sandbox that fails when told to, and the service, talking over real sockets."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
from aiohttp import web

from chaos import transcripts
from orchestrator.app import build_app
from orchestrator.running import any_port
from orchestrator.sandbox.faults import Faults
from orchestrator.sandbox.records import Conversation
from orchestrator.sandbox.server import Running
from orchestrator.sandbox.server import start as start_sandbox
from orchestrator.service import SERVICE, Service
from orchestrator.settings import Settings
from storage.opening import reading

ASK_EVERY_S = 0.1
# The waiting times of a deployment, in seconds.
WAITS = {
    "PUBLISH_GRACE_S": 1.0,
    "RETRY_BASE_S": 1.0,
    "RETRY_CAP_S": 60.0,
    "QUIET_PERIOD_S": 20.0,
    "DISPATCH_POLL_S": 2.0,
    "RECONCILE_S": 300.0,
}


def waits(factor: float) -> dict[str, str]:
    """Settings with all waiting times `factor` of what they are in a deployment."""
    return {name: f"{seconds * factor:g}" for name, seconds in WAITS.items()}


class CountedFaults(Faults):
    """Faults that count the calls that met them, reads too, which no ledger has."""

    calls = 0

    def error_before(self) -> int | None:
        """Count the call; see `Faults`."""
        self.calls += 1
        return super().error_before()


class House:
    """The sandbox and the service, and what is done with them. `url`: where the service listens."""

    def __init__(self, sandbox: Running, session: aiohttp.ClientSession, url: str, settings: Settings) -> None:
        self.sandbox = sandbox.sandbox
        self.url = url
        self.settings = settings
        self.service: Service
        self.faults = self.fail()
        self._sandbox_url = sandbox.url
        self._session = session

    @property
    def conversations(self) -> Sequence[Conversation]:
        """The conversations as the sandbox has them."""
        return list(self.sandbox.world.conversations.values())

    def fail(self, **faults: Any) -> CountedFaults:
        """Put these faults in force, in place of all others; they count the calls from now on."""
        self.faults = CountedFaults(**faults)
        self.sandbox.set_faults(self.faults)
        return self.faults

    async def say(self, sender: str, body: str) -> str:
        """A customer writes; the conversation's SID."""
        async with self._session.post(
            f"{self._sandbox_url}/sandbox/inbound", json={"from": sender, "body": body}
        ) as answer:
            assert answer.status == 201, await answer.text()
            return str((await answer.json())["conversation_sid"])

    async def replied(self, sid: str, words: str, within_s: float) -> bool:
        """Wait until the program has said something with these words in it, for so long at most; whether it has."""
        messages = self.sandbox.world.conversations[sid].messages
        with self.sandbox.world.changes.watched() as watch, suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not any(m.author == "system" and words in (m.body or "") for m in messages.values()):
                    await watch.get()
                return True
        return False

    async def rest(self, within_s: float = 120.0) -> float:
        """Wait until nothing is under way; how many seconds that took. Stops waiting after `within_s`: what is still
        open then is found by `violations`."""
        began = time.monotonic()
        await self.sandbox.webhooks.settled()
        for _ in range(round(within_s / ASK_EVERY_S)):
            if not self._is_restless():
                break
            await asyncio.sleep(ASK_EVERY_S)
        return time.monotonic() - began

    def _is_restless(self) -> bool:
        with reading(self.settings.database_url) as connection:
            return transcripts.is_restless(connection, self.conversations)

    def violations(self) -> list[str]:
        """Every promise that does not hold, once everything has come to rest."""
        ledger = [entry.json() for entry in self.sandbox.ledger.since(0)]
        with reading(self.settings.database_url) as connection:
            return transcripts.violations(connection, self.conversations, ledger)


@asynccontextmanager
async def house(**variables: str) -> AsyncIterator[House]:
    """A house with everything running, over a database of its own. `variables`: settings."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        port = any_port(0)
        url = f"http://127.0.0.1:{port}"
        sandbox = await start_sandbox("127.0.0.1", 0, url)
        stack.push_async_callback(sandbox.stop)
        found = {
            "DATABASE_URL": f"sqlite+aiosqlite:///{folder}/hub.db",
            "PUBLIC_URL": url,
            "SANDBOX_PORT": sandbox.url.rpartition(":")[2],
            **variables,
        }
        it = House(sandbox, session, url, Settings.load(found))
        app = build_app(it.settings)
        await stack.enter_async_context(serving(app, port))
        it.service = app[SERVICE]
        yield it


@asynccontextmanager
async def serving(app: web.Application, port: int) -> AsyncIterator[None]:
    """The application, listening on the loopback address."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield
    finally:
        await runner.cleanup()


async def talk(it: House, people: int, texts: Sequence[str], over_s: float, dice: random.Random) -> None:
    """Let that many customers write these texts, one after another, each at moments of his own within `over_s`."""

    async def write(sender: str, moments: Iterator[float]) -> None:
        began = time.monotonic()
        for text, moment in zip(texts, moments, strict=True):
            await asyncio.sleep(max(0.0, began + moment - time.monotonic()))
            await it.say(sender, text)

    await asyncio.gather(
        *(
            write(f"+1555{number:07d}", iter(sorted(dice.uniform(0, over_s) for _ in texts)))
            for number in range(1, people + 1)
        )
    )

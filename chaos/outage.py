"""Twilio's API is out for an hour while customers go on writing: what waits is sent in order, and costs no memory."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp

from chaos import transcripts
from chaos.frame import Figure, Scale
from chaos.lives import Lives
from orchestrator.running import any_port
from orchestrator.sandbox.faults import Faults
from orchestrator.sandbox.sandbox import Sandbox
from orchestrator.sandbox.server import start as start_sandbox
from storage.opening import reading

OUTAGE_S, ARRIVALS = 3_600, 20.0
FASTER = 3.0
# Two for the text, one for its answer's delivery, and now and then those of a new conversation.
WEBHOOKS_A_TEXT = 2.5
TEXTS_A_CUSTOMER = 6
DRAIN_TIMES, GROWTH_MB = 3.0, 20.0
GIVE_UP_S = 3_600.0


async def outage(scale: Scale) -> Figure:
    """An hour without Twilio's API at 20 webhooks a second, told three times as fast."""
    webhooks = scale.of(round(OUTAGE_S * ARRIVALS), at_least=200)
    async with _town(scale.seed) as town:
        texts = round(webhooks / WEBHOOKS_A_TEXT)
        await town.write(texts // 10, ARRIVALS)
        await town.rest()
        before_mb = town.peak_mb = town.memory_mb()
        town.sandbox.set_faults(Faults(errors={503: 1.0}))
        began, told = time.monotonic(), town.webhooks()
        await town.write(texts, FASTER * ARRIVALS)
        lasted_s, arrived = time.monotonic() - began, town.webhooks() - told
        town.sandbox.set_faults(Faults())
        drained_s = await town.rest()
        found = town.violations()
        rate, grown_mb = arrived / drained_s, town.peak_mb - before_mb
        if rate < DRAIN_TIMES * ARRIVALS:
            found.append(f"drained {rate:.0f} webhooks a second, {DRAIN_TIMES * ARRIVALS:.0f} were promised")
        if grown_mb > GROWTH_MB:
            found.append(f"the service grew by {grown_mb:.1f} MB")
        return Figure(
            fault="Twilio's API answers 503 to everything while webhooks keep arriving",
            did=f"{arrived} webhooks in {lasted_s:.0f} s ({arrived / lasted_s:.0f}/s), drained in order in "
            f"{drained_s:.1f} s ({rate:.0f}/s, {rate / ARRIVALS:.1f} times the arrival rate of {ARRIVALS:.0f}/s)",
            violations=found,
            notes=[
                f"the service's memory: {before_mb:.1f} MB before, at most {town.peak_mb:.1f} MB until drained",
                f"the webhooks of {arrived / ARRIVALS:.0f} s, told in {lasted_s:.0f} s; waiting times as deployed",
            ],
        )


class _Town:
    """Customers who write through the sandbox in this process, and the service in a process of its own."""

    def __init__(self, sandbox: Sandbox, sandbox_url: str, session: aiohttp.ClientSession, database: str) -> None:
        self.sandbox = sandbox
        self.peak_mb = 0.0
        self.pid = 0
        self.dice = random.Random()
        self._sandbox_url = sandbox_url
        self._session = session
        self._database = database
        self._ledger: list[dict[str, Any]] = []

    async def write(self, texts: int, webhooks_s: float) -> None:
        """Customers write so many texts, evenly, so that so many webhooks arrive a second."""
        senders, began = self._senders(texts), time.monotonic()
        writing = set()
        for number in range(texts):
            await asyncio.sleep(max(0.0, began + number * WEBHOOKS_A_TEXT / webhooks_s - time.monotonic()))
            writing.add(asyncio.create_task(self._say(next(senders))))
            self._watch(number)
        await asyncio.gather(*writing)

    def _senders(self, texts: int) -> Iterator[str]:
        people = [f"+1555{self.dice.randrange(10**7):07d}" for _ in range(1 + texts // TEXTS_A_CUSTOMER)]
        return cycle(people)

    async def _say(self, sender: str) -> None:
        async with self._session.post(
            f"{self._sandbox_url}/sandbox/inbound", json={"from": sender, "body": "Hello"}
        ) as answer:
            assert answer.status == 201, await answer.text()

    async def rest(self) -> float:
        """Wait until nothing is under way; how many seconds that took."""
        began = time.monotonic()
        await self.sandbox.webhooks.settled()
        for number in range(round(GIVE_UP_S / 0.2)):
            if not self._is_restless():
                break
            self._watch(number)
            await asyncio.sleep(0.2)
        return time.monotonic() - began

    def _is_restless(self) -> bool:
        with reading(self._database) as connection:
            return transcripts.is_restless(connection, self.sandbox.world.conversations.values())

    def _watch(self, number: int) -> None:
        """Note the memory, and copy the ledger, which forgets, once in a while."""
        if number % 50 == 0:
            self.peak_mb = max(self.peak_mb, self.memory_mb())
            self._copy_ledger()

    def _copy_ledger(self) -> list[dict[str, Any]]:
        last = self._ledger[-1]["seq"] if self._ledger else 0
        self._ledger += [entry.json() for entry in self.sandbox.ledger.since(last)]
        return self._ledger

    def webhooks(self) -> int:
        """How many webhooks were sent."""
        return sum(entry["kind"] == "webhook" for entry in self._copy_ledger())

    def memory_mb(self) -> float:
        """The service's resident memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def violations(self) -> list[str]:
        """Every promise that does not hold, once everything has come to rest."""
        with reading(self._database) as connection:
            return transcripts.violations(connection, self.sandbox.world.conversations.values(), self._copy_ledger())


@asynccontextmanager
async def _town(seed: int) -> AsyncIterator[_Town]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        port = any_port(0)
        url, database = f"http://127.0.0.1:{port}", f"sqlite+aiosqlite:///{folder}/hub.db"
        running = await start_sandbox("127.0.0.1", 0, url)
        stack.push_async_callback(running.stop)
        variables = {
            "PORT": str(port),
            "DATABASE_URL": database,
            "SANDBOX_PORT": running.url.rpartition(":")[2],
            "LOG_LEVEL": "critical",
        }
        lives = await stack.enter_async_context(Lives(variables, folder / "log", url))
        life = await lives.begin(fresh=True)
        await life.ready()
        town = _Town(running.sandbox, running.url, session, database)
        town.pid, town.dice = life.pid, random.Random(seed)
        yield town

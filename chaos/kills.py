"""Kill -9 at random points: customers text in a steady stream while the service dies again and again.

Twilio is the sandbox, in this process, with faults of its own; the service is a process that lives for some tenths of
a second. A webhook that meets nobody is lost, as it would be; what it told must be found by looking.
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
from sqlalchemy import func, select

from chaos import transcripts
from chaos.customers import Customers
from chaos.frame import Figure, Scale
from chaos.lives import Life, Lives
from orchestrator.running import any_port
from orchestrator.sandbox.faults import Faults
from orchestrator.sandbox.sandbox import Sandbox
from orchestrator.sandbox.server import start as start_sandbox
from storage.opening import reading, upgrade
from storage.schema import history

HASTE = {
    "PUBLISH_GRACE_S": "0.3",
    "RETRY_BASE_S": "0.1",
    "RETRY_CAP_S": "0.5",
    "QUIET_PERIOD_S": "1",
    "DISPATCH_POLL_S": "0.3",
    "RECONCILE_S": "2",
}
FAULTS = {"webhook_duplicate": 0.3, "webhook_delay_ms": [0, 1200], "cut_after_commit": 0.05}
LIFE_S = 0.6
# Of the lives: cut off while they start; begun by a fresh interpreter, as an operator begins them.
STILLBORN, FRESH = 0.2, 0.05
# A customer's text is told in five webhooks or so: before, after, our answer's two receipts, the first one's others.
WEBHOOKS_A_TEXT = 5
STAYS_S, DEPARTURES = 5.0, 0.3
WANTED_READY_S = 2.0


async def kill_nine(scale: Scale) -> Figure:
    """1,000 kills at random points while 10,000 webhooks pass."""
    kills, texts = scale.of(1_000, 10), scale.of(10_000, 100) // WEBHOOKS_A_TEXT
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        port = any_port(0)
        service_url = f"http://127.0.0.1:{port}"
        running = await start_sandbox("127.0.0.1", 0, service_url)
        stack.push_async_callback(running.stop)
        running.sandbox.set_faults(Faults.read({"seed": scale.seed, **FAULTS}))
        database = f"sqlite+aiosqlite:///{folder}/hub.db"
        await asyncio.to_thread(upgrade, database)
        sandbox_port = running.url.rpartition(":")[2]
        variables = HASTE | {"PORT": str(port), "SANDBOX_PORT": sandbox_port, "DATABASE_URL": database}
        lives = await stack.enter_async_context(Lives(variables, folder / "service.log", service_url))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        story = _Story(lives, running.sandbox, Customers(session, running.url, texts, scale.seed), database, scale.seed)
        return await story.told(kills)


class _Story:
    """The kills, the rest after them, and what came of it."""

    def __init__(self, lives: Lives, sandbox: Sandbox, customers: Customers, database: str, seed: int) -> None:
        self._lives = lives
        self._sandbox = sandbox
        self._customers = customers
        self._database = database
        self._chance = random.Random(f"{seed}/kills")
        self._forked: list[float] = []
        self._executed: list[float] = []

    async def told(self, kills: int) -> Figure:
        """Everything, from the first life to the verdict."""
        writing: list[asyncio.Task[None]] = []
        stillborn = 0
        for n in range(kills):
            writing += self._customers.write(1 / (kills - n), LIFE_S)
            if self._chance.random() < DEPARTURES:
                writing += self._customers.departures(self._sandbox, STAYS_S, self._joined())
            stillborn += await self._one_life()
        await asyncio.gather(*writing)
        last = await self._lives.begin()
        await last.ready()
        settled_s = await self._settle(last)
        code = await last.end(15)
        found = [] if code == 0 else [f"SIGTERM ended it with {code}"]
        return self._figure(kills, stillborn, settled_s, found + self._customers.refused)

    async def _one_life(self) -> bool:
        """Born, and killed at some point; whether that was before it was ready."""
        fresh = self._chance.random() < FRESH
        life = await self._lives.begin(fresh=fresh)
        if self._chance.random() < STILLBORN:
            await asyncio.sleep(self._chance.uniform(0, 2.0 if fresh else LIFE_S / 2))
            await life.end()
            return True
        (self._executed if fresh else self._forked).append(await life.ready())
        await asyncio.sleep(self._chance.uniform(0, LIFE_S))
        await life.end()
        return False

    async def _settle(self, last: Life) -> float:
        """Wait until nothing is under way and everything written was heard, or until it is clear that it never will
        be; seconds."""
        began = time.monotonic()
        patience_s = 60 + len(self._sandbox.world.conversations) / 2
        await self._sandbox.webhooks.settled()
        while time.monotonic() - began < patience_s:
            if not self._restless():
                break
            await asyncio.sleep(0.5)
        await last.ready()
        return time.monotonic() - began

    def _joined(self) -> set[str]:
        with reading(self._database) as connection:
            return transcripts.joined(connection)

    def _restless(self) -> bool:
        with reading(self._database) as connection:
            return transcripts.is_restless(connection, self._world())

    def _world(self) -> list[Any]:
        return list(self._sandbox.world.conversations.values())

    def _figure(self, kills: int, stillborn: int, settled_s: float, found: list[str]) -> Figure:
        ledger = [entry.json() for entry in self._sandbox.ledger.since(0)]
        with reading(self._database) as connection:
            found += transcripts.violations(connection, self._world(), ledger)
            rows = connection.execute(select(func.count()).select_from(history)).scalar_one()
        hooks = [entry for entry in ledger if entry["kind"] == "webhook"]
        lost = sum(entry["status"] == 0 for entry in hooks)
        cut = sum(entry["note"] == "cut after the commit" for entry in ledger)
        late = [seconds for seconds in self._forked if seconds > WANTED_READY_S]
        found += [f"ready only after {seconds:.1f} s" for seconds in late]
        return Figure(
            fault=f"{kills} kill -9 while {len(hooks)} webhooks pass",
            did=f"{len(transcripts.written(self._world()))} texts in {len(self._world())} conversations, {rows}"
            f" transitions; {stillborn} kills before ready, {lost} webhooks met nobody, {cut} answers cut after the"
            f" commit, {_overtaken(hooks):.0%} reordered",
            violations=found,
            notes=[
                f"ready again: forked {_times(self._forked)}; fresh interpreter {_times(self._executed)}",
                f"at rest {settled_s:.0f} s after the last kill",
                "shortened: " + ", ".join(f"{name}={value}" for name, value in HASTE.items()),
            ],
        )


def _times(seconds: Sequence[float]) -> str:
    if not seconds:
        return "none"
    return f"{len(seconds)} times, median {median(seconds):.2f} s, worst {max(seconds):.2f} s"


def _overtaken(hooks: Iterable[dict[str, Any]]) -> float:
    """The share of facts that were told after a later one of their conversation."""
    highest: dict[str, int] = defaultdict(lambda: -3)
    told = late = 0
    seen: set[str] = set()
    for form in (entry["form"] for entry in hooks):
        fixed = {"onConversationAdded": -2, "onParticipantAdded": -1, "onMessageAdded": int(form.get("Index", 0))}
        name = f"{form.get('EventType')}/{form.get('ConversationSid')}/{form.get('Index')}"
        if form.get("EventType") in fixed and name not in seen:
            seen.add(name)
            place = fixed[form["EventType"]]
            told, late = told + 1, late + (place < highest[form["ConversationSid"]])
            highest[form["ConversationSid"]] = max(place, highest[form["ConversationSid"]])
    return late / max(1, told)

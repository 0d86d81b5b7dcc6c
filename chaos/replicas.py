"""Several replicas over one PostgreSQL: killed, frozen, cut off from their database, told everything at the same time.

Customers go on writing through a load balancer whatever happens, and workers come and go. In the end the checker is
asked, and every replica told to stop in order.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from chaos.customers import Customers
from chaos.deliveries import counted, told, untold
from chaos.fleet import HASTE, LEASE_S, REPLICAS, Fleet, fleet
from chaos.frame import Figure, Scale
from chaos.postgres import Postgres, throwaway
from chaos.traps import Trap
from orchestrator.sandbox import acts

FAULTS = {"webhook_duplicate": 0.2, "webhook_delay_ms": [0, 600], "cut_after_commit": 0.05}
KILLS, FREEZES, STOPS, DOUBLED, CUSTOMERS = 200, 100, 50, 3_000, 600
TEXTS_A_SECOND = 8
STAYS_S, DEPARTURES = 2.0, 0.5
BETWEEN_KILLS_S, BETWEEN_FREEZES_S, BETWEEN_STOPS_S, DOWN_S = 1.2, 0.6, 1.6, 1.0
FREEZE_S = (1.1 * LEASE_S, 2 * LEASE_S)
AT_A_CALL = Trap("call.before", "freeze", os.devnull, kind="send_message")
WEBHOOKS_A_TEXT = 3.5
WRITERS = 12
TEXTS = ("Hello", "What is this?", "I see", "Thanks", "AGENT", "grace@example.test")
# Those who are available from the start and those who come to help.
WORKERS = 7
AT_ONCE = 60


@dataclass(slots=True)
class Trouble:
    """A fleet, its customers, and dice for what is done to it."""

    fleet: Fleet
    postgres: Postgres
    customers: Customers
    chance: random.Random
    _writing: list["asyncio.Task[None]"] = field(default_factory=list)

    async def go_on(self, share_of: int, seconds: float) -> None:
        """Let customers write, and workers leave, within the next seconds: one part of so many that are left."""
        self._writing += self.customers.write(1 / share_of, seconds)
        if self.chance.random() < DEPARTURES:
            self._writing += self.customers.departures(self.fleet.sandbox, STAYS_S, await self.fleet.joined())

    def any(self) -> int:
        """Some replica."""
        return self.chance.randrange(self.fleet.size)

    async def figure(self, fault: str, did: str) -> Figure:
        """What came of it, once everything has come to rest and every replica has ended in order."""
        await asyncio.gather(*self._writing)
        await self.fleet.ready()
        settled_s = await self.fleet.rest()
        ended = await self.fleet.end()
        found = ended + self.customers.refused + await self.fleet.violations()
        made = await self.fleet.triggers()
        return Figure(
            fault=fault,
            did=f"{did}; {made['message_received']} texts in {len(self.fleet.world)} conversations, {made.total()}"
            f" transitions; webhooks: {self.fleet.told()}",
            violations=found,
            notes=[
                *_times(self.fleet.ready_s),
                f"at rest {settled_s:.1f} s after the last of it",
                self.fleet.complaints(),
                _shortened(),
            ],
        )


def _shortened() -> str:
    return f"shortened, so that a lease is {LEASE_S:g} s: " + ", ".join(f"{k}={v}" for k, v in HASTE.items())


@asynccontextmanager
async def trouble(scale: Scale, seconds: float, trap: Trap | None = None) -> AsyncIterator[Trouble]:
    """A fleet over a PostgreSQL of its own, with customers who have enough to say for so many seconds."""
    async with AsyncExitStack() as stack:
        postgres = stack.enter_context(throwaway())
        faults = {"seed": scale.seed, **FAULTS}
        it = await stack.enter_async_context(fleet(postgres.fresh_database(), faults=faults, trap=trap))
        customers = Customers(it.session, it.sandbox_url, round(seconds * TEXTS_A_SECOND), scale.seed)
        yield Trouble(it, postgres, customers, random.Random(f"{scale.seed}/trouble"))


async def replica_kills(scale: Scale) -> Figure:
    """200 kill -9 of random replicas at random moments; each is started again at once."""
    kills = scale.of(KILLS, 6)
    async with trouble(scale, kills * BETWEEN_KILLS_S / 2) as it:
        for n in range(kills):
            pause_s = it.chance.uniform(0, BETWEEN_KILLS_S)
            await it.go_on(kills - n, pause_s)
            await asyncio.sleep(pause_s)
            await it.fleet.kill(it.any())
        return await it.figure(f"kill -9 of one of {REPLICAS} replicas", f"{kills} kills")


def _times(seconds: Sequence[float]) -> Iterator[str]:
    if seconds:
        yield f"ready again: {len(seconds)} times, median {median(seconds):.2f} s, worst {max(seconds):.2f} s"


async def replica_freezes(scale: Scale) -> Figure:
    """100 freezes of random replicas, each longer than a lease; every second one just before a message is sent, where
    who goes on when he thaws sends what another one has sent meanwhile."""
    freezes = scale.of(FREEZES, 3)
    async with trouble(scale, freezes * (sum(FREEZE_S) / 2 + BETWEEN_FREEZES_S / 2), AT_A_CALL) as it:
        # One that is frozen in the midst of a transaction holds what it has locked.
        it.fleet.may_be_unavailable = True
        for n in range(freezes):
            frozen_s, pause_s = it.chance.uniform(*FREEZE_S), it.chance.uniform(0, BETWEEN_FREEZES_S)
            await it.go_on(freezes - n, frozen_s + pause_s)
            await asyncio.sleep(pause_s)
            await it.fleet.freeze(it.any(), frozen_s)
        low, high = FREEZE_S
        return await it.figure(
            f"SIGSTOP of one of {REPLICAS} replicas for {low:.2g} to {high:.2g} s, then SIGCONT",
            f"{freezes} freezes, {it.fleet.caught} just before a message was sent",
        )


async def postgres_stops(scale: Scale) -> Figure:
    """50 immediate stops of PostgreSQL under load; it is started again after at most a second."""
    stops = scale.of(STOPS, 3)
    async with trouble(scale, stops * (BETWEEN_STOPS_S + DOWN_S) / 2) as it:
        it.fleet.may_be_unavailable = True
        for n in range(stops):
            pause_s, down_s = it.chance.uniform(0, BETWEEN_STOPS_S), it.chance.uniform(0, DOWN_S)
            await it.go_on(stops - n, pause_s + down_s)
            await asyncio.sleep(pause_s)
            await asyncio.to_thread(it.postgres.stop_immediately)
            await asyncio.sleep(down_s)
            it.postgres.launch()
            await asyncio.to_thread(it.postgres.wait)
        return await it.figure(f"immediate stops of PostgreSQL under {REPLICAS} replicas", f"{stops} stops")


async def replica_deliveries(scale: Scale) -> Figure:
    """3,000 webhooks, each delivered to two or three replicas at the same instant."""
    chance = random.Random(f"{scale.seed}/copies")
    async with _fleet(lambda: chance.randint(2, REPLICAS)) as it:
        customers = Customers(it.session, it.sandbox_url, 0, scale.seed)
        await _talk(it, customers, round(scale.of(DOUBLED, 80) / WEBHOOKS_A_TEXT), random.Random(f"{scale.seed}/texts"))
        await _say_goodbye(it)
        settled_s = await it.rest()
        ended = await it.end()
        facts = told(it.world, it.sandbox)
        return Figure(
            fault=f"{it.balancer.webhooks} webhooks delivered to 2 or 3 replicas at the same instant",
            did=f"{it.balancer.answers.total()} deliveries of {facts.total()} facts; {counted(facts)};"
            f" copies: {it.told()}",
            violations=ended
            + customers.refused
            + await it.violations()
            + untold(facts, await it.triggers())
            + [f"{n} copies were {how}" for how, n in it.balancer.failed.items() if how != "stalled"],
            notes=[f"at rest {settled_s:.1f} s after the last of it", it.complaints(), _shortened()],
        )


async def replica_routing(scale: Scale) -> Figure:
    """600 customers, sixty at a time, ask for anybody through all replicas at once."""
    wanted = scale.of(CUSTOMERS, AT_ONCE // 3)
    async with _fleet() as it:
        await _help(it)
        customers = Customers(it.session, it.sandbox_url, 0, scale.seed)
        senders = iter([f"+1555{n:07d}" for n in range(1, wanted + 1)])
        while wave := [sender for _, sender in zip(range(AT_ONCE), senders, strict=False)]:
            await asyncio.gather(*(customers.say(sender, "AGENT") for sender in wave))
            await it.rest()
        ended, made = await it.end(), await it.triggers()
        found = ended + customers.refused + await it.violations()
        if made["worker_found"] != wanted or made["worker_joined"] != wanted:
            found.append(f"{wanted} customers, {made['worker_found']} assignments, {made['worker_joined']} joined")
        return Figure(
            fault=f"{min(AT_ONCE, wanted)} customers at once ask for anybody, through {REPLICAS} replicas",
            did=f"{wanted} customers, {made['worker_found']} assignments of {WORKERS} workers; webhooks: {it.told()}",
            violations=found,
            notes=[it.complaints(), _shortened()],
        )


@asynccontextmanager
async def _fleet(copies: Callable[[], int] = lambda: 1) -> AsyncIterator[Fleet]:
    """A fleet over a PostgreSQL of its own, with nothing done to it."""
    with throwaway() as postgres:
        async with fleet(postgres.fresh_database(), copies=copies) as it:
            yield it


async def _help(it: Fleet) -> None:
    """More workers become available."""
    here = sum(worker.activity.available for worker in it.sandbox.world.workforce.workers.values())
    for number in range(WORKERS - here):
        worker: dict[str, Any] = {"identity": f"helper{number}@example.test", "available": True}
        async with it.session.post(f"{it.sandbox_url}/sandbox/workers", json=worker) as answer:
            assert answer.status == 201, await answer.text()


async def _talk(it: Fleet, customers: Customers, texts: int, chance: random.Random) -> None:
    """Let `texts` messages be written, some at a time, and wait for the answers."""
    people = [f"+1555{n:07d}" for n in range(1, 2 + texts // len(TEXTS))]
    letters = iter([(chance.choice(people), chance.choice(TEXTS)) for _ in range(texts)])

    async def write() -> None:
        for sender, body in letters:
            await customers.say(sender, body)

    await asyncio.gather(*(write() for _ in range(WRITERS)))
    await it.rest()


async def _say_goodbye(it: Fleet) -> None:
    """Every worker leaves, and every other conversation is closed."""
    for n, conversation in enumerate(it.world):
        for identity in [who.identity for who in conversation.participants.values() if who.identity]:
            await acts.leave(it.sandbox, conversation, identity)
        if n % 2:
            acts.close(it.sandbox, conversation)

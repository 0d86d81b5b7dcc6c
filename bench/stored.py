"""What a thousand and a million stored conversations cost."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import filling
from bench.figures import Figure, Found, progress
from bench.letters import Letters
from bench.load import open_loop
from bench.pressing import Plan, Press, quiet_service
from bench.processes import Server

FEW = 1_000
# An even load that has everything loaded and leaves the number of conversations what it is called.
SERVED, SERVED_PER_S = 1_000, 500.0
# Far from the numbers of the conversations that are told of later.
TEMPLATE = 10**9


async def measure(plan: Plan) -> Found:
    """Rounds of both in turn: their throughput as a ratio, their memory before and after each, and what the disk
    holds."""
    rates, few_mb, many_mb = [], [], []
    async with _filled(FEW) as (few, _), _filled(plan.many) as (many, disk):
        on_few, on_many = Press([few], Letters(few.url)), Press([many], Letters(many.url))
        served_mb = [await _served_mb(few, on_few.letters), await _served_mb(many, on_many.letters)]
        await on_few.warm_up()
        await on_many.warm_up()
        for number in range(plan.rounds):
            low, high = await on_few(plan.seconds), await on_many(plan.seconds)
            progress(f"round {number + 1}: {high.told()} with {plan.many:,} against {low.told()} with {FEW:,}")
            rates.append(high.outcome.per_second / low.outcome.per_second)
            few_mb.append(few.memory_mb())
            many_mb.append(many.memory_mb())
    return Found(
        [
            Figure(f"{plan.many:,} stored conversations against {FEW:,}: requests/s", rates, "0.85", "0.95"),
            Figure(f"memory at {FEW:,} conversations", served_mb[:1], "90", "70", "MB"),
            Figure(f"memory at {plan.many:,} conversations", served_mb[1:], "130", "100", "MB"),
            Figure("the first after each round, of ten thousand conversations more", few_mb, "", "", "MB"),
            Figure("the second after each round", many_mb, "", "", "MB"),
            Figure("disk, all told, per conversation of one event", [disk / plan.many], "900", "600", "B"),
        ],
        [f"Memory: resident; first after {SERVED:,} webhooks at {SERVED_PER_S:.0f}/s, then after each round's load."],
    )


async def _served_mb(server: Server, letters: Letters) -> float:
    """The memory of a server that has served an even load, and so has loaded all that it loads for webhooks."""
    await open_loop(server.url, letters.prepared(SERVED), SERVED_PER_S)
    return server.memory_mb()


@asynccontextmanager
async def _filled(conversations: int) -> AsyncIterator[tuple[Server, int]]:
    """The service on a database with so many conversations in it, and how many bytes that took on the disk."""
    with TemporaryDirectory(prefix="bench-") as folder:
        database = Path(folder, "hub.db")
        async with quiet_service(database) as hub:
            await open_loop(hub.url, Letters(hub.url, TEMPLATE).prepared(1), 1)
        began = time.monotonic()
        filling.fill(database, conversations, lambda done: progress(f"{done:,} of {conversations:,} stored"))
        progress(f"{conversations:,} conversations stored in {time.monotonic() - began:.0f} s")
        disk = filling.size_bytes(database)
        async with quiet_service(database) as hub:
            yield hub, disk

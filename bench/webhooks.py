"""A durable webhook against the bare handler: throughput, CPU, and waiting under an even load."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from tempfile import TemporaryFile
from typing import NamedTuple

from bench.callers import even_load
from bench.figures import Figure, Found, progress
from bench.letters import Letters
from bench.load import Outcome, open_loop
from bench.pressing import Plan, Press, quiet_service
from bench.processes import Server, bare

OPEN_PER_S = 500.0
# What the WAL grows by with one webhook's commit: a page of each table and index that it touches.
COMMIT_BYTES = 11 * 4096

Load = Callable[[str, Sequence[bytes], float], Awaitable[Outcome]]


class _Round(NamedTuple):
    """The service against the floor in one round, as ratios: requests a second, CPU, how long answers take at an even
    load as the two drivers see it; and what the first two are made of, in words."""

    rate: float
    cost: float
    wait: float
    seen: float
    told: str


async def measure(plan: Plan) -> Found:
    """Rounds of the floor and of the service in turn, each figure a ratio within its round. The service begins each
    with a new database: a silent Twilio leaves every effect open, and so many as all rounds together would bring about
    are open nowhere. What many stored conversations cost is `bench.stored`'s matter."""
    rounds = []
    async with bare() as floor:
        on_floor = Press([floor], Letters(floor.url), fresh=False)
        await on_floor.warm_up()
        for number in range(plan.rounds):
            async with quiet_service() as hub:
                rounds.append(await _round(on_floor, hub, plan.seconds))
            progress(f"round {number + 1}: {rounds[-1].told}")
    rates, costs, waits, seen, told = map(list, zip(*rounds, strict=True))
    sync_ms = await asyncio.to_thread(_sync_ms)
    return Found(
        [
            Figure("durable webhook, 64 connections: requests/s against the bare handler", rates, "0.20", "0.40"),
            Figure("the same: CPU per request against the bare handler", costs, "4.0", "2.5"),
            Figure("open loop, 500/s: p50 against the bare handler", waits, "2.5", "1.6"),
            Figure("the same as a client of aiohttp's sees it, its own cost in both", seen, "2.5", "1.6"),
        ],
        [
            "Webhooks: half onConversationAdded, half a customer's first onMessageAdded, each signed and with the "
            "fields that Twilio sends; SQLite, WAL, synchronous=FULL. Twilio is silent: 64 effects wait for it.",
            f"To write and sync what one commit writes takes {sync_ms:.2f} ms at {OPEN_PER_S:.0f}/s, and nothing else.",
            *(f"Round {number}: {text}." for number, text in enumerate(told, 1)),
        ],
    )


async def _round(on_floor: Press, hub: Server, seconds: float) -> _Round:
    letters = Letters(hub.url)
    on_hub = Press([hub], letters)
    await on_hub.warm_up()
    low, high = await on_floor(seconds), await on_hub(seconds)
    (floor,) = on_floor.servers
    return _Round(
        rate=high.outcome.per_second / low.outcome.per_second,
        cost=high.cpu_s / low.cpu_s,
        wait=await _waits(open_loop, hub, floor, letters, seconds),
        seen=await _waits(even_load, hub, floor, letters, seconds),
        told=f"{high.told()} against {low.told()}; {high.cpu_s * 1e6:,.0f} against {low.cpu_s * 1e6:,.0f} µs of CPU",
    )


async def _waits(load: Load, hub: Server, floor: Server, letters: Letters, seconds: float) -> float:
    """How much longer than the bare handler's the service's answers take at an even load, the median of each."""
    requests = letters.prepared(round(OPEN_PER_S * seconds))
    low = await load(floor.url, requests, OPEN_PER_S)
    high = await load(hub.url, requests, OPEN_PER_S)
    refused = f", {low.refused + high.refused} refused" if low.refused + high.refused else ""
    progress(f"  {load.__name__}: {high.quantile(0.5) * 1e3:.2f} against {low.quantile(0.5) * 1e3:.2f} ms{refused}")
    return high.quantile(0.5) / low.quantile(0.5)


def _sync_ms() -> float:
    """The median time of appending so much to a file and syncing it, at the pace of the open loop."""
    took = []
    with TemporaryFile() as file:
        for _ in range(round(OPEN_PER_S)):
            time.sleep(1 / OPEN_PER_S)
            began = time.perf_counter()
            os.write(file.fileno(), bytes(COMMIT_BYTES))
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return median(took) * 1e3

"""A durable webhook against the bare handler: throughput, CPU, and waiting under an even load."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from tempfile import TemporaryFile

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


async def measure(plan: Plan) -> Found:
    """Rounds of the floor and of the service in turn, each figure a ratio within its round."""
    rates, costs, waits, seen, told = [], [], [], [], []
    async with quiet_service() as hub, bare() as floor:
        letters = Letters(hub.url)
        on_floor, on_hub = Press([floor], Letters(hub.url), fresh=False), Press([hub], letters)
        await on_floor.warm_up()
        await on_hub.warm_up()
        for number in range(plan.rounds):
            low, high = await on_floor(plan.seconds), await on_hub(plan.seconds)
            rates.append(high.outcome.per_second / low.outcome.per_second)
            costs.append(high.cpu_s / low.cpu_s)
            told.append(
                f"{high.told()} against {low.told()}; {high.cpu_s * 1e6:,.0f} against {low.cpu_s * 1e6:,.0f} µs of CPU"
            )
            progress(f"round {number + 1}: {told[-1]}")
            waits.append(await _waits(open_loop, hub, floor, letters, plan.seconds))
            seen.append(await _waits(even_load, hub, floor, letters, plan.seconds))
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

"""What is measured: a few rounds of the floor and of the service in turn, each figure a ratio within its round."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench import filling
from bench.letters import prepared
from bench.load import Outcome, closed_loop, open_loop
from bench.processes import Server, bare, driver_cpu_s, service, silence

CONNECTIONS = 64
OPEN_PER_S = 500.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table. `values`: a round each; `reach` and `goal`: what is owed, and what we are after."""

    what: str
    values: list[float]
    reach: str
    goal: str
    unit: str = ""

    def json(self) -> dict[str, object]:
        """The figure for other programs."""
        return {
            "what": self.what,
            "unit": self.unit or "ratio",
            "median": median(self.values),
            "values": self.values,
            "reach": self.reach,
            "goal": self.goal,
        }


@dataclass(slots=True)
class _Pass:
    """One load on one server: what came of it, and the CPU a request took, in seconds."""

    outcome: Outcome
    cpu_s: float
    driver_busy: float


async def _press(server: Server, letters: Iterator[bytes], seconds: float) -> _Pass:
    before, own = server.cpu_s(), driver_cpu_s()
    outcome = await closed_loop(server.url, letters, CONNECTIONS, seconds)
    cpu_s = (server.cpu_s() - before) / len(outcome.waited)
    return _Pass(outcome, cpu_s, (driver_cpu_s() - own) / outcome.seconds)


async def webhooks(rounds: int, seconds: float) -> tuple[list[Figure], list[str]]:
    """A durable webhook against the bare handler: throughput, CPU, and waiting under an even load."""
    numbers, rates, costs, waits, notes = count(), [], [], [], []
    async with _fresh_service() as (hub, _), bare() as floor:
        for _ in range(rounds):
            low = await _press(floor, prepared(hub.url, numbers), seconds)
            high = await _press(hub, prepared(hub.url, numbers), seconds)
            rates.append(high.outcome.per_second / low.outcome.per_second)
            costs.append(high.cpu_s / low.cpu_s)
            notes.append(
                f"{high.outcome.per_second:.0f} webhooks/s against {low.outcome.per_second:.0f} requests/s, "
                f"{high.outcome.refused} refused; the driver was busy {low.driver_busy:.0%} and {high.driver_busy:.0%}"
            )
            slow = await open_loop(floor.url, prepared(hub.url, numbers), OPEN_PER_S, seconds)
            mine = await open_loop(hub.url, prepared(hub.url, numbers), OPEN_PER_S, seconds)
            waits.append(mine.quantile(0.5) / slow.quantile(0.5))
    return [
        Figure("durable webhooks, 64 connections: requests/s against the bare handler", rates, "0.20", "0.40"),
        Figure("the same: CPU per request against the bare handler", costs, "4.0", "2.5"),
        Figure("open loop, 500/s: p50 against the bare handler", waits, "2.5", "1.6"),
    ], notes


async def cold_starts(rounds: int) -> list[Figure]:
    """From the start of the process to its first 200."""
    own, against = [], []
    for _ in range(rounds):
        async with bare() as floor:
            bare_s = floor.started_s
        async with _fresh_service() as (hub, _):
            own.append(hub.started_s * 1000)
            against.append(hub.started_s / bare_s)
    return [
        Figure("cold start to ready", own, "600", "", "ms"),
        Figure("cold start against bare aiohttp's", against, "", "1.1"),
    ]


async def stored(rounds: int, seconds: float, few: int, many: int) -> list[Figure]:
    """What a thousand and a million stored conversations cost."""
    numbers, rates, small_mb, large_mb, each = count(), [], [], [], 0.0
    async with _fresh_service(few) as (small, _), _fresh_service(many) as (large, database):
        each = filling.size_bytes(database) / many
        for _ in range(rounds):
            low = await _press(small, prepared(small.url, numbers), seconds)
            high = await _press(large, prepared(large.url, numbers), seconds)
            rates.append(high.outcome.per_second / low.outcome.per_second)
            small_mb.append(small.memory_mb())
            large_mb.append(large.memory_mb())
    return [
        Figure(f"{many:,} stored conversations against {few:,}: requests/s", rates, "0.85", "0.95"),
        Figure(f"memory at {few:,} conversations", small_mb, "90", "70", "MB"),
        Figure(f"memory at {many:,} conversations", large_mb, "130", "100", "MB"),
        Figure("disk per conversation of one event", [each], "900", "600", "B"),
    ]


@asynccontextmanager
async def _fresh_service(conversations: int = 0) -> AsyncIterator[tuple[Server, Path]]:
    """The service on a database of its own with so many conversations in it, and a Twilio that is silent."""
    with TemporaryDirectory(prefix="bench-") as folder:
        database = Path(folder, "hub.db")
        async with silence() as twilio:
            if conversations:
                async with service(database, twilio) as hub:
                    await open_loop(hub.url, prepared(hub.url, count(10**9), 1), 1, 1)
                _fill(database, conversations)
            async with service(database, twilio) as hub:
                yield hub, database


def _fill(database: Path, how_many: int) -> None:
    began = time.monotonic()

    def progress(done: int) -> None:
        print(f"  {done:,} of {how_many:,} conversations stored", end="\r", flush=True)  # noqa: T201

    filling.fill(database, how_many, progress)
    print(f"  {how_many:,} conversations stored in {time.monotonic() - began:.0f} s" + " " * 20)  # noqa: T201

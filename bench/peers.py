"""One durable step of ours, HTTP included, against one of DBOS and one of LangGraph, all on SQLite on the same core.

Each peer is a row for each of its durable modes: the one it comes with, and the fastest that its documents offer. Each
is tried with one thread and with more, and measured in the rounds with as many as did best. All of it on the disk that
is here, and once more with a slower one.
"""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from tempfile import TemporaryDirectory

from bench.figures import Figure, Found, progress
from bench.letters import Letters
from bench.pressing import Plan, Press, quiet_service
from bench.processes import FIRST_CORE, ROOT
from bench.slow_disk import Disk, disks

TRIAL_S = 1.5
THREADS = (1, 16, 64)


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody else's durable steps. `package`: what must be installed; `module`: ours that measures it, in `mode`."""

    name: str
    package: str
    module: str
    mode: str
    remark: str

    def __str__(self) -> str:
        return f"{self.name} ({self.remark})"


PEERS = (
    Peer("DBOS", "dbos", "bench.peer_dbos", "delete", "as it opens SQLite"),
    Peer("DBOS", "dbos", "bench.peer_dbos", "wal", "over an engine in WAL mode"),
    Peer("LangGraph", "langgraph", "bench.peer_langgraph", "sync", "durability sync"),
    Peer("LangGraph", "langgraph", "bench.peer_langgraph", "exit", "durability exit"),
)


@dataclass(slots=True)
class Rival:
    """A peer over a disk. `tried`: its steps a second by the number of threads; `ratios`: ours to its, by round."""

    peer: Peer
    disk: Disk
    tried: Mapping[int, float]
    ratios: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        return f"durable steps/s, our HTTP included, against {self.peer} on SQLite{self.disk.remark}"

    @property
    def threads(self) -> int:
        """As many as did best."""
        return max(self.tried, key=self.tried.__getitem__)

    def told(self) -> str:
        """The note below the table."""
        all_of_them = ", ".join(f"{rate:,.0f} steps/s with {threads}" for threads, rate in self.tried.items())
        named = f"{self.peer}, version {version(self.peer.package)}{self.disk.remark}"
        return f"{named}, measured with as many threads as did best: {all_of_them}."


async def measure(plan: Plan) -> Found:
    """Rounds of ours and of every peer that is installed, on this disk and on one that is slower to sync."""
    missing = {peer.name for peer in PEERS if find_spec(peer.package) is None}
    there = [peer for peer in PEERS if peer.name not in missing]
    notes = [f"{name} is not installed and was not measured." for name in sorted(missing)]
    with disks() as both:
        if len(both) == 1:
            notes.append("Without a C compiler no slower disk was measured.")
        rivals = [Rival(peer, disk, await _trials(peer, disk)) for disk in both for peer in there]
        mine: dict[Disk, list[float]] = {disk: [] for disk in both}
        for number in range(plan.rounds if rivals else 0):
            progress(f"round {number + 1}")
            for disk in both:
                mine[disk].append(await _round(disk, rivals, plan.seconds))
    figures = [Figure(str(rival), rival.ratios, "20", "50") for rival in rivals]
    return Found(_slowed(mine) + figures, notes + [rival.told() for rival in rivals])


async def _round(disk: Disk, rivals: Sequence[Rival], seconds: float) -> float:
    """Ours on this disk, then all rivals that it has there; how many webhooks a second ours took in."""
    mine = await _webhooks_per_s(disk, seconds)
    for rival in rivals:
        if rival.disk == disk:
            theirs = await _steps_per_s(rival.peer, disk, rival.threads, seconds)
            rival.ratios.append(mine / theirs)
            progress(f"{mine:,.0f} webhooks/s against {theirs:,.0f} steps/s: {rival}")
    return mine


def _slowed(mine: Mapping[Disk, Sequence[float]]) -> list[Figure]:
    """What a slower disk leaves of our own throughput."""
    (_, here), *slower = mine.items()
    return [
        Figure(f"durable webhook, 64 connections{disk.remark}: requests/s against those without", ratios, "", "")
        for disk, rates in slower
        if (ratios := [there / rate for there, rate in zip(rates, here, strict=True)])
    ]


async def _webhooks_per_s(disk: Disk, seconds: float) -> float:
    """The service, with a new database, as every peer has."""
    async with quiet_service(variables=disk.variables) as hub:
        ours = Press([hub], Letters(hub.url))
        await ours.warm_up()
        return (await ours(seconds)).outcome.per_second


async def _trials(peer: Peer, disk: Disk) -> dict[int, float]:
    """Steps a second, by the number of threads."""
    found = {}
    for threads in THREADS:
        found[threads] = await _steps_per_s(peer, disk, threads, TRIAL_S)
        progress(f"{peer}{disk.remark}, threads: {threads}: {found[threads]:,.0f} steps/s")
    return found


async def _steps_per_s(peer: Peer, disk: Disk, threads: int, seconds: float) -> float:
    """One process of the peer's, on the core that the service has, with a new database."""
    with TemporaryDirectory(prefix="bench-") as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", peer.module, folder, str(seconds), str(threads), peer.mode),
            cwd=ROOT,
            env={**os.environ, **disk.variables, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            preexec_fn=lambda: os.sched_setaffinity(0, FIRST_CORE),
        )
        told, _ = await process.communicate()
    return float(told.split()[-1])

"""One durable step of ours, HTTP included, against one of DBOS and one of LangGraph, all on SQLite on the same core.

Each peer is a row for each of its durable modes: the one it comes with, and the fastest that its documents offer. Each
is tried with one thread and with more, and measured in the rounds with as many as did best.
"""

import asyncio
import os
import sys
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from tempfile import TemporaryDirectory

from bench.figures import Figure, Found, progress
from bench.letters import Letters
from bench.pressing import Plan, Press, quiet_service
from bench.processes import FIRST_CORE, ROOT

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


async def measure(plan: Plan) -> Found:
    """Rounds of ours and of every peer that is installed."""
    missing = {peer.name for peer in PEERS if find_spec(peer.package) is None}
    trials = {peer: await _trials(peer) for peer in PEERS if peer.name not in missing}
    ratios: dict[Peer, list[float]] = {peer: [] for peer in trials}
    for number in range(plan.rounds if trials else 0):
        mine = await _webhooks_per_s(plan.seconds)
        for peer, tried in trials.items():
            theirs = await _steps_per_s(peer, max(tried, key=tried.__getitem__), plan.seconds)
            ratios[peer].append(mine / theirs)
            progress(f"round {number + 1}: {mine:,.0f} webhooks/s against {theirs:,.0f} steps/s of {peer}")
    figures = [
        Figure(f"durable steps/s, our HTTP included, against {peer} on SQLite", values, "20", "50")
        for peer, values in ratios.items()
    ]
    notes = [f"{name} is not installed and was not measured." for name in sorted(missing)]
    return Found(figures, notes + [_told(peer, tried) for peer, tried in trials.items()])


async def _webhooks_per_s(seconds: float) -> float:
    """The service, with a new database, as every peer has."""
    async with quiet_service() as hub:
        ours = Press([hub], Letters(hub.url))
        await ours.warm_up()
        return (await ours(seconds)).outcome.per_second


async def _trials(peer: Peer) -> dict[int, float]:
    """Steps a second, by the number of threads."""
    found = {}
    for threads in THREADS:
        found[threads] = await _steps_per_s(peer, threads, TRIAL_S)
        progress(f"{peer}, threads: {threads}: {found[threads]:,.0f} steps/s")
    return found


async def _steps_per_s(peer: Peer, threads: int, seconds: float) -> float:
    """One process of the peer's, on the core that the service has, with a new database."""
    with TemporaryDirectory(prefix="bench-") as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", peer.module, folder, str(seconds), str(threads), peer.mode),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            preexec_fn=lambda: os.sched_setaffinity(0, FIRST_CORE),
        )
        told, _ = await process.communicate()
    return float(told.split()[-1])


def _told(peer: Peer, tried: dict[int, float]) -> str:
    all_of_them = ", ".join(f"{rate:,.0f} steps/s with {threads}" for threads, rate in tried.items())
    return f"{peer}, version {version(peer.package)}, measured with as many threads as did best: {all_of_them}."

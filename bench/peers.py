"""One durable step of ours, HTTP included, against one of DBOS and one of LangGraph, all on SQLite on the same core.

Each peer is tried with one thread and with more, in each of its durable modes; what did best is measured in the rounds.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from itertools import product
from tempfile import TemporaryDirectory

from bench.figures import Figure, Found, progress
from bench.letters import Letters
from bench.pressing import Plan, Press, quiet_service
from bench.processes import FIRST_CORE, ROOT

TRIAL_S = 1.5
THREADS = (1, 16, 64)


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody else's durable steps. `package`: what must be installed; `module`: ours that measures it."""

    name: str
    package: str
    module: str
    modes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """How a peer is run."""

    threads: int
    mode: str

    def __str__(self) -> str:
        return f"{self.threads} thread{'s' if self.threads > 1 else ''}, {self.mode}"


PEERS = (
    Peer("DBOS", "dbos", "bench.peer_dbos", ("delete", "wal")),
    Peer("LangGraph", "langgraph", "bench.peer_langgraph", ("sync", "exit")),
)


async def measure(plan: Plan) -> Found:
    """Rounds of ours and of every peer that is installed."""
    found = Found(notes=[f"{peer.name} is not installed and was not measured." for peer in _peers(False)])
    trials = {peer: await _trials(peer) for peer in _peers(True)}
    rates: dict[str, list[float]] = {peer.name: [] for peer in trials}
    async with quiet_service() as hub:
        ours = Press([hub], Letters(hub.url))
        await ours.warm_up()
        for number in range(plan.rounds if trials else 0):
            mine = (await ours(plan.seconds)).outcome.per_second
            for peer, tried in trials.items():
                theirs = await _steps_per_s(peer, max(tried, key=tried.__getitem__), plan.seconds)
                rates[peer.name].append(mine / theirs)
                progress(f"round {number + 1}: {mine:,.0f} webhooks/s against {theirs:,.0f} steps/s of {peer.name}")
    found.figures += [
        Figure(f"durable steps/s, our HTTP included, against {name} on SQLite", values, "20", "50")
        for name, values in rates.items()
    ]
    found.notes += [_told(peer, tried) for peer, tried in trials.items()]
    return found


def _peers(installed: bool) -> Iterator[Peer]:
    return (peer for peer in PEERS if (find_spec(peer.package) is not None) is installed)


async def _trials(peer: Peer) -> dict[Setting, float]:
    """Steps a second with each setting."""
    found = {}
    for threads, mode in product(THREADS, peer.modes):
        setting = Setting(threads, mode)
        found[setting] = await _steps_per_s(peer, setting, TRIAL_S)
        progress(f"{peer.name}, {setting}: {found[setting]:,.0f} steps/s")
    return found


async def _steps_per_s(peer: Peer, setting: Setting, seconds: float) -> float:
    """One process of the peer's, on the core that the service has, with a new database."""
    with TemporaryDirectory(prefix="bench-") as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", peer.module, folder, str(seconds), str(setting.threads), setting.mode),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            preexec_fn=lambda: os.sched_setaffinity(0, FIRST_CORE),
        )
        told, _ = await process.communicate()
    return float(told.split()[-1])


def _told(peer: Peer, tried: dict[Setting, float]) -> str:
    best = max(tried, key=tried.__getitem__)
    all_of_them = "; ".join(f"{setting}: {rate:,.0f}/s" for setting, rate in tried.items())
    return f"{peer.name} {version(peer.package)}: measured with {best}, which did best of these: {all_of_them}."

"""One load on one server, with letters enough for it, and what every group of measurements needs to begin."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.letters import Letters
from bench.load import Outcome, closed_loop
from bench.processes import Server, service, silence, silent

WARM_UP_S = 1.0
# The service gives its silent CRM up after five seconds. Then every place for an effect is taken by a message to the
# silent Twilio for good, and nothing but webhooks is measured.
SETTLING_S = 6.0
# Letters beyond what the fastest load so far would take.
SPARE = 1.5
BUSY = 0.9


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often to measure. `rounds` of `seconds`; `many`: how many stored conversations are many;
    `messages`: customer messages that are timed one at a time."""

    rounds: int
    seconds: float
    many: int
    messages: int


@dataclass(slots=True)
class Pass:
    """One load: what came of it, and the CPU time that the servers had for it, in seconds."""

    outcome: Outcome
    used_s: float

    @property
    def cpu_s(self) -> float:
        """What a request took, in seconds of CPU."""
        return self.used_s / len(self.outcome.waited)

    def told(self, *, per_core: bool = True) -> str:
        """Throughput, and whatever makes it doubtful: a driver that is the limit, or a core (where the server has one
        to itself) that others used too."""
        outcome = self.outcome
        refused = f", {outcome.refused} refused" if outcome.refused else ""
        busy = f", the driver busy {outcome.busy:.0%} of the time" if outcome.busy > BUSY else ""
        had = self.used_s / outcome.seconds
        short = f", with {had:.0%} of its core" if per_core and had < BUSY else ""
        return f"{outcome.per_second:,.0f}/s{refused}{busy}{short}"


@dataclass(slots=True)
class Press:
    """Puts a load on servers, again and again. `fresh`: each letter is sent once, as a service wants it; the floor,
    which looks at none, is sent the same ones over and over."""

    servers: Sequence[Server]
    letters: Letters
    fresh: bool = True
    _fastest: float = 3_000.0
    _reused: list[bytes] = field(default_factory=list)

    async def warm_up(self) -> None:
        """A short load that does not count, and what follows from it."""
        await self(WARM_UP_S)
        if self.fresh:
            await asyncio.sleep(SETTLING_S)

    async def __call__(self, seconds: float) -> Pass:
        """As much as 64 connections bring about in so many seconds."""
        requests = self._requests(seconds)
        before = self._cpu_s()
        outcome = await closed_loop([server.url for server in self.servers], requests, seconds)
        self._fastest = max(self._fastest, outcome.per_second)
        return Pass(outcome, self._cpu_s() - before)

    def _requests(self, seconds: float) -> Iterator[bytes]:
        if self.fresh:
            return iter(self.letters.prepared(round(self._fastest * seconds * SPARE)))
        if not self._reused:
            self._reused = self.letters.prepared(2_000)
        return cycle(self._reused)

    def _cpu_s(self) -> float:
        return sum(server.cpu_s() for server in self.servers)


@asynccontextmanager
async def quiet_service(
    database: Path | None = None, variables: Mapping[str, str] | None = None
) -> AsyncIterator[Server]:
    """The service on an SQLite file, an empty one of its own by default, and a Twilio that is silent. `variables`: of
    its environment, beside those that this takes."""
    with TemporaryDirectory(prefix="bench-") as folder:
        path = database or Path(folder, "hub.db")
        async with (
            silence() as twilio,
            service(f"sqlite+aiosqlite:///{path}", {**silent(twilio), **(variables or {})}) as hub,
        ):
            yield hub

"""The service on PostgreSQL: what a webhook costs the application and the database, and what more replicas bring.

Replicas, database and driver share all cores, so throughput tells of the machine; what does not is a webhook's CPU, of
which `docs/scaling.md` reckons.
"""

import os
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass

from bench.figures import Figure, Found, progress
from bench.letters import Letters
from bench.pressing import Pass, Plan, Press
from bench.processes import CORES, bare, service, silence, silent
from chaos.postgres import NoPostgres, Postgres, throwaway

# What Twilio was given: every replica is behind the same address.
PUBLIC_URL = "http://hub.example.test"
MOST = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """One load on some replicas, and the CPU that PostgreSQL took for it, in seconds."""

    load: Pass
    postgres_s: float

    @property
    def per_postgres_s(self) -> float:
        """Webhooks for each second of PostgreSQL's CPU."""
        return len(self.load.outcome.waited) / self.postgres_s


async def measure(plan: Plan) -> Found:
    """Rounds of the floor and of one, two and three replicas, each time over a new database."""
    try:
        with _all_cores(), throwaway(durable=True) as postgres:
            return await _measure(postgres, plan)
    except NoPostgres as error:
        return Found(notes=[f"PostgreSQL was not measured: {error}."])


async def _measure(postgres: Postgres, plan: Plan) -> Found:
    costs: list[float] = []
    rounds: list[list[Measured]] = []
    async with bare(CORES) as floor:
        on_floor = Press([floor], Letters(PUBLIC_URL), fresh=False)
        await on_floor.warm_up()
        for number in range(plan.rounds):
            low = await on_floor(plan.seconds)
            rounds.append([await _load(postgres, count, plan.seconds) for count in range(1, MOST + 1)])
            costs.append(rounds[-1][0].load.cpu_s / low.cpu_s)
            told = "; ".join(f"{it.load.outcome.per_second:,.0f}/s" for it in rounds[-1])
            progress(f"round {number + 1}: {told}; the application's CPU {costs[-1]:.1f} times the floor's")
    version = postgres.query("SHOW server_version").partition(" ")[0]
    return Found(_figures(costs, rounds), [_note(version, rounds)])


async def _load(postgres: Postgres, replicas: int, seconds: float) -> Measured:
    """One load, spread over so many replicas, which are warm and share a new database."""
    url = postgres.fresh_database()
    async with AsyncExitStack() as stack:
        variables = {**silent(await stack.enter_async_context(silence())), "PUBLIC_URL": PUBLIC_URL}
        hubs = [await stack.enter_async_context(service(url, variables, CORES)) for _ in range(replicas)]
        press = Press(hubs, Letters(PUBLIC_URL))
        await press.warm_up()
        before_s = postgres.cpu_s()
        load = await press(seconds)
        return Measured(load, postgres.cpu_s() - before_s)


def _figures(costs: list[float], rounds: list[list[Measured]]) -> list[Figure]:
    rates = [[it.load.outcome.per_second for it in measured] for measured in rounds]
    of_postgres = [measured[0].per_postgres_s for measured in rounds]
    where = f"all on {len(CORES)} cores"
    return [
        Figure("PostgreSQL: the application's CPU per webhook against the bare handler", costs, "3.5", ""),
        Figure("PostgreSQL: webhooks for a second of PostgreSQL's CPU", of_postgres, "", ""),
        *(
            Figure(
                f"PostgreSQL: throughput with {count} replicas against one, {where}",
                [rate[count - 1] / rate[0] for rate in rates],
                "",
                "",
            )
            for count in range(2, MOST + 1)
        ),
    ]


def _note(version: str, rounds: list[list[Measured]]) -> str:
    last = rounds[-1]
    told = ", ".join(f"{count}: {it.load.told(per_core=False)}" for count, it in enumerate(last, 1))
    return (
        f"PostgreSQL {version}, fsync on, on the loopback address; replicas, database and driver on {len(CORES)} cores "
        f"together. The last round, by replicas: {told}."
    )


@contextmanager
def _all_cores() -> Iterator[None]:
    """Let this process, and so the database that it starts, use every core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, CORES)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)

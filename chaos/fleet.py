"""Replicas of the service over one database, a load balancer before them, and the sandbox in this process.

The sandbox's webhooks go to the balancer, whose address is the public one. A replica that ends by itself breaks a
promise, whatever else holds.
"""

import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
from sqlalchemy import Connection

from chaos import transcripts
from chaos.balancer import Balancer
from chaos.deliveries import triggers
from chaos.house import serving
from chaos.lives import Life, Lives
from chaos.postgres import quiet_port
from chaos.traps import ARM, Trap
from orchestrator.sandbox.faults import Faults
from orchestrator.sandbox.records import Conversation
from orchestrator.sandbox.sandbox import Sandbox
from orchestrator.sandbox.server import start as start_sandbox
from storage.opening import read

# A lease is three times EFFECT_TIMEOUT_S.
HASTE = {
    "PUBLISH_GRACE_S": "0.2",
    "RETRY_BASE_S": "0.1",
    "RETRY_CAP_S": "0.5",
    "EFFECT_TIMEOUT_S": "0.5",
    "QUIET_PERIOD_S": "1",
    "DISPATCH_POLL_S": "0.3",
    "RECONCILE_S": "2",
}
LEASE_S = 1.5
REPLICAS = 3
ENDS_WITHIN_S = 15.0
ASK_EVERY_S = 0.3
ARMED_S = 3.0
UNAVAILABLE = 503
_BAD = ("warning", "error", "critical")


class Fleet:
    """What is running, and what is done to it. `database`: its URL; `may_be_unavailable`: 503 is an honest answer to a
    webhook, for the database is taken away; `ready_s`: how long each new life took until it was ready; `trap`: laid in
    every replica, for every second freeze to be at its place; `caught`: how many were."""

    def __init__(
        self,
        sandbox: Sandbox,
        sandbox_url: str,
        session: aiohttp.ClientSession,
        balancer: Balancer,
        lives: Lives,
        ports: Collection[int],
        database: str,
        log: Path,
        trap: Trap | None = None,
    ) -> None:
        self.sandbox = sandbox
        self.sandbox_url = sandbox_url
        self.session = session
        self.balancer = balancer
        self.database = database
        self._log = log
        self._trap = trap
        self._lives = lives
        self._replicas: dict[int, Life] = {}
        self._ports = list(ports)
        self._died: list[str] = []
        self._starting: list[asyncio.Task[None]] = []
        self.ready_s: list[float] = []
        self._trapped = False
        self.caught = 0
        self.may_be_unavailable = False

    @property
    def world(self) -> list[Conversation]:
        """The conversations as the sandbox has them."""
        return list(self.sandbox.world.conversations.values())

    @property
    def size(self) -> int:
        """How many replicas there are."""
        return len(self._ports)

    async def start(self) -> None:
        """Start every replica at the same time, and wait until all are ready."""
        lives = await asyncio.gather(*(self._begin(port) for port in self._ports))
        self._replicas = dict(zip(self._ports, lives, strict=True))
        await self.ready()

    def _begin(self, port: int) -> Coroutine[Any, Any, Life]:
        return self._lives.begin(port=port, trap=self._trap)

    async def ready(self) -> None:
        """Wait until every replica is ready. Raises RuntimeError where one has ended, TimeoutError after a minute; with
        what was logged last."""
        try:
            await asyncio.gather(*(life.ready() for life in self._replicas.values()))
        except (RuntimeError, TimeoutError) as error:
            error.add_note("\n".join(self._log.read_text().splitlines()[-10:]))
            raise

    async def kill(self, number: int) -> None:
        """Kill -9 a replica, and start it again at once."""
        port = self._ports[number]
        self._note_deaths()
        await self._replicas[port].end()
        life = self._replicas[port] = await self._begin(port)
        self._starting.append(asyncio.create_task(self._time(life)))

    async def _time(self, life: Life) -> None:
        # It may be killed again before that.
        with suppress(RuntimeError):
            self.ready_s.append(await life.ready())

    def _note_deaths(self) -> None:
        """Nobody but us may end a replica."""
        self._died += [f"replica {n} had ended by itself" for n, life in self._numbered() if life.has_ended]

    async def freeze(self, number: int, seconds: float) -> None:
        """Stop a replica for so long, in the midst of whatever it does, and let it go on."""
        life = self._replicas[self._ports[number]]
        await self._stop(life)
        try:
            await asyncio.sleep(seconds)
        finally:
            life.send(signal.SIGCONT)

    async def _stop(self, life: Life) -> None:
        """Stop it at once; or, where a trap is laid, at the place it waits for, should it come there soon."""
        self._trapped = not self._trapped
        if self._trap is not None and self._trapped:
            life.send(ARM)
            if await life.stopped(ARMED_S):
                self.caught += 1
                return
        life.send(signal.SIGSTOP)

    async def end(self) -> list[str]:
        """SIGTERM to all at once; what did not end in order, and who had ended before."""
        self._note_deaths()
        await asyncio.gather(*self._starting)
        codes = await asyncio.gather(*(self._end(life) for _n, life in self._numbered()))
        return self._died + [f"SIGTERM ended replica {n} with {code}" for n, code in enumerate(codes) if code != 0]

    async def _end(self, life: Life) -> int | None:
        try:
            async with asyncio.timeout(ENDS_WITHIN_S):
                return await life.end(signal.SIGTERM)
        except TimeoutError:
            return None

    def _numbered(self) -> "enumerate[Life]":
        return enumerate(self._replicas.values())

    async def rest(self, patience_s: float | None = None) -> float:
        """Wait until nothing is under way and everything written was heard, or until it is clear that it never will be;
        seconds."""
        began = time.monotonic()
        patience_s = 30 + len(self.world) / 2 if patience_s is None else patience_s
        await self.balancer.delivered()
        await self.sandbox.webhooks.settled()
        while time.monotonic() - began < patience_s:
            if not await self._read(self._is_restless):
                break
            await asyncio.sleep(ASK_EVERY_S)
        return time.monotonic() - began

    def _is_restless(self, connection: Connection) -> bool:
        return transcripts.is_restless(connection, self.world)

    async def _read(self, work: Callable[[Connection], Any]) -> Any:
        return await asyncio.to_thread(read, self.database, work)

    async def violations(self) -> list[str]:
        """Every promise that does not hold, once everything has come to rest."""
        ledger = [entry.json() for entry in self.sandbox.ledger.since(0)]
        workers = self.sandbox.world.workforce.workers.values()
        available = {worker.friendly_name for worker in workers if worker.activity.available}

        def check(connection: Connection) -> list[str]:
            found = transcripts.violations(connection, self.world, ledger)
            return found + list(transcripts.passed_over(connection, available))

        found: list[str] = await self._read(check)
        return found + self._wrong_answers()

    def _wrong_answers(self) -> list[str]:
        """503 says that the store cannot commit; before an action even that would cost a customer his message."""
        return [
            f"{count} webhooks to {path} were answered {status}"
            for (path, status), count in self.balancer.answers.items()
            if status >= 300 and not (status == UNAVAILABLE and self.may_be_unavailable and path != "/pre-event")
        ]

    async def triggers(self) -> Counter[str]:
        """How many transitions each trigger made."""
        made: Counter[str] = await self._read(triggers)
        return made

    async def joined(self) -> set[str]:
        """The participants of whom it is known that they joined as workers."""
        known: set[str] = await self._read(transcripts.joined)
        return known

    def complaints(self) -> str:
        """What the replicas logged as errors, counted: no promise, but where to look."""
        bad = Counter[str]()
        for line in self._log.read_text(errors="replace").splitlines():
            # A line may be cut off by a kill, or be none of ours.
            with suppress(ValueError, KeyError, TypeError):
                entry = json.loads(line)
                bad[f"{entry['event']} ({entry['level']})"] += entry["level"] in _BAD
        bad = +bad
        return "logged: " + (", ".join(f"{number} {what}" for what, number in bad.most_common(8)) or "no error")

    def told(self) -> str:
        """How the webhooks fared at the balancer."""
        statuses = Counter[int]()
        for (_path, status), number in self.balancer.answers.items():
            statuses[status] += number
        counted = [f"{number} answered {status}" for status, number in sorted(statuses.items())]
        return ", ".join(counted + [f"{number} {how}" for how, number in sorted(self.balancer.failed.items())])


@asynccontextmanager
async def fleet(
    database: str,
    *,
    replicas: int = REPLICAS,
    copies: Callable[[], int] = lambda: 1,
    faults: Mapping[str, Any] = {},
    trap: Trap | None = None,
) -> AsyncIterator[Fleet]:
    """A fleet with everything running. `copies`: see `Balancer`; `faults`: the sandbox's; `trap`: see `Fleet`."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        port, ports = quiet_port(), [quiet_port() for _ in range(replicas)]
        url = f"http://127.0.0.1:{port}"
        running = await start_sandbox("127.0.0.1", 0, url)
        stack.push_async_callback(running.stop)
        running.sandbox.set_faults(Faults.read(dict(faults)))
        balancer = Balancer(session, [f"http://127.0.0.1:{it}" for it in ports], copies)
        await stack.enter_async_context(serving(balancer.app(), port))
        variables = HASTE | {
            "DATABASE_URL": database,
            "PUBLIC_URL": url,
            "SANDBOX_PORT": running.url.rpartition(":")[2],
        }
        log = folder / "service.log"
        lives = await stack.enter_async_context(Lives(variables, log, url))
        it = Fleet(running.sandbox, running.url, session, balancer, lives, ports, database, log, trap)
        await it.start()
        yield it

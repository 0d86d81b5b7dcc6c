"""What is measured, as processes of their own on a core of their own."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from orchestrator.running import any_port

ROOT = Path(__file__).parents[1]
TICKS_S = os.sysconf("SC_CLK_TCK")
READY_LIMIT_S = 60.0
CORES = frozenset(os.sched_getaffinity(0))
# Read before this process takes the other ones: what is measured has the first core to itself.
FIRST_CORE = frozenset({min(CORES)})


class NotStarted(Exception):
    """A process ended, or was silent for a minute, before it was ready."""


@dataclass(slots=True)
class Server:
    """A process that listens. `started_s`: from its start to its first 200, in seconds."""

    url: str
    pid: int
    started_s: float

    def cpu_s(self) -> float:
        """The CPU time it has used, in seconds."""
        return sum(_times(self.pid)[:2])

    def memory_mb(self) -> float:
        """Its resident memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _times(pid: int) -> list[float]:
    """User and system time, and those of children that have ended (proc(5), `stat`)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(ticks) / TICKS_S for ticks in fields[11:15]]


@asynccontextmanager
async def bare(cores: Collection[int] = FIRST_CORE) -> AsyncIterator[Server]:
    """The floor."""
    port = any_port(0)
    async with _running(["-m", "bench.floor", str(port)], port, {}, cores) as server:
        yield server


def silent(twilio_url: str) -> dict[str, str]:
    """The variables of a service whose Twilio and CRM are silent: what follows from a webhook is queued, not done. The
    64 effects that are tried at once wait for their answers to the end, so that no retries are measured."""
    return {
        "EFFECT_TIMEOUT_S": "36000",
        "TWILIO_API_URL": twilio_url,
        "CRM": "strapi",
        "STRAPI_URL": twilio_url,
        "STRAPI_TOKEN": "a-token",
    }


@asynccontextmanager
async def service(
    database_url: str, variables: Mapping[str, str], cores: Collection[int] = FIRST_CORE, port: int = 0
) -> AsyncIterator[Server]:
    """The service on a database, in sandbox mode but without a sandbox of its own, and quiet."""
    port = any_port(port)
    environment = {
        "PORT": str(port),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "DATABASE_URL": database_url,
        "LOG_LEVEL": "critical",
        "RECONCILE_S": "3600",
        **variables,
    }
    async with _running(["-m", "orchestrator", "serve", "--no-sandbox"], port, environment, cores) as server:
        yield server


@asynccontextmanager
async def _running(
    arguments: list[str], port: int, variables: Mapping[str, str], cores: Collection[int]
) -> AsyncIterator[Server]:
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        cwd=ROOT,
        env={**os.environ, **variables, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    url = f"http://127.0.0.1:{port}"
    try:
        await _ready(url, process)
        yield Server(url, process.pid, time.perf_counter() - began)
    finally:
        # An orderly stop would wait for the effects that are under way.
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def take_the_other_cores() -> None:
    """Leave the first core to what is measured."""
    os.sched_setaffinity(0, CORES - FIRST_CORE or CORES)


async def _ready(url: str, process: asyncio.subprocess.Process) -> None:
    """Wait for its first 200. Raises NotStarted."""
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(READY_LIMIT_S):
            while process.returncode is None:
                with suppress(aiohttp.ClientError):
                    async with session.get(f"{url}/readyz") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise NotStarted(f"not ready within {READY_LIMIT_S:g} s") from None
    raise NotStarted(f"it ended with exit code {process.returncode}")


@asynccontextmanager
async def silence() -> AsyncIterator[str]:
    """A neighbour that accepts connections and never answers, so that webhooks alone are measured; its address."""
    asked: set[asyncio.StreamWriter] = set()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.add(writer)
        with suppress(ConnectionError):
            while await reader.read(65_536):
                continue
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in asked:
            writer.close()

"""What is measured, as processes of their own on a core of their own."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import aiohttp

from orchestrator.running import any_port

ROOT = Path(__file__).parents[1]
TICKS_S = os.sysconf("SC_CLK_TCK")
READY_LIMIT_S = 60.0


@dataclass(slots=True)
class Server:
    """A process that listens. `started_s`: from its start to its first 200, in seconds."""

    url: str
    pid: int
    started_s: float

    def cpu_s(self) -> float:
        """The CPU time it has used, in seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_S

    def memory_mb(self) -> float:
        """Its resident memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@asynccontextmanager
async def bare() -> AsyncIterator[Server]:
    """The floor."""
    port = any_port(0)
    async with _running(["-m", "bench.floor", str(port)], port, {}) as server:
        yield server


@asynccontextmanager
async def service(database: Path, silent_url: str) -> AsyncIterator[Server]:
    """The service on a database, Twilio and the CRM being silent: what follows from a webhook is queued, not done."""
    port = any_port(0)
    variables = {
        "PORT": str(port),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "DATABASE_URL": f"sqlite+aiosqlite:///{database}",
        "LOG_LEVEL": "critical",
        "RECONCILE_S": "3600",
        "TWILIO_API_URL": silent_url,
        "CRM": "strapi",
        "STRAPI_URL": silent_url,
        "STRAPI_TOKEN": "a-token",
    }
    async with _running(["-m", "orchestrator", "serve", "--no-sandbox"], port, variables) as server:
        yield server


@asynccontextmanager
async def _running(arguments: list[str], port: int, variables: Mapping[str, str]) -> AsyncIterator[Server]:
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        cwd=ROOT,
        env={**os.environ, **variables, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.DEVNULL,
        preexec_fn=_to_the_first_core,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        await _ready(url)
        yield Server(url, process.pid, time.perf_counter() - began)
    finally:
        process.terminate()
        await process.wait()


def _to_the_first_core() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def take_the_other_cores() -> None:
    """Leave the first core to what is measured."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores - {min(cores)} or cores)


async def _ready(url: str) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(READY_LIMIT_S):
        while True:
            with suppress(aiohttp.ClientError):
                async with session.get(f"{url}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.005)


def driver_cpu_s() -> float:
    """The CPU time this process has used: a driver that is busy all the time measures itself."""
    used = getrusage(RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


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

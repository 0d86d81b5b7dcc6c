"""The service as a process that is started and killed again and again, and how long it takes to be ready."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from chaos.traps import Trap
from orchestrator.settings import settings_table

ROOT = Path(__file__).parents[1]
READY_LIMIT_S = 60.0
ASK_EVERY_S = 0.01


@dataclass(slots=True)
class Life:
    """One life of the service, forked or executed afresh. `born`: when it was asked for, monotonic seconds."""

    pid: int
    born: float
    url: str
    _session: aiohttp.ClientSession
    _ending: "asyncio.Future[int]"

    async def ready(self) -> float:
        """Wait until `/readyz` says so; seconds since birth. Raises RuntimeError where the process ended before that,
        TimeoutError after a minute."""
        async with asyncio.timeout(READY_LIMIT_S):
            while not await self._is_ready():
                if self._ending.done():
                    raise RuntimeError(f"the service ended with {self._ending.result()} before it was ready")
                await asyncio.sleep(ASK_EVERY_S)
        return time.monotonic() - self.born

    async def _is_ready(self) -> bool:
        try:
            async with self._session.get(f"{self.url}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def ended(self) -> int:
        """Wait for the death, whatever it comes of; the exit code, negative for a signal."""
        return await asyncio.shield(self._ending)

    async def end(self, number: int = signal.SIGKILL) -> int:
        """Send a signal and wait for the death; the exit code, negative for a signal."""
        if not self._ending.done():
            os.kill(self.pid, number)
        return await self._ending


class Lives:
    """Starts the lives, one at a time, on a port of their own. `variables`: the settings; `log`: their output."""

    def __init__(self, variables: Mapping[str, str], log: Path, url: str) -> None:
        self._variables = dict(variables)
        self._log = log
        self._url = url
        self._life: Life | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
        pipe = asyncio.subprocess.PIPE
        self._zygote = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "chaos.zygote", cwd=ROOT, stdin=pipe, stdout=pipe
        )
        await self._number()
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None
    ) -> None:
        if self._life is not None:
            await self._life.end()
        assert self._zygote.stdin is not None
        self._zygote.stdin.close()
        await self._zygote.wait()
        await self._session.close()

    async def begin(self, *, fresh: bool = False, trap: Trap | None = None) -> Life:
        """A new life; the one before must have ended. `fresh`: in a new interpreter, as an operator starts it; `trap`:
        laid in a forked one."""
        born = time.monotonic()
        pid, ending = await (self._executed() if fresh else self._forked(trap))
        self._life = Life(pid, born, self._url, self._session, ending)
        return self._life

    async def _forked(self, trap: Trap | None) -> tuple[int, "asyncio.Future[int]"]:
        zygote = self._zygote
        assert zygote.stdin is not None
        laid = None if trap is None else trap.plain()
        wanted = {"variables": self._variables, "log": str(self._log), "trap": laid}
        zygote.stdin.write(json.dumps(wanted).encode() + b"\n")
        return await self._number(), asyncio.ensure_future(self._number())

    async def _number(self) -> int:
        assert self._zygote.stdout is not None
        return int(await self._zygote.stdout.readline())

    async def _executed(self) -> tuple[int, "asyncio.Future[int]"]:
        settings = {name for row in settings_table() for name in (row.name, *row.also)}
        environment = {name: value for name, value in os.environ.items() if name not in settings}
        with self._log.open("a") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "orchestrator", "serve", "--no-sandbox"),
                cwd=self._log.parent,
                env=environment | self._variables | {"PYTHONPATH": str(ROOT)},
                stdout=output,
                stderr=output,
            )
        return process.pid, asyncio.ensure_future(process.wait())

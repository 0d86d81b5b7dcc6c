"""The service as a process that is started and killed again and again, and how long it takes to be ready."""

import asyncio
import json
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from chaos.traps import Trap
from orchestrator.settings_table import settings_table

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
                if self.has_ended:
                    raise RuntimeError(f"the service ended with {self._ending.result()} before it was ready")
                await asyncio.sleep(ASK_EVERY_S)
        return time.monotonic() - self.born

    async def _is_ready(self) -> bool:
        try:
            async with self._session.get(f"{self.url}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    @property
    def has_ended(self) -> bool:
        """Whether the process is dead."""
        return self._ending.done()

    async def ended(self) -> int:
        """Wait for the death, whatever it comes of; the exit code, negative for a signal."""
        return await asyncio.shield(self._ending)

    def send(self, number: int) -> None:
        """Send a signal, if it lives."""
        if not self.has_ended:
            os.kill(self.pid, number)

    async def stopped(self, within_s: float) -> bool:
        """Whether it has stopped, by itself or not, within so many seconds."""
        state, deadline = Path(f"/proc/{self.pid}/stat"), time.monotonic() + within_s
        while time.monotonic() < deadline and not self.has_ended:
            # The name in parentheses may hold anything; the state follows it.
            if state.read_text().rpartition(")")[2].split()[0] == "T":
                return True
            await asyncio.sleep(ASK_EVERY_S)
        return False

    async def end(self, number: int = signal.SIGKILL) -> int:
        """Send a signal and wait for the death; the exit code, negative for a signal."""
        self.send(number)
        return await asyncio.shield(self._ending)


class Lives:
    """Starts the lives, several at a time if they have ports of their own. `variables`: the settings; `log`: their
    output; `url`: where they listen."""

    def __init__(self, variables: Mapping[str, str], log: Path, url: str) -> None:
        self._variables = dict(variables)
        self._log = log
        self._url = url
        self._lives: list[Life] = []
        self._births: deque[asyncio.Future[int]] = deque()
        self._endings: dict[int, asyncio.Future[int]] = {}

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
        pipe = asyncio.subprocess.PIPE
        self._zygote = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "chaos.zygote", cwd=ROOT, stdin=pipe, stdout=pipe
        )
        self._listening = asyncio.create_task(self._listen())
        await self._birth()
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None
    ) -> None:
        for life in self._lives:
            await life.end()
        assert self._zygote.stdin is not None
        self._zygote.stdin.close()
        await self._zygote.wait()
        await self._listening
        await self._session.close()

    async def begin(self, *, fresh: bool = False, trap: Trap | None = None, port: int | None = None) -> Life:
        """A new life; the one before at its port must have ended. `fresh`: in a new interpreter, as an operator starts
        it; `trap`: laid in a forked one; `port`: another than usual."""
        born = time.monotonic()
        variables = self._variables | ({} if port is None else {"PORT": str(port)})
        pid, ending = await (self._executed(variables) if fresh else self._forked(variables, trap))
        url = self._url if port is None else f"http://127.0.0.1:{port}"
        self._lives = [life for life in self._lives if not life.has_ended]
        self._lives.append(Life(pid, born, url, self._session, ending))
        return self._lives[-1]

    async def _forked(self, variables: dict[str, str], trap: Trap | None) -> "tuple[int, asyncio.Future[int]]":
        zygote = self._zygote
        assert zygote.stdin is not None
        laid = None if trap is None else trap.plain()
        wanted = {"variables": variables, "log": str(self._log), "trap": laid}
        zygote.stdin.write(json.dumps(wanted).encode() + b"\n")
        pid = await self._birth()
        return pid, self._endings[pid]

    async def _birth(self) -> int:
        self._births.append(asyncio.get_running_loop().create_future())
        return await self._births[-1]

    async def _listen(self) -> None:
        """Hear what the zygote tells of births, in the order they were asked for, and deaths."""
        assert self._zygote.stdout is not None
        async for line in self._zygote.stdout:
            pid, *code = map(int, line.split())
            if code:
                self._endings[pid].set_result(code[0])
            else:
                self._endings[pid] = asyncio.get_running_loop().create_future()
                self._births.popleft().set_result(pid)

    async def _executed(self, variables: dict[str, str]) -> "tuple[int, asyncio.Future[int]]":
        settings = {name for row in settings_table() for name in (row.name, *row.also)}
        environment = {name: value for name, value in os.environ.items() if name not in settings}
        with self._log.open("a") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "orchestrator", "serve", "--no-sandbox"),
                cwd=self._log.parent,
                env=environment | variables | {"PYTHONPATH": str(ROOT)},
                stdout=output,
                stderr=output,
            )
        return process.pid, asyncio.ensure_future(process.wait())

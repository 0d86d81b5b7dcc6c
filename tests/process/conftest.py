"""The real commands as processes of their own, each test in a folder of its own with its own ports and database."""

import asyncio
import itertools
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from orchestrator.cli import main
from orchestrator.settings_table import settings_table

PATIENCE_S = 20.0
AT_ONCE = 4
# Waiting times short enough for tests.
HASTE = {
    "PUBLISH_GRACE_S": "0.3",
    "RETRY_BASE_S": "0.1",
    "RETRY_CAP_S": "0.5",
    "QUIET_PERIOD_S": "0.8",
    "DISPATCH_POLL_S": "0.3",
    "RECONCILE_S": "1",
}
OPEN = ("pending", "running", "retrying", "ambiguous")
# Commands that end are copies of one process that has imported the program; those that stay are their own interpreters.
_COPIES = multiprocessing.get_context("forkserver")
_PROGRAM = ("cli", "dumps", "running", "app", "customer_book", "sandbox.server")
_COPIES.set_forkserver_preload([f"orchestrator.{name}" for name in _PROGRAM])


@dataclass(frozen=True)
class Answer:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, read as JSON."""
        return json.loads(self.out)

    def refused(self, code: int) -> list[str]:
        """The lines of standard error, the exit code being `code` and nothing having been blurted out."""
        assert self.code == code, self
        assert "Traceback" not in self.err
        return self.err.splitlines()


class Running:
    """A command that goes on until it is told to stop."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self.log = log
        self.said = ""

    def wait_for(self, words: str) -> str:
        """The line of standard output that holds `words`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if words in line:
                return line
        raise AssertionError(f"ended without saying {words!r}: {self.said}{self.log.read_text()}")

    def signal(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def ended(self, seconds: float = PATIENCE_S) -> int:
        """The exit code, once it has ended; negative if a signal ended it."""
        return self.process.wait(seconds)

    def close(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(5)
        assert self.process.stdout is not None
        self.process.stdout.close()


class Place:
    """A folder, two ports and an environment, and the commands run there."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession) -> None:
        self.folder = folder
        self.session = session
        self.port, self.sandbox_port = free_ports()
        self.url, self.sandbox_url = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.sandbox_port}"
        self.variables = clean_environment() | HASTE
        self.variables |= {
            "PORT": str(self.port),
            "SANDBOX_PORT": str(self.sandbox_port),
            "DATABASE_URL": f"sqlite+aiosqlite:///{folder}/hub.db",
        }
        self._started: list[Running] = []
        self._numbers = itertools.count()
        self._said = folder.with_name(folder.name + "-said")
        self._said.mkdir()

    def run(self, *arguments: str, piped: bytes = b"", **variables: str) -> Answer:
        """A command from beginning to end; `piped`: its standard input, `variables` beside the usual environment."""
        return self._begin(arguments, piped, variables)()

    def run_all(self, *commands: str, **variables: str) -> dict[str, Answer]:
        """Several commands, side by side; each one's answer.

        All from one thread: starting a process asks those before it whether they ended, and two threads that ask
        the same process take the exit code from each other.
        """
        answers: dict[str, Answer] = {}
        for first in range(0, len(commands), AT_ONCE):
            some = commands[first : first + AT_ONCE]
            begun = {command: self._begin(tuple(command.split()), b"", variables) for command in some}
            answers |= {command: end() for command, end in begun.items()}
        return answers

    def _begin(self, arguments: tuple[str, ...], piped: bytes, variables: dict[str, str]) -> Callable[[], Answer]:
        number = next(self._numbers)
        given, out, err = (self._said / f"{number}.{name}" for name in ("in", "out", "err"))
        given.write_bytes(piped)
        environment = self.variables | variables
        process = _COPIES.Process(target=_be, args=(arguments, self.folder, environment, given, out, err))
        process.start()

        def end() -> Answer:
            process.join(PATIENCE_S)
            assert process.exitcode is not None, f"{arguments} did not end within {PATIENCE_S:g} s"
            return Answer(process.exitcode, out.read_text(), err.read_text())

        return end

    def start(self, *arguments: str, **variables: str) -> Running:
        """A command that goes on; its standard error in a file beside the database."""
        log = self.folder / f"{len(self._started)}-{arguments[0]}.log"
        with log.open("w") as standard_error:
            process = subprocess.Popen(
                [sys.executable, "-m", "orchestrator", *arguments],
                cwd=self.folder,
                env=self.variables | variables,
                stdout=subprocess.PIPE,
                stderr=standard_error,
                text=True,
            )
        self._started.append(Running(process, log))
        return self._started[-1]

    def serve(self, *options: str, **variables: str) -> Running:
        """The service, listening."""
        service = self.start("serve", *options, **variables)
        service.wait_for(self.url)
        return service

    def sandbox(self) -> Running:
        """The sandbox alone, listening."""
        sandbox = self.start("sandbox", "--service-url", self.url)
        sandbox.wait_for(self.sandbox_url)
        return sandbox

    def close(self) -> None:
        """End what still runs."""
        for running in self._started:
            running.close()

    async def get(self, url: str) -> Any:
        """What is at an address, as JSON."""
        async with self.session.get(url) as response:
            assert response.status == 200, (url, response.status)
            return await response.json()

    async def control(self, path: str, body: object, method: str = "POST") -> Any:
        """Call the sandbox's control API; its answer."""
        async with self.session.request(method, self.sandbox_url + path, json=body) as response:
            assert response.status < 300, await response.text()
            return await response.json()

    async def say(self, sender: str, text: str) -> str:
        """A customer writes; the conversation's SID."""
        answer = await self.control("/sandbox/inbound", {"from": sender, "body": text})
        return str(answer["conversation_sid"])

    async def dump(self, sid: str) -> Any:
        """The state dump; None while the service does not know the conversation, or is away."""
        try:
            async with self.session.get(f"{self.url}/debug/conversations/{sid}") as response:
                return await response.json() if response.status == 200 else None
        except aiohttp.ClientError:
            return None

    async def quiet(self, sid: str) -> Any:
        """Wait until its customer was heard and nothing is under way for the conversation; its dump."""

        async def settled() -> Any:
            dump = await self.dump(sid)
            heard = dump and any(row["trigger"] == "message_received" for row in dump["history"])
            return dump if heard and not under_way(dump) else None

        return await until(settled)

    async def ready(self) -> int:
        """What `/readyz` answers; 0 when nobody does."""
        try:
            async with self.session.get(f"{self.url}/readyz") as response:
                return response.status
        except aiohttp.ClientError:
            return 0


def _be(
    arguments: tuple[str, ...], folder: Path, environment: dict[str, str], given: Path, out: Path, err: Path
) -> None:
    """Be the command, in a copy."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.dup2(os.open(given, os.O_RDONLY), 0)
    sys.stdin = os.fdopen(0)
    sys.argv = ["expert-hub", *arguments]
    main()


def under_way(dump: Any) -> list[Any]:
    """The effects and events of a dump that are not done with."""
    return [*(effect for effect in dump["effects"] if effect["status"] in OPEN), *dump["undecided"]]


async def until(what: Callable[[], Awaitable[Any]], seconds: float = PATIENCE_S) -> Any:
    """Ask until the answer is truthy; it."""
    deadline = time.monotonic() + seconds
    while not (answer := await what()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(0.05)
    return answer


def free_ports() -> tuple[int, int]:
    """Two ports nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def clean_environment() -> dict[str, str]:
    """The environment without any setting in it."""
    settings = {name for row in settings_table() for name in (row.name, *row.also)}
    return {name: value for name, value in os.environ.items() if name not in settings}


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """A folder with nothing in it."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_S)) as session:
        place = Place(tmp_path, session)
        try:
            yield place
        finally:
            place.close()

"""A client that costs little: requests made beforehand, sent over kept connections, and only the status read."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from resource import RUSAGE_SELF, getrusage
from typing import cast
from urllib.parse import urlsplit

CONNECTIONS = 64
HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"
# How long before a request is due its sender stops sleeping: timers are a millisecond too late or more.
AWAKE_S = 0.0015


@dataclass(slots=True)
class Outcome:
    """What came of a load. `waited`: seconds from the moment a request was due to its answer, in no order; `busy`: the
    share of its time for which the driver had the CPU."""

    seconds: float
    waited: list[float] = field(default_factory=list)
    refused: int = 0
    busy: float = 0.0

    @property
    def per_second(self) -> float:
        """Requests answered a second."""
        return len(self.waited) / self.seconds

    def quantile(self, share: float) -> float:
        """A quantile of the waiting times, in seconds."""
        return sorted(self.waited)[min(len(self.waited) - 1, int(share * len(self.waited)))]


class _Line(asyncio.Protocol):
    """One kept connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._found = b""
        self._answer: asyncio.Future[bool] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no class of asyncio's
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._found += data
        head, end, body = self._found.partition(HEAD_END)
        if not end or self._answer is None or len(body) < _length(head):
            return
        answer, self._answer, self._found = self._answer, None, b""
        if not answer.done():
            answer.set_result(head[9:10] == b"2")

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("the server hung up on a request"))

    async def ask(self, request: bytes) -> bool:
        """Send a request; whether the answer was a success. Raises OSError when the connection is lost."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


def _length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(LENGTH)
    return 0 if at < 0 else int(lowered[at + len(LENGTH) :].split(b"\r", 1)[0])


@asynccontextmanager
async def _lines(urls: Sequence[str], count: int) -> AsyncIterator[list[_Line]]:
    """So many connections, spread evenly over the servers."""
    loop = asyncio.get_running_loop()
    lines = []
    for number in range(count):
        parts = urlsplit(urls[number % len(urls)])
        assert parts.hostname is not None
        assert parts.port is not None
        lines.append((await loop.create_connection(_Line, parts.hostname, parts.port))[1])
    try:
        yield lines
    finally:
        for line in lines:
            line.close()


def _cpu_s() -> float:
    used = getrusage(RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def closed_loop(urls: Sequence[str], requests: Iterator[bytes], seconds: float) -> Outcome:
    """As many requests as 64 connections get answered in `seconds`, each sending its next one at once; it ends sooner
    where there are no more requests."""
    outcome = Outcome(seconds)

    async def drive(line: _Line) -> None:
        while (now := time.perf_counter()) < began + seconds and (request := next(requests, None)) is not None:
            outcome.refused += not await line.ask(request)
            outcome.waited.append(time.perf_counter() - now)

    async with _lines(urls, CONNECTIONS) as lines:
        began, cpu_s = time.perf_counter(), _cpu_s()
        await asyncio.gather(*(drive(line) for line in lines))
        outcome.seconds = time.perf_counter() - began
        outcome.busy = (_cpu_s() - cpu_s) / outcome.seconds
    return outcome


async def open_loop(url: str, requests: Sequence[bytes], per_second: float) -> Outcome:
    """A request every 1/`per_second`, however long the answers take; waiting counts from when it was due."""
    outcome = Outcome(len(requests) / per_second)
    idle: asyncio.Queue[_Line] = asyncio.Queue()

    async def one(due: float, request: bytes) -> None:
        line = await idle.get()
        outcome.refused += not await line.ask(request)
        outcome.waited.append(time.perf_counter() - due)
        idle.put_nowait(line)

    async with _lines([url], CONNECTIONS) as lines:
        for line in lines:
            idle.put_nowait(line)
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number, request in enumerate(requests):
                due = began + number / per_second
                await _until(due)
                group.create_task(one(due, request))
    return outcome


async def _until(due: float) -> None:
    """Wait for a moment, and be there on time: the last of it awake, letting answers in."""
    left = due - time.perf_counter()
    if left > AWAKE_S:
        await asyncio.sleep(left - AWAKE_S)
    while time.perf_counter() < due:  # noqa: ASYNC110
        await asyncio.sleep(0)

"""A client that costs little: requests made beforehand, sent over kept connections, and only the status read."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LENGTH = b"content-length:"


@dataclass(slots=True)
class Outcome:
    """What came of a load. `waited`: seconds from the moment a request was due to its answer, in no order."""

    seconds: float
    waited: list[float] = field(default_factory=list)
    refused: int = 0

    @property
    def per_second(self) -> float:
        """Requests answered a second."""
        return len(self.waited) / self.seconds

    def quantile(self, share: float) -> float:
        """A quantile of the waiting times, in seconds."""
        return sorted(self.waited)[min(len(self.waited) - 1, int(share * len(self.waited)))]


class _Line:
    """One kept connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: bytes) -> bool:
        """Send a request; whether the answer was a success."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        at = head.lower().find(LENGTH)
        if at >= 0:
            await self._reader.readexactly(int(head[at + len(LENGTH) : head.index(b"\r", at)]))
        return head[9:10] == b"2"

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def _lines(url: str, count: int) -> list[_Line]:
    parts = urlsplit(url)
    return [_Line(*await asyncio.open_connection(parts.hostname, parts.port)) for _ in range(count)]


async def closed_loop(url: str, requests: Iterator[bytes], connections: int, seconds: float) -> Outcome:
    """As many requests as `connections` get answered in `seconds`, each sending its next one at once."""
    lines = await _lines(url, connections)
    began = time.perf_counter()
    outcome = Outcome(seconds)

    async def drive(line: _Line) -> None:
        while (now := time.perf_counter()) < began + seconds:
            outcome.refused += not await line.ask(next(requests))
            outcome.waited.append(time.perf_counter() - now)

    await asyncio.gather(*(drive(line) for line in lines))
    outcome.seconds = time.perf_counter() - began
    for line in lines:
        line.close()
    return outcome


async def open_loop(url: str, requests: Iterator[bytes], per_second: float, seconds: float) -> Outcome:
    """A request every 1/`per_second`, however long the answers take; waiting counts from when it was due."""
    free: Sequence[_Line] = await _lines(url, 64)
    idle: asyncio.Queue[_Line] = asyncio.Queue()
    for line in free:
        idle.put_nowait(line)
    outcome = Outcome(seconds)

    async def one(due: float, request: bytes) -> None:
        line = await idle.get()
        outcome.refused += not await line.ask(request)
        outcome.waited.append(time.perf_counter() - due)
        idle.put_nowait(line)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(round(per_second * seconds)):
            due = began + number / per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(one(due, next(requests)))
    for line in free:
        line.close()
    return outcome

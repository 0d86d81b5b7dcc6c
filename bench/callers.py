"""An even load as a client of aiohttp's puts it on and sees it answered, its own cost included.

`load.open_loop` takes next to no time of its own and is there when a request is due; what it tells is the server's
time. Whoever measures with a client at hand measures that one too, on both sides of a ratio.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence

import aiohttp

from bench.load import HEAD_END, Outcome

# Headers that the client writes by itself.
ITS_OWN = ("host", "content-length")


async def even_load(url: str, requests: Sequence[bytes], per_second: float) -> Outcome:
    """The same requests as `load.open_loop` sends, one every 1/`per_second`; waiting counts from when each was due."""
    outcome = Outcome(len(requests) / per_second)

    async def one(due: float, request: bytes) -> None:
        target, headers, body = _taken_apart(request)
        async with session.post(url + target, data=body, headers=headers) as answer:
            await answer.read()
            outcome.refused += answer.status != 200
        outcome.waited.append(time.perf_counter() - due)

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        began = time.perf_counter()
        for number, request in enumerate(requests):
            due = began + number / per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(one(due, request))
    return outcome


def _taken_apart(request: bytes) -> tuple[str, Mapping[str, str], bytes]:
    """The target, the headers and the body of a request as it goes over the wire."""
    head, _, body = request.partition(HEAD_END)
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return first.split(" ")[1], {name: it for name, it in headers.items() if name.lower() not in ITS_OWN}, body

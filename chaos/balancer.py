"""A load balancer before several replicas: round robin, on to the next one where nobody answers."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web

# A replica that has not answered by then is taken for stalled: the next one is sent the request too, and the first
# good answer counts. So what a frozen replica was sent is delivered twice.
STALLED_S = 1.0
# Longer than any freeze, so that a request waits for its replica as a socket's buffer would.
GIVEN_UP_S = 30.0
UNHEARD_S = 6.0
BAD_GATEWAY = 502
_HANDED_ON = ("X-Twilio-Signature", "Content-Type", "I-Twilio-Idempotency-Token")


class Heard(NamedTuple):
    """What a replica answered."""

    status: int
    body: bytes


class Balancer:
    """Hands requests on to `urls`. `copies`: to how many replicas at the same instant, 1 as load balancers do."""

    def __init__(
        self, session: aiohttp.ClientSession, urls: Sequence[str], copies: Callable[[], int] = lambda: 1
    ) -> None:
        self.webhooks = 0
        self.answers: Counter[tuple[str, int]] = Counter()
        self.failed: Counter[str] = Counter()
        self._session = session
        self._urls = list(urls)
        self._copies = copies
        self._turns = count()
        self._under_way: set[asyncio.Task[Any]] = set()

    def app(self) -> web.Application:
        """What listens at the public address."""
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self.hand_on)
        return app

    async def hand_on(self, request: web.Request) -> web.Response:
        """Answer as the first replica that answers, 502 where none does."""
        body = await request.read()
        self.webhooks += 1
        turn = next(self._turns) % len(self._urls)
        replicas = self._urls[turn:] + self._urls[:turn]
        heard = await self._first(replicas, self._copies(), request, body)
        return web.Response(status=heard.status, body=heard.body, content_type="application/json")

    async def _first(self, replicas: Sequence[str], at_once: int, request: web.Request, body: bytes) -> Heard:
        asked = {self._ask(url, request, body) for url in replicas[:at_once]}
        waiting = list(replicas[at_once:])
        while asked:
            done, asked = await asyncio.wait(
                asked, timeout=STALLED_S if waiting else UNHEARD_S, return_when=asyncio.FIRST_COMPLETED
            )
            if heard := next(filter(None, (task.result() for task in done)), None):
                return heard
            if waiting:
                if not done:
                    self.failed["stalled"] += 1
                asked = asked | {self._ask(waiting.pop(0), request, body)}
            elif not done:
                break
        self.failed["answered by nobody"] += 1
        return Heard(BAD_GATEWAY, b"")

    def _ask(self, url: str, request: web.Request, body: bytes) -> "asyncio.Task[Heard | None]":
        task = asyncio.create_task(self._exchange(url, request, body))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def _exchange(self, url: str, request: web.Request, body: bytes) -> Heard | None:
        headers = {name: request.headers[name] for name in _HANDED_ON if name in request.headers}
        try:
            async with (
                asyncio.timeout(GIVEN_UP_S),
                self._session.request(request.method, url + request.path_qs, data=body, headers=headers) as answer,
            ):
                heard = Heard(answer.status, await answer.read())
        except TimeoutError:
            self.failed["given up"] += 1
        except aiohttp.ClientConnectorError:
            self.failed["refused"] += 1
        except aiohttp.ClientError:
            self.failed["cut"] += 1
        else:
            self.answers[request.path, heard.status] += 1
            return heard
        return None

    async def delivered(self) -> None:
        """Wait until no copy is under way."""
        while self._under_way:
            await asyncio.wait(set(self._under_way))

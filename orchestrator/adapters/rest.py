"""Asking a vendor's REST API for JSON: what both hosted CRMs have in common.

Every failure is CrmUnavailable; its text names no address, no number and no secret. No redirect is followed, for the
token would go with it.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from orchestrator.errors import CrmUnavailable

BODY_MAX_BYTES = 2_000_000
WAIT_S, WAIT_MAX_S = 1.0, 60.0  # after a 429 that says nothing; and at most, whatever it says


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, and the JSON that came with it (None where there was none)."""

    status: int
    json: Any


class Rest:
    """One API at `url`, called `name` in errors. `clock` gives seconds, monotonic.

    After a 429 nobody is let through until the time it names has passed.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        name: str,
        url: str,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.url = url.rstrip("/")
        self.clock = clock
        self._session = session
        self._timeout_s = timeout_s
        self._closed_until = clock()

    async def ask(self, method: str, path: str, token: str | None = None, **content: Any) -> Answer:
        """Send one request; `content` as aiohttp takes it. Raises CrmUnavailable for 429, 5xx and no answer."""
        if self.clock() < self._closed_until:
            raise CrmUnavailable(f"{self.name} has asked us to wait")
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            async with self._session.request(
                method, self.url + path, headers=headers, allow_redirects=False, **content
            ) as answer:
                if answer.status == 429:
                    self._closed_until = self.clock() + _wait(answer.headers.get("Retry-After"))
                if answer.status == 429 or answer.status >= 500 or 300 <= answer.status < 400:
                    raise CrmUnavailable(f"{self.name} answered {answer.status}")
                return Answer(answer.status, await self._json(answer))
        except (aiohttp.ClientError, OSError) as error:
            raise CrmUnavailable(f"{self.name} did not answer: {type(error).__name__}") from error

    @asynccontextmanager
    async def in_time(self) -> AsyncIterator[None]:
        """All that a question of ours takes, within the time for one. Raises CrmUnavailable."""
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except TimeoutError as error:
            raise CrmUnavailable(f"{self.name} did not answer within {self._timeout_s:g} s") from error

    async def _json(self, answer: aiohttp.ClientResponse) -> Any:
        body = bytearray()
        async for chunk in answer.content.iter_any():
            body += chunk
            if len(body) > BODY_MAX_BYTES:
                raise CrmUnavailable(f"{self.name} answered over {BODY_MAX_BYTES} bytes")
        try:
            return json.loads(body) if body else None
        except (ValueError, RecursionError) as error:
            raise CrmUnavailable(f"{self.name} answered {answer.status} and no JSON") from error


def _wait(retry_after: str | None) -> float:
    is_number = retry_after is not None and retry_after.isascii() and retry_after.isdecimal()
    return min(float(retry_after or 0), WAIT_MAX_S) if is_number else WAIT_S

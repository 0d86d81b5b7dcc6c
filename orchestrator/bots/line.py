"""The line to a vendor: one POST after another within one clock, and what a failure of it comes to.

Two clocks. Whether the vendor takes the question at all is known within ACK_S: a connection that does not come about
is tried again, and nothing is told to the customer. The answer has BOT_TIMEOUT_S, everything included: a token, a
session, a second attempt.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from orchestrator.errors import BotUnusable

ACK_S = 3.0
ANSWER_MAX_BYTES = 262_144
_PAUSE_S = 0.2
_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, the JSON that came with it (None where it was not asked for), and how long to wait after it, in s."""

    status: int
    json: Any
    wait_s: float = _PAUSE_S

    def wanted(self, name: str, *statuses: int) -> Any:
        """The JSON, where the status is one of these. Raises BotUnusable."""
        if self.status not in statuses:
            raise BotUnusable(f"{name} answered {self.status}")
        return self.json


class Line:
    """Asks a vendor called `name` in errors. `repeats`: whether a question may be asked twice, so that a cut and any
    5xx are tried again; else only what was certainly not looked at (no connection, 429, 503)."""

    def __init__(self, session: aiohttp.ClientSession, name: str, timeout_s: float, *, repeats: bool) -> None:
        self.name = name
        self._session = session
        self._timeout_s = timeout_s
        self._repeats = repeats

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """All that one answer takes, in its time. Raises BotUnusable."""
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except TimeoutError as error:
            raise BotUnusable(f"{self.name} gave no answer within {self._timeout_s:g} s") from error

    async def post(self, url: str, headers: Mapping[str, str] | None = None, **content: Any) -> Reply:
        """Send one question; `content` as aiohttp takes it. The text of a BotUnusable names no secret and no word of
        the customer's."""
        for _ in range(_ATTEMPTS - 1):
            try:
                reply = await self._once(url, headers, content)
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
                await asyncio.sleep(_PAUSE_S)
                continue
            except (aiohttp.ClientError, OSError) as error:
                if not self._repeats:
                    raise self._silent(error) from error
                await asyncio.sleep(_PAUSE_S)
                continue
            if not self._passes(reply):
                return reply
            await asyncio.sleep(reply.wait_s)
        try:
            return await self._once(url, headers, content)
        except (aiohttp.ClientError, OSError) as error:
            raise self._silent(error) from error

    def _passes(self, reply: Reply) -> bool:
        """Whether a refusal may be over in time: one that asks for more than half of it is not waited for."""
        is_passing = reply.status in (429, 503) or (self._repeats and reply.status >= 500)
        return is_passing and reply.wait_s <= self._timeout_s / 2

    def _silent(self, error: Exception) -> BotUnusable:
        return BotUnusable(f"{self.name} gave no answer ({type(error).__name__})")

    async def _once(self, url: str, headers: Mapping[str, str] | None, content: Mapping[str, Any]) -> Reply:
        patience = aiohttp.ClientTimeout(sock_connect=min(ACK_S, self._timeout_s / 2))
        async with self._session.post(
            url, headers=headers, timeout=patience, allow_redirects=False, **content
        ) as answer:
            if not 200 <= answer.status < 300:
                return Reply(answer.status, None, _wait_s(answer.headers.get("Retry-After")))
            return Reply(answer.status, await self._json(answer))

    async def _json(self, answer: aiohttp.ClientResponse) -> Any:
        found = bytearray()
        async for chunk in answer.content.iter_any():
            found += chunk
            if len(found) > ANSWER_MAX_BYTES:
                raise BotUnusable(f"{self.name} answered over {ANSWER_MAX_BYTES} bytes")
        try:
            return json.loads(found.decode())
        except (ValueError, RecursionError) as error:
            raise BotUnusable(f"{self.name} answered no JSON") from error


def _wait_s(retry_after: str | None) -> float:
    is_number = retry_after is not None and retry_after.isascii() and retry_after.isdecimal()
    return float(retry_after or 0) if is_number else _PAUSE_S


def part(value: object, *path: str) -> Any:
    """What stands at `path` in JSON objects within one another; None where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def items(value: object) -> list[dict[str, Any]]:
    """The objects of a JSON list; whatever else is in it, or is no list, is left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

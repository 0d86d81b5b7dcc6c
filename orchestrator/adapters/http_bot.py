"""A bot behind a URL, with its answers taken strictly: whatever it does, the customer is not kept waiting."""

import asyncio
import json
from typing import Any

import aiohttp

from orchestrator.bots.contract import MESSAGE_MAX, answer_of, route_of, writable
from orchestrator.bots.sight import Sight
from orchestrator.errors import BotUnusable
from orchestrator.ports import Answer, Question

ANSWER_MAX_BYTES = 65_536

_PAUSE_S = 0.2


class HttpBot:
    """Asks by POST and expects 200 `{"message": …, "route": "no" | "agent" | "last" | an email address}`.

    url: the bot. timeout_s: seconds for one reply in all, a second attempt included. sight: what it sees of the
    customer besides his address, which it is always sent as `author`. Docs: docs/bots.md.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, timeout_s: float, sight: Sight | None = None) -> None:
        self._session = session
        self._url = url
        self._timeout_s = timeout_s
        self._sight = sight or Sight()

    async def reply(self, question: Question) -> Answer:
        """Answer one message. Raises `BotUnusable` for anything but a good answer in time.

        A refused connection and a 5xx are tried a second time: they come with a restart of the bot, and a
        question may be asked twice.
        """
        asked = {
            "conversation_sid": question.conversation_sid,
            "message_sid": question.message_sid,
            "author": question.author,
            "body": question.body,
            "state": question.state,
        }
        try:
            async with asyncio.timeout(self._timeout_s):
                seen = await self._sight.of(question)
                asked |= {name: value for name, value in seen.items() if name != "address"}
                return _answer(await self._ask(asked))
        except TimeoutError as error:
            raise BotUnusable(f"no answer within {self._timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            raise BotUnusable(f"no answer ({type(error).__name__})") from error

    async def _ask(self, asked: dict[str, str]) -> bytes:
        try:
            status, content = await self._post(asked)
        except aiohttp.ClientConnectorError:
            status, content = 503, b""
        if status >= 500:
            await asyncio.sleep(_PAUSE_S)
            status, content = await self._post(asked)
        if status != 200:
            raise BotUnusable(f"answer {status} where 200 is expected")
        return content

    async def _post(self, asked: dict[str, str]) -> tuple[int, bytes]:
        unlimited = aiohttp.ClientTimeout()
        async with self._session.post(self._url, json=asked, timeout=unlimited, allow_redirects=False) as answer:
            return answer.status, await _content(answer) if answer.status == 200 else b""


async def _content(answer: aiohttp.ClientResponse) -> bytes:
    found = bytearray()
    async for chunk in answer.content.iter_any():
        found += chunk
        if len(found) > ANSWER_MAX_BYTES:
            raise BotUnusable(f"the answer is over {ANSWER_MAX_BYTES} bytes")
    return bytes(found)


def _answer(content: bytes) -> Answer:
    """Of the two fields of old each is taken strictly; what came later is repaired like any bot's."""
    fields = _fields(content)
    route_of(fields.get("route"))
    message = fields.get("message")
    if isinstance(message, str) and len(writable(message)) > MESSAGE_MAX:
        raise BotUnusable(f"message is over {MESSAGE_MAX} characters")
    return answer_of(fields)


def _fields(content: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise BotUnusable("the answer is not JSON") from error
    if not isinstance(fields, dict):
        raise BotUnusable("the answer is not a JSON object")
    return fields

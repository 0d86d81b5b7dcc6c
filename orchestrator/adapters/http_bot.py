"""A bot behind a URL, with its answers taken strictly: whatever it does, the customer is not kept waiting."""

import asyncio
import json
import unicodedata
from typing import Any, Literal

import aiohttp
from email_validator import EmailNotValidError, validate_email

from orchestrator.errors import BotUnusable
from orchestrator.ports import Answer, Question

ANSWER_MAX_BYTES = 65_536
# Four outbound messages; nobody reads more of a bot at once, and each costs.
MESSAGE_MAX = 6_400

_PAUSE_S = 0.2
_KEPT_CONTROLS = "\n\t"


class HttpBot:
    """Asks by POST and expects 200 `{"message": …, "route": "no" | "agent" | "flex" | an email address}`.

    url: the bot. timeout_s: seconds for one reply in all, a second attempt included.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, timeout_s: float) -> None:
        self._session = session
        self._url = url
        self._timeout_s = timeout_s

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
    fields = _fields(content)
    message = _message(fields.get("message"))
    route, identity = _route(fields.get("route"))
    if not message and route == "no":
        raise BotUnusable("the answer neither says anything nor routes")
    return Answer(message, route, identity)


def _fields(content: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise BotUnusable("the answer is not JSON") from error
    if not isinstance(fields, dict):
        raise BotUnusable("the answer is not a JSON object")
    return fields


def _message(value: object) -> str:
    """What to say, without control characters and halves of surrogate pairs; nothing for null."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BotUnusable("message is not a string")
    message = "".join(char for char in value if _is_writable(char)).strip()
    if len(message) > MESSAGE_MAX:
        raise BotUnusable(f"message is over {MESSAGE_MAX} characters")
    return message


def _is_writable(char: str) -> bool:
    return char in _KEPT_CONTROLS or unicodedata.category(char) not in ("Cc", "Cs")


def _route(value: object) -> tuple[Literal["no", "agent", "email", "flex"], str | None]:
    if not isinstance(value, str):
        raise BotUnusable("route is not a string")
    plain = value.strip()
    match plain.casefold():
        case "no":
            return "no", None
        case "agent":
            return "agent", None
        case "flex":
            return "flex", None
    try:
        # the switch only admits the reserved domain .test (RFC 6761); nothing is looked up
        validate_email(plain, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise BotUnusable("route is neither no, agent, flex nor an email address") from error
    return "email", plain

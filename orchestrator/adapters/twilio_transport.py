"""The HTTP side of the official Twilio client: one session, a deadline, and errors that say what to do next.

The stock asynchronous client applies no timeout, loses the headers of an error, raises one of four shapes of
exception and logs addresses. Only its `request` is replaced, so resources and paging stay the official ones.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from yarl import URL

from orchestrator.adapters.account_hold import AccountHold
from orchestrator.adapters.outcomes import AnswerTooLong, of_answer
from orchestrator.errors import Ambiguous, NotSent

ANSWER_MAX_BYTES = 1_048_576
"""What is read of an answer; adapters choose their page sizes to stay below."""

_TWILIO = ".twilio.com"


class TwilioTransport(AsyncTwilioHttpClient):  # type: ignore[misc]
    """One attempt per call over one session; make it inside a running loop and `close()` it.

    timeout_s: total seconds of a call. api_url: its scheme and host replace Twilio's; path and query stay. `hold` keeps
    calls back while the account's credentials are refused.
    """

    def __init__(self, timeout_s: float, api_url: str | None = None, hold: AccountHold | None = None) -> None:
        super().__init__(pool_connections=False, timeout=timeout_s)
        self.session = aiohttp.ClientSession(connector=_AskingConnector(self._insist))
        self.hold = hold or AccountHold()
        self._timeout_s = timeout_s
        self._origin = URL(api_url).origin() if api_url else None
        # While connecting nothing has left. So connecting has a limit of its own, well before the total one,
        # and a timeout tells by its class on which side of the first byte it fell.
        self._connecting = aiohttp.ClientTimeout(connect=timeout_s / 2)

    def _insist(self) -> None:
        self.hold.insist()

    async def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002 the client never passes one
        allow_redirects: bool = False,
    ) -> Response:
        """Send one request and return a 2xx.

        Raises AnswerTooLong for one over ANSWER_MAX_BYTES, Held without a request while the account is held, and an
        `EffectError` for any other answer; aiohttp's errors and TimeoutError are for `calling`.
        """
        if self.session.closed:
            raise NotSent("the Twilio client is closed")
        target = self._target(url, params)
        with self.hold.passing():
            async with (
                asyncio.timeout(self._timeout_s),
                self.session.request(
                    method,
                    target,
                    data=urlencode(data, doseq=True, errors="replace").encode() if data else None,
                    headers=_with_credentials(headers, auth),
                    timeout=self._connecting,
                    allow_redirects=allow_redirects,
                ) as answer,
            ):
                return _success(answer, await _read(answer))

    def _target(self, url: str, params: Mapping[str, Any] | None) -> URL:
        """Where a call goes. A next page's URL is out of an answer: credentials follow it to Twilio alone."""
        target = URL(url).extend_query(params or {})
        if self._origin is not None:
            return self._origin.join(target.relative())
        if target.scheme != "https" or not (target.host or "").endswith(_TWILIO):
            raise Ambiguous("the answer names a next page that is not Twilio's")
        return target


class _AskingConnector(aiohttp.TCPConnector):
    """Asks, once it is connected, whether the request may still leave: `insist` raises where it may not. Connecting
    takes long enough for a process to be frozen in it, and to lose what it was about to do."""

    def __init__(self, insist: Callable[[], None]) -> None:
        super().__init__()
        self._insist = insist

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        try:
            self._insist()
        except BaseException:
            connection.close()
            raise
        return connection


def _with_credentials(headers: Mapping[str, str] | None, auth: tuple[str, str] | None) -> dict[str, str]:
    complete = dict(headers or {})
    if auth is not None:
        complete["Authorization"] = aiohttp.encode_basic_auth(*auth)
    return complete


def _success(answer: aiohttp.ClientResponse, content: bytes) -> Response:
    text = content[:ANSWER_MAX_BYTES].decode(errors="replace")
    if not 200 <= answer.status < 300:
        raise of_answer(answer.status, text, answer.headers.get("Retry-After"))
    if len(content) > ANSWER_MAX_BYTES:
        raise AnswerTooLong(f"the answer is over {ANSWER_MAX_BYTES} bytes")
    return Response(answer.status, text, answer.headers)


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """The body, or its beginning and a little more than the limit."""
    found = bytearray()
    async for chunk in answer.content.iter_chunked(65_536):
        found += chunk
        if len(found) > ANSWER_MAX_BYTES:
            break
    return bytes(found)

"""Talking to Strapi: finds out its generation, logs in once and keeps the JWT, and reads customers as JSON.

A log-in is limited to ten a minute, failures included, and a JWT lives for weeks; so one call logs in for all, and a
refused log-in is not repeated for a minute. The path of another generation answers 405 or 404.
Every failure is CrmUnavailable; its text names no address and no secret.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import aiohttp

from orchestrator.adapters.strapi_dialects import Dialect, StrapiV3, StrapiV4
from orchestrator.errors import CrmUnavailable

BODY_MAX_BYTES = 1_000_000
LOGIN_PAUSE_S = 60.0
_NOT_HERE = (404, 405)


class FilterRefused(CrmUnavailable):
    """Strapi does not take this filter: v4 and v5 refuse a field or operator, v3 a component, any a value that does
    not fit the column (500)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Pass:
    """What one log-in gave. Compared by identity: two log-ins in one second give the same JWT."""

    jwt: str


class StrapiClient:
    """One Strapi. With `token`, a static API token, it never logs in. `clock` gives seconds, monotonic."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        identifier: str | None,
        password: str | None,
        token: str | None,
        timeout_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._credentials = {"identifier": identifier, "password": password}
        self._is_static = token is not None
        self._pass = _Pass(token) if token is not None else None
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._clock = clock
        self._dialect: Dialect | None = None
        self._log_in_after = clock()
        self._one_at_a_time = asyncio.Lock()

    async def dialect(self) -> Dialect:
        """The generation that answers at this address; asked once."""
        await self._admission()
        if self._dialect is None:
            self._dialect = await self._ask_generation()
        return self._dialect

    async def read(self, query: Mapping[str, str]) -> object:
        """The answer to a list query of `dialect()`'s. Raises FilterRefused for 400 and 500, else CrmUnavailable."""
        path = f"{(await self.dialect()).prefix}/customers"
        admission = await self._admission()
        status, body = await self._send("GET", path, admission, params=query)
        if status == 401 and not self._is_static:
            admission = await self._admission(refused=admission)
            status, body = await self._send("GET", path, admission, params=query)
        if status in _NOT_HERE:
            self._dialect = None
        if status in (400, 500):
            raise FilterRefused(f"Strapi refused a filter ({status})")
        if status != 200:
            raise CrmUnavailable(f"Strapi answered {status} to a list of customers")
        return _parsed(body)

    async def _admission(self, refused: _Pass | None = None) -> _Pass:
        async with self._one_at_a_time:
            if self._pass is None or self._pass is refused:
                self._pass = await self._log_in()
            return self._pass

    async def _log_in(self) -> _Pass:
        if self._clock() < self._log_in_after:
            raise CrmUnavailable("Strapi refused a log-in less than a minute ago")
        for dialect in (StrapiV4(), StrapiV3()):
            status, body = await self._send("POST", f"{dialect.prefix}/auth/local", json=self._credentials)
            if status in _NOT_HERE:
                continue
            if status in (400, 401, 403, 429):
                self._log_in_after = self._clock() + LOGIN_PAUSE_S
            if status != 200:
                raise CrmUnavailable(f"Strapi answered {status} to the log-in")
            self._dialect = dialect
            return _Pass(_jwt(_parsed(body)))
        raise CrmUnavailable("there is no Strapi log-in at STRAPI_URL")

    async def _ask_generation(self) -> Dialect:
        for dialect in (StrapiV4(), StrapiV3()):
            status, _ = await self._send("GET", f"{dialect.prefix}/customers", self._pass)
            if status < 500 and status not in _NOT_HERE:
                return dialect
        raise CrmUnavailable("there are no Strapi customers at STRAPI_URL")

    async def _send(
        self,
        method: str,
        path: str,
        admission: _Pass | None = None,
        params: Mapping[str, str] | None = None,
        json: object = None,
    ) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {admission.jwt}"} if admission else {}
        try:
            async with self._session.request(
                method,
                self._url + path,
                headers=headers,
                params=params,
                json=json,
                allow_redirects=False,
                timeout=self._timeout,
            ) as answer:
                return answer.status, await _body(answer.content)
        except (aiohttp.ClientError, OSError) as error:
            raise CrmUnavailable(f"Strapi did not answer: {type(error).__name__}") from error


async def _body(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > BODY_MAX_BYTES:
            raise CrmUnavailable(f"Strapi's answer is over {BODY_MAX_BYTES} bytes")
    return bytes(body)


def _parsed(body: bytes) -> object:
    try:
        answer: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise CrmUnavailable("Strapi's answer is no JSON") from error
    return answer


def _jwt(answer: object) -> str:
    jwt = answer.get("jwt") if isinstance(answer, dict) else None
    if not isinstance(jwt, str) or not jwt or not jwt.isascii() or not jwt.isprintable():
        raise CrmUnavailable("Strapi's log-in gave no JWT")
    return jwt

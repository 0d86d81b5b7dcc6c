"""Twilio's Media Content Service as the neighbour that keeps what messages carry.

A medium is kept by posting its bytes to `/v1/Services/{IS}/Media`, and described at `/v1/Services/{IS}/Media/{ME}`
(Basic auth), with a link to its content that holds for minutes and needs no credentials. (Twilio Docs, "Media
Resource".) The service has a host of its own, which `TWILIO_API_URL` replaces like any other.
"""

import asyncio
import json
from io import BytesIO
from typing import Any

import aiohttp
from yarl import URL

from orchestrator.adapters.outcomes import calling, known, of_answer
from orchestrator.adapters.twilio_client import Connect
from orchestrator.errors import Ambiguous, Rejected
from orchestrator.ports import Attachment

HOST = URL("https://mcs.us1.twilio.com")
_TWILIO = ".twilio.com"
_DESCRIPTION_MAX_BYTES = 65_536
_TOO_LARGE = 413


class TwilioMedia:
    """The `Attachments` port. `timeout_s`: seconds for one call; `api_url`: its scheme and host replace Twilio's."""

    def __init__(
        self,
        connect: Connect,
        session: aiohttp.ClientSession,
        credentials: tuple[str, str],
        timeout_s: float,
        api_url: str | None,
    ) -> None:
        self._connect = connect
        self._session = session
        self._headers = {"Authorization": aiohttp.encode_basic_auth(*credentials)}
        self._timeout_s = timeout_s
        self._origin = URL(api_url).origin() if api_url else None

    async def of_message(self, sid: str, message_sid: str, service_sid: str | None) -> list[Attachment]:
        """What is attached to a message, in order. A read: harmless twice."""
        with calling():
            message = await (await self._conversation(sid, service_sid)).messages(message_sid).fetch_async()
            return [_attachment(described) for described in message.media or ()]

    async def content(self, sid: str, service_sid: str | None, media_sid: str, limit: int) -> bytes:
        """The bytes of an attachment. A read: harmless twice. Raises Rejected where there are more than `limit`."""
        with calling():
            service = service_sid or await self._service_of(sid)
            described = await self._fetch(
                self._at(HOST / "v1/Services" / service / "Media" / media_sid), _DESCRIPTION_MAX_BYTES, self._headers
            )
            link = known(_links_in(described).get("content_direct_temporary"), str)
            return await self._fetch(self._at(HOST.join(URL(link, encoded=True))), limit, {})

    async def keep(self, sid: str, service_sid: str | None, content: bytes, content_type: str) -> str:
        """Keep what is to be attached to a message; its MediaSid. Twice: it is kept twice, and one is never used."""
        with calling():
            service = service_sid or await self._service_of(sid)
            url = self._at(HOST / "v1/Services" / service / "Media")
            headers = self._headers | {"Content-Type": content_type}
            async with asyncio.timeout(self._timeout_s):
                async with self._session.post(
                    url, data=BytesIO(content), headers=headers, allow_redirects=False
                ) as answer:
                    told = await read_at_most(answer, _DESCRIPTION_MAX_BYTES)
            if answer.status != 201:
                raise of_answer(answer.status, told.decode(errors="replace"))
            return known(known(json.loads(told), dict)["sid"], str)

    async def _service_of(self, sid: str) -> str:
        conversation = await (await self._conversation(sid, None)).fetch_async()
        return known(conversation.chat_service_sid, str)

    async def _conversation(self, sid: str, service_sid: str | None) -> Any:
        api = (await self._connect()).conversations.v1
        return (api.services(service_sid) if service_sid else api).conversations(sid)

    def _at(self, url: URL) -> URL:
        """Where a call goes. A link comes out of an answer: only Twilio is asked, whatever it says."""
        if self._origin is not None:
            return self._origin.join(url.relative())
        if url.scheme != "https" or not (url.host or "").endswith(_TWILIO):
            raise Ambiguous("the answer links to what is not Twilio's")
        return url

    async def _fetch(self, url: URL, limit: int, headers: dict[str, str]) -> bytes:
        async with (
            asyncio.timeout(self._timeout_s),
            self._session.get(url, headers=headers, allow_redirects=False) as answer,
        ):
            content = await read_at_most(answer, limit)
            if answer.status != 200:
                raise of_answer(answer.status, content[:_DESCRIPTION_MAX_BYTES].decode(errors="replace"))
            if len(content) > limit:
                raise Rejected(f"it has more than {limit} bytes", _TOO_LARGE, _TOO_LARGE)
            return content


def _attachment(described: dict[str, Any]) -> Attachment:
    return Attachment(
        media_sid=known(described["sid"], str),
        content_type=known(described["content_type"], str).partition(";")[0].strip().lower(),
        size=known(described["size"], int),
    )


def _links_in(described: bytes) -> dict[str, Any]:
    return known(known(json.loads(described), dict)["links"], dict)


async def read_at_most(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, or its beginning and a little more than the limit."""
    found = bytearray()
    async for chunk in answer.content.iter_chunked(65_536):
        found += chunk
        if len(found) > limit:
            break
    return bytes(found)

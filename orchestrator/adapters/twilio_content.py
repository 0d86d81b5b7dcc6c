"""Twilio's Content API as the neighbour that knows what approved templates say.

`GET https://content.twilio.com/v1/Content/{HX}` (Basic auth) answers `types`, the text by the kind of message, and
`variables`, a sample for each gap (Twilio Docs, "Content API Resources"). It is asked beside the official client: what
somebody may not read there is no reason to hold the account back.
"""

import asyncio
import json
from typing import Any, Final

import aiohttp
from yarl import URL

from orchestrator.adapters.outcomes import calling, known, of_answer
from orchestrator.adapters.twilio_media import read_at_most
from orchestrator.ports import TemplateText
from orchestrator.templates import GAP

HOST: Final = URL("https://content.twilio.com")
_ANSWER_MAX_BYTES: Final = 65_536


class TwilioContent:
    """The `TemplateTexts` port. `timeout_s`: seconds for one call; `api_url`: its scheme and host replace Twilio's."""

    def __init__(
        self, session: aiohttp.ClientSession, credentials: tuple[str, str], timeout_s: float, api_url: str | None
    ) -> None:
        self._session = session
        self._headers = {"Authorization": aiohttp.encode_basic_auth(*credentials)}
        self._timeout_s = timeout_s
        self._origin = URL(api_url).origin() if api_url else HOST

    async def read(self, content_sid: str) -> TemplateText:
        """What a template says. A read: harmless twice."""
        url = self._origin / "v1/Content" / content_sid
        with calling():
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.get(url, headers=self._headers, allow_redirects=False) as answer,
            ):
                told = (await read_at_most(answer, _ANSWER_MAX_BYTES)).decode(errors="replace")
            if answer.status != 200:
                raise of_answer(answer.status, told)
            return _text(known(json.loads(told), dict))


def _text(content: dict[str, Any]) -> TemplateText:
    """Whatever kind of message it is, it has a body; one that has none cannot be shown. Every gap of the body is one,
    whether there is a sample for it or not."""
    kinds = known(content["types"], dict).values()
    bodies = (kind.get("body") for kind in kinds if isinstance(kind, dict))
    body = known(next((body for body in bodies if isinstance(body, str)), None), str)
    samples = known(content.get("variables") or {}, dict)
    gaps = sorted({*GAP.findall(body), *samples}, key=lambda gap: (len(gap), gap))
    return TemplateText(body, {gap: str(samples.get(gap, "")) for gap in gaps})

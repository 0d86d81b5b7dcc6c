"""What approved templates say, from Twilio's Content API, against the sandbox and against what is not Twilio."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from orchestrator.adapters.twilio_content import TwilioContent
from orchestrator.errors import Ambiguous, EffectError, Rejected
from orchestrator.ports import TemplateText, TemplateTexts
from orchestrator.sandbox import seeds
from orchestrator.sandbox.server import start
from orchestrator.templates import Templates
from tests.e2e.doors import serving

SID, BODY, SAMPLES = seeds.TEMPLATES["order_ready"]


async def port(url: str) -> AsyncIterator[TemplateTexts]:
    async with aiohttp.ClientSession() as session:
        yield TwilioContent(session, (seeds.ACCOUNT_SID, seeds.AUTH_TOKEN), 5.0, url)


@pytest.fixture
async def texts() -> AsyncIterator[TemplateTexts]:
    running = await start("127.0.0.1", 0, "http://127.0.0.1:9")
    async for one in port(running.url):
        yield one
    await running.stop()


async def test_a_template_has_a_text_and_a_sample_for_each_gap(texts: TemplateTexts) -> None:
    assert await texts.read(SID) == TemplateText(BODY, SAMPLES)


async def test_one_that_does_not_exist_is_refused(texts: TemplateTexts) -> None:
    with pytest.raises(Rejected):
        await texts.read("HX" + "0" * 32)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"types": {"twilio/media": {"media": [], "body": "It is {{ 10 }} and {{2}}."}}}, {"2": "", "10": ""}),
        ({"types": {"twilio/text": {"body": "Plain"}}, "variables": None}, {}),
        (
            {"types": {"twilio/text": {"body": "{{1}}"}}, "variables": {"1": "name", "2": "spare"}},
            {"1": "name", "2": "spare"},
        ),
    ],
)
async def test_every_gap_is_found_whatever_kind_it_is(content: Any, found: dict[str, str]) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(content)

    async with serving(answer) as url:
        async for one in port(url):
            assert (await one.read(SID)).samples == found


@pytest.mark.parametrize(
    "content", [{}, [], {"types": {}}, {"types": {"twilio/flows": {}}}, {"types": {"x": {"body": 1}}}]
)
async def test_what_cannot_be_read_is_no_text(content: Any) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(content)

    async with serving(answer) as url:
        async for one in port(url):
            with pytest.raises(Ambiguous):
                await one.read(SID)


class Once:
    """Fails first, and is asked no more once it has answered."""

    def __init__(self) -> None:
        self.asked = 0

    async def read(self, content_sid: str) -> TemplateText:
        self.asked += 1
        if self.asked == 1:
            raise EffectError("not now")
        return TemplateText(content_sid, {})


async def test_a_text_is_asked_for_until_it_is_known() -> None:
    texts = Once()
    templates = Templates({"hello": SID}, texts)
    assert [(await templates.find("hello")).text for _ in range(3)] == [None, *[TemplateText(SID, {})] * 2]
    assert texts.asked == 2
    with pytest.raises(KeyError):
        await templates.find("other")

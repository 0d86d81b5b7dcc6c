"""A CRM that is late, down or back: it costs a name for a while, never a reply, and is caught up with."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.e2e.conftest import House
from tests.e2e.doors import serving
from tests.e2e.test_people import ours, received
from tests.test_strapi_crm import VERSIONS, Strapi

ZOE = "+15550100077"


@pytest.fixture(params=list(VERSIONS))
async def strapi(request: pytest.FixtureRequest, bare_house: House) -> AsyncIterator[Strapi]:
    """A Strapi that knows Zoe, and a house that asks it."""
    strapi = Strapi(request.param)
    strapi.add(customer_id=77, display_name="Zoe", channels=[{"type": "sms", "value": ZOE}])
    async with serving(strapi.handle) as url:
        await bare_house.start(
            CRM="strapi", STRAPI_URL=url, STRAPI_IDENTIFIER="frontline_app", STRAPI_PASSWORD="test-only-password"
        )
        yield strapi
        if strapi.hold:
            strapi.hold.set()
        await bare_house.stop()


async def named(house: House, sid: str) -> bool:
    record = await house.record(sid)
    attributes = json.loads(record["participants"][0]["attributes"])
    return bool(record["conversation"]["friendly_name"] == "Zoe" and attributes.get("customer_id") == "77")


async def test_a_customer_the_crm_knows_is_named(bare_house: House, strapi: Strapi) -> None:
    sid = await bare_house.say(ZOE, "Hello")
    await bare_house.until(lambda: named(bare_house, sid))
    assert (await bare_house.dump(sid))["customer"]["display_name"] == "Zoe"


async def test_a_crm_that_is_down_costs_no_reply_and_is_caught_up_with(bare_house: House, strapi: Strapi) -> None:
    strapi.fault = lambda: web.Response(status=503)
    sid = await bare_house.say(ZOE, "Hello")
    await bare_house.until(lambda: received(bare_house, sid, 1), 4)
    await bare_house.until(lambda: answered(bare_house, sid), 4)
    assert (await bare_house.dump(sid))["customer"] is None
    strapi.fault = None
    await bare_house.until(lambda: named(bare_house, sid))


async def test_a_crm_that_hangs_costs_no_reply_and_is_caught_up_with(bare_house: House, strapi: Strapi) -> None:
    strapi.hold = asyncio.Event()
    sid = await bare_house.say(ZOE, "Hello")
    await bare_house.until(lambda: answered(bare_house, sid), 4)
    strapi.hold.set()
    await bare_house.until(lambda: named(bare_house, sid))


async def answered(house: House, sid: str) -> bool:
    return len(await ours(house, sid)) >= 2

"""HubSpotCrm beyond the contract of its port: owners, numbers, the rate limit, refusals."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from orchestrator.adapters import hubspot_crm
from orchestrator.adapters.hubspot_crm import HubSpotCrm
from orchestrator.adapters.rest import BODY_MAX_BYTES
from orchestrator.errors import CrmUnavailable
from states.customers import Channel
from tests.contract.hubspot import RECORDED, TOKEN, HubSpot
from tests.serving import Clock, served

ADA, GRACE = "ada@example.test", "grace@example.test"
SEARCH = "POST /crm/v3/objects/contacts/search"


@pytest.fixture
def hubspot() -> HubSpot:
    return HubSpot()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def url(hubspot: HubSpot) -> AsyncIterator[str]:
    async with served(hubspot.handle) as url:
        yield url


@pytest.fixture
def crm(session: aiohttp.ClientSession, url: str, clock: Clock) -> HubSpotCrm:
    return make(session, url, clock)


def make(session: aiohttp.ClientSession, url: str, clock: Clock, **changes: Any) -> HubSpotCrm:
    wanted = {"token": TOKEN, "country": None, "timeout_s": 5.0, **changes}
    return HubSpotCrm(session, url=url, clock=clock, **wanted)


async def test_a_contact_becomes_a_customer(hubspot: HubSpot, crm: HubSpotCrm) -> None:
    recorded = RECORDED["search"]["results"][0]
    hubspot.owners = RECORDED["owners"]["results"]
    hubspot.contacts = [
        {**recorded, "properties": {**recorded["properties"], "hs_whatsapp_phone_number": "+33600000001"}}
    ]
    found = await crm.find("2001")
    assert found is not None
    assert (found.customer_id, found.display_name, found.worker) == ("2001", "Maria Sanchez", ADA)
    assert found.channels == (Channel("sms", "+15550100001"), Channel("whatsapp", "whatsapp:+33600000001"))
    assert (found.language, found.details) == ("es-MX", {"title": "Title", "content": "Buyer"})
    assert await crm.find_by_address("whatsapp:+33600000001") == found


async def test_a_further_email_address_is_his_and_one_that_only_looks_alike_is_not(
    hubspot: HubSpot, crm: HubSpotCrm
) -> None:
    hubspot.add(firstname="Other", hs_additional_emails="JO@EXAMPLE.TEST.example")
    jo = hubspot.add(
        firstname="Jo", email="jo.ellis@example.test", hs_additional_emails="j@example.test;jo@example.test"
    )
    found = await crm.find_by_address("Jo@example.test")
    assert found is not None
    assert found.customer_id == jo
    assert [channel.value for channel in found.channels] == [
        "jo.ellis@example.test",
        "j@example.test",
        "jo@example.test",
    ]
    assert await crm.find_by_address("o@example.test") is None


async def test_a_contact_without_a_name_has_his_address_and_one_with_neither_is_none(
    hubspot: HubSpot, crm: HubSpotCrm
) -> None:
    named, nameless = hubspot.add(email="jo@example.test"), hubspot.add(phone="+15550100001")
    found = await crm.find(named)
    assert found is not None
    assert found.display_name == "jo@example.test"
    assert await crm.find(nameless) is None


async def test_a_number_as_it_is_written_at_home_is_found_where_the_country_is_known(
    hubspot: HubSpot, crm: HubSpotCrm, session: aiohttp.ClientSession, url: str, clock: Clock
) -> None:
    hubspot.add(firstname="Maria", phone="(555) 010-0001")
    assert await crm.find_by_address("+15550100001") is None
    at_home = await make(session, url, clock, country="US").find_by_address("+15550100001")
    assert at_home is not None
    assert at_home.channels == (Channel("sms", "+15550100001"),)


async def test_owners_are_read_to_the_last_page_and_once_in_five_minutes(
    hubspot: HubSpot, crm: HubSpotCrm, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubspot_crm, "OWNERS_PAGE", "2")
    for number in range(5):
        hubspot.add(owner=f"worker{number}@example.test", firstname=f"Customer {number}")
    for _ in range(3):
        found = await crm.customers("worker4@example.test", 10, None, None)
        assert [one.display_name for one in found] == ["Customer 4"]
    assert hubspot.requests == ["GET /crm/v3/owners"] * 3 + [SEARCH] * 4
    clock.now += hubspot_crm.KEEP_S
    await crm.customers("worker4@example.test", 10, None, None)
    assert hubspot.requests[7:] == ["GET /crm/v3/owners"] * 3 + [SEARCH] * 2


async def test_what_a_removed_owner_had_is_not_everybodys(hubspot: HubSpot, crm: HubSpotCrm) -> None:
    maria = hubspot.add(owner=GRACE, firstname="Maria")
    hubspot.owners.clear()
    found = await crm.find(maria)
    assert found is not None
    assert found.worker == "HubSpot owner 101"
    assert await crm.customers(GRACE, 10, None, None) == []


async def test_after_a_429_nobody_asks_until_the_time_it_names_has_passed(
    hubspot: HubSpot, crm: HubSpotCrm, clock: Clock
) -> None:
    maria = hubspot.add(firstname="Maria")
    hubspot.fault = lambda: web.json_response(RECORDED["too often"], status=429, headers={"Retry-After": "10"})
    with pytest.raises(CrmUnavailable, match="429"):
        await crm.find(maria)
    hubspot.fault = None
    clock.now += 9
    with pytest.raises(CrmUnavailable, match="wait"):
        await crm.find(maria)
    assert len(hubspot.requests) == 1
    clock.now += 1
    assert await crm.find(maria)


@pytest.mark.parametrize("named", ["", "soon", "-5", "1e9", "99999999999"])
async def test_a_429_that_names_no_good_time_costs_a_minute_at_most(
    hubspot: HubSpot, crm: HubSpotCrm, clock: Clock, named: str
) -> None:
    maria = hubspot.add(firstname="Maria")
    hubspot.fault = lambda: web.json_response(RECORDED["too often"], status=429, headers={"Retry-After": named})
    with pytest.raises(CrmUnavailable, match="429"):
        await crm.find(maria)
    hubspot.fault = None
    clock.now += 60
    assert await crm.find(maria)


async def test_a_wrong_token_is_unavailable_and_not_shown(
    session: aiohttp.ClientSession, url: str, clock: Clock
) -> None:
    with pytest.raises(CrmUnavailable, match="401") as refusal:
        await make(session, url, clock, token="a-wrong-token").find("2001")
    assert "a-wrong-token" not in str(refusal.value)


async def test_what_no_contact_can_have_is_not_asked_for(hubspot: HubSpot, crm: HubSpotCrm) -> None:
    for address in ("maria", "messenger:1234567890", ""):
        assert await crm.find_by_address(address) is None
    assert await crm.find("c-17") is None
    assert hubspot.requests == []


FAULTS = {
    "no JSON": lambda: web.Response(text="<html>"),
    "other JSON": lambda: web.json_response({"hello": "world"}),
    "a list": lambda: web.json_response([1, 2]),
    "a list of numbers": lambda: web.json_response({"results": [1]}),
    "deep JSON": lambda: web.Response(text="[" * 100_000),
    "too much": lambda: web.Response(body=b" " * (BODY_MAX_BYTES + 1) + b"{}"),
    "500": lambda: web.Response(status=500),
    "400": lambda: web.json_response(RECORDED["bad request"], status=400),
    "a redirect": lambda: web.Response(status=307, headers={"Location": "https://example.test/"}),
}


@pytest.mark.parametrize("fault", list(FAULTS))
async def test_a_hubspot_that_talks_nonsense_is_unavailable_until_it_recovers(
    hubspot: HubSpot, crm: HubSpotCrm, fault: str
) -> None:
    hubspot.add(firstname="Maria", mobilephone="+15550100001", owner=ADA)
    hubspot.fault = FAULTS[fault]
    for call in (crm.find_by_address("+15550100001"), crm.customers(ADA, 10, None, "maria"), crm.find("2001")):
        with pytest.raises(CrmUnavailable) as refusal:
            await call
        assert not [word for word in ("5550100001", "aria", TOKEN) if word in str(refusal.value)]
    hubspot.fault = None
    assert await crm.find_by_address("+15550100001")


async def test_a_hubspot_that_is_not_there_is_unavailable(
    session: aiohttp.ClientSession, unused_tcp_port: int, clock: Clock
) -> None:
    with pytest.raises(CrmUnavailable, match="did not answer"):
        await make(session, f"http://127.0.0.1:{unused_tcp_port}", clock).find("2001")

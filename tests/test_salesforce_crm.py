"""SalesforceCrm beyond the contract of its port: signing in, numbers in any spelling, pages, quoting, refusals."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.adapters.rest import BODY_MAX_BYTES
from orchestrator.adapters.salesforce_crm import SalesforceCrm, literal, pattern
from orchestrator.errors import CrmUnavailable
from states.customers import Channel, Link
from tests.contract.salesforce import CLIENT_ID, CLIENT_SECRET, RECORDED, Malformed, Salesforce, Soql
from tests.serving import Clock, served

ADA = "ada@example.test"


@pytest.fixture
def salesforce() -> Salesforce:
    return Salesforce()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def url(salesforce: Salesforce) -> AsyncIterator[str]:
    async with served(salesforce.handle) as url:
        yield url


@pytest.fixture
def crm(session: aiohttp.ClientSession, url: str, clock: Clock) -> SalesforceCrm:
    return make(session, url, clock)


def make(session: aiohttp.ClientSession, url: str, clock: Clock, **changes: Any) -> SalesforceCrm:
    wanted = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "country": None, "timeout_s": 5.0, **changes}
    return SalesforceCrm(session, url + "/", clock=clock, **wanted)


async def test_a_contact_becomes_a_customer(salesforce: Salesforce, crm: SalesforceCrm, url: str) -> None:
    salesforce.contacts = [{**RECORDED["query"]["records"][0], "Phone": "+1 (555) 010-0001", "OtherPhone": "ask"}]
    found = await crm.find("003xx0000000001AAA")
    assert found is not None
    assert found.display_name == "Maria Sanchez"
    assert found.channels == (Channel("sms", "+15550100001"), Channel("sms", "ask"))
    assert found.links == (Link("Profile", f"{url}/lightning/r/Contact/003xx0000000001AAA/view", "Salesforce"),)
    assert (found.worker, found.details) == (ADA, {"title": "Title", "content": "Buyer"})


async def test_a_number_in_a_spelling_of_its_own_is_found_in_the_search_index(
    salesforce: Salesforce, crm: SalesforceCrm
) -> None:
    salesforce.add(Name="Somebody Else", Phone="+44 5550100001")
    maria = salesforce.add(Name="Maria Sanchez", OtherPhone="+1 - 555 / 010 00 01")
    found = await crm.find_by_address("whatsapp:+15550100001")
    assert found is not None
    assert found.customer_id == maria
    assert [one for one in salesforce.requests if "Search" in one] == ["POST /services/data/v66.0/parameterizedSearch"]
    salesforce.searchable = False
    assert await crm.find_by_address("+15550100001") is None


async def test_a_number_as_it_is_written_at_home_is_found_where_the_country_is_known(
    salesforce: Salesforce, crm: SalesforceCrm, session: aiohttp.ClientSession, url: str, clock: Clock
) -> None:
    salesforce.add(Name="Maria Sanchez", Phone="(555) 010-0001")
    assert await crm.find_by_address("+15550100001") is None
    at_home = await make(session, url, clock, country="US").find_by_address("+15550100001")
    assert at_home is not None
    assert at_home.channels == (Channel("sms", "+15550100001"),)


async def test_pages_are_followed_to_what_was_asked_for_and_no_further(
    salesforce: Salesforce, crm: SalesforceCrm
) -> None:
    ids = [salesforce.add(Name=f"Customer {number}", owner=ADA) for number in range(50)]
    salesforce.batch = 4
    found = await crm.customers(ADA, 10, None, None)
    assert [one.customer_id for one in found] == ids[:10]
    assert len(salesforce.requests) == 1 + 3


async def test_one_sign_in_serves_all_and_a_session_that_ended_leads_to_one_more(
    salesforce: Salesforce, crm: SalesforceCrm
) -> None:
    maria = salesforce.add(Name="Maria Sanchez")
    for _ in range(3):
        assert await crm.find(maria)
    assert salesforce.sign_ins == 1
    salesforce.token = "the-next-token"
    assert await crm.find(maria)
    assert salesforce.sign_ins == 2


async def test_credentials_that_were_refused_are_left_alone_for_a_minute(
    salesforce: Salesforce, session: aiohttp.ClientSession, url: str, clock: Clock
) -> None:
    crm = make(session, url, clock, client_secret="a-wrong-secret")
    maria = salesforce.add(Name="Maria Sanchez")
    for _ in range(5):
        with pytest.raises(CrmUnavailable) as refusal:
            await crm.find(maria)
        assert "a-wrong-secret" not in str(refusal.value)
    assert salesforce.sign_ins == 1
    clock.now += 61
    with pytest.raises(CrmUnavailable, match="sign-in"):
        await crm.find(maria)
    assert salesforce.sign_ins == 2


async def test_what_no_contact_can_have_is_not_asked_for(salesforce: Salesforce, crm: SalesforceCrm) -> None:
    for address in ("maria", "messenger:1234567890", ""):
        assert await crm.find_by_address(address) is None
    assert await crm.find("17") is None
    assert salesforce.requests == []


FAULTS = {
    "no JSON": (lambda: web.Response(text="<html>"), "no JSON"),
    "other JSON": (lambda: web.json_response({"hello": "world"}), "Salesforce"),
    "a list of numbers": (lambda: web.json_response({"records": [1], "access_token": "x"}), "no list"),
    "deep JSON": (lambda: web.Response(text="[" * 100_000), "no JSON"),
    "too much": (lambda: web.Response(body=b" " * (BODY_MAX_BYTES + 1) + b"{}"), "over"),
    "503": (lambda: web.Response(status=503), "503"),
    "the day's requests": (lambda: web.json_response(RECORDED["too many requests"], status=403), "REQUEST_LIMIT"),
    "a redirect": (lambda: web.Response(status=302, headers={"Location": "https://example.test/"}), "302"),
}


@pytest.mark.parametrize("fault", list(FAULTS))
async def test_a_salesforce_that_talks_nonsense_is_unavailable_until_it_recovers(
    salesforce: Salesforce, crm: SalesforceCrm, fault: str
) -> None:
    maria = salesforce.add(Name="Maria Sanchez", MobilePhone="+15550100001", owner=ADA)
    assert await crm.find(maria)
    salesforce.fault, reason = FAULTS[fault]
    for call in (crm.find(maria), crm.find_by_address("+15550100001"), crm.customers(ADA, 10, None, "maria")):
        with pytest.raises(CrmUnavailable, match=reason) as refusal:
            await call
        assert not [word for word in ("5550100001", "aria", "token-of") if word in str(refusal.value)]
    salesforce.fault = None
    assert await crm.find(maria)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_text_comes_back_out_of_its_quotes(text: str) -> None:
    for condition in (f"Name = {literal(text)}", f"Name LIKE {pattern(text)}"):
        test, limit = Soql(f"SELECT Id FROM Contact WHERE {condition} ORDER BY Id LIMIT 1").read()
        assert limit == 1
        assert test({"Name": text})
    test, _ = Soql(f"SELECT Id FROM Contact WHERE Name LIKE {pattern('%' + text)} ORDER BY Id LIMIT 1").read()
    assert not test({"Name": text.replace("%", "")})


def test_what_is_not_quoted_is_no_query_to_the_server_of_these_tests() -> None:
    with pytest.raises(Malformed):
        Soql("SELECT Id FROM Contact WHERE Name = 'O'Hara' ORDER BY Id LIMIT 1").read()
    with pytest.raises(Malformed):
        Soql(f"SELECT Id FROM Contact WHERE Name = {json.dumps('Maria')} ORDER BY Id LIMIT 1").read()

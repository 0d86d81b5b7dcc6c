"""StrapiCrm against a server that answers as the recordings of the real v3, v4 and v5 do."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from orchestrator.adapters.strapi_client import BODY_MAX_BYTES
from orchestrator.adapters.strapi_crm import StrapiCrm
from orchestrator.errors import CrmUnavailable
from states.customers import Channel, Consent, Link
from tests.contract.strapi import CREDENTIALS, VERSIONS, Strapi
from tests.serving import Clock, served


@pytest.fixture(params=list(VERSIONS))
async def strapi(request: pytest.FixtureRequest) -> AsyncIterator[Strapi]:
    strapi = Strapi(request.param)
    async with served(strapi.handle) as strapi.url:
        yield strapi


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def crm(strapi: Strapi, session: aiohttp.ClientSession, clock: Clock) -> AsyncIterator[StrapiCrm]:
    crm = make(strapi, session, clock)
    yield crm
    await crm.close()


def make(strapi: Strapi, session: aiohttp.ClientSession, clock: Clock, **changes: Any) -> StrapiCrm:
    wanted = {**CREDENTIALS, "token": None, "timeout_s": 5.0, **changes}
    return StrapiCrm(session, strapi.url + "/", clock=clock, **wanted)


async def test_the_server_of_these_tests_answers_as_the_real_one_did(
    strapi: Strapi, session: aiohttp.ClientSession
) -> None:
    beside = ("one, ", "create, ", "list, no limit", "login, too often")
    for name, exchange in strapi.recorded.items():
        if name.startswith(beside):
            continue
        headers = {"Authorization": exchange["authorization"]} if exchange["authorization"] else {}
        url = strapi.url + exchange["path"]
        async with session.request(exchange["method"], url, data=exchange["body"], headers=headers) as answer:
            found = await answer.text()
            assert (name, answer.status) == (name, exchange["status"])
        assert (found if isinstance(exchange["answer"], str) else json.loads(found)) == exchange["answer"], name


@pytest.mark.parametrize(
    ("address", "customer_id"),
    [
        ("+15550100001", "1"),
        ("whatsapp:+15550100001", "1"),
        ("+1 (555) 010-0002", "2"),
        ("JO@example.com", "2"),
        ("whatsapp:+15550100003", "7"),
        ("+15550100003", "7"),
        ("+15550100009", None),
        ("nobody@example.com", None),
        ("maria", None),
        ("", None),
    ],
)
async def test_any_channel_finds_its_customer_in_any_spelling(
    crm: StrapiCrm, address: str, customer_id: str | None
) -> None:
    found = await crm.find_by_address(address)
    assert (found.customer_id if found else None) == customer_id


@pytest.mark.parametrize("spelling", ["+1 555-010-0042", "whatsapp:+1 (555) 010 00 42", "001 555 010 0042"])
async def test_a_number_is_found_however_strapi_spells_it(strapi: Strapi, crm: StrapiCrm, spelling: str) -> None:
    strapi.add(display_name="Oddly Spelled", channels=[{"type": "sms", "value": spelling}])
    found = await crm.find_by_address("+15550100042")
    assert found is not None
    assert found.display_name == "Oddly Spelled"


@pytest.mark.parametrize(
    ("customer_id", "name"),
    [("1", "Maria Example"), ("7", "Susan Example"), ("3", None), ("007", None), ("c-17", None), ("8", "No Channels")],
)
async def test_the_customer_with_an_id_is_the_one_whose_id_it_is(
    crm: StrapiCrm, customer_id: str, name: str | None
) -> None:
    found = await crm.find(customer_id)
    assert (found.display_name if found else None) == name


async def test_a_record_becomes_a_customer(strapi: Strapi, crm: StrapiCrm) -> None:
    strapi.add(
        customer_id=17,
        avatar="https://example.test/17.png",
        channels=[{"id": 9, "type": "sms", "value": "+15550100017"}],
        links=[{"type": "Profile", "value": "https://example.test/17", "display_name": "Record"}, {"type": "x"}],
        details={"title": "Information", "content": "Likes red", "more": 1},
        worker="expert@example.test",
        language="fr_ca",
        consent=[{"channel": "sms", "answer": "no", "date": "2026-01-31"}, {"channel": "email", "answer": "maybe"}, 7],
    )
    found = await crm.find("17")
    assert found is not None
    assert found.channels == (Channel("sms", "+15550100017"),)
    assert found.avatar == "https://example.test/17.png"
    assert found.links == (Link("Profile", "https://example.test/17", "Record"),)
    assert found.details == {"title": "Information", "content": "Likes red"}
    assert found.worker == "expert@example.test"
    assert (found.language, found.consent) == ("fr-CA", (Consent("sms", "no", "2026-01-31"),))
    jo, nobody = await crm.find("2"), await crm.find("8")
    assert jo is not None
    assert jo.channels == (Channel("sms", "+15550100002"), Channel("email", "jo@example.com"))
    assert nobody is not None
    assert (nobody.channels, nobody.avatar) == ((), None)


async def test_records_with_rubbish_in_them_break_nothing(strapi: Strapi, crm: StrapiCrm) -> None:
    channels = [{"type": None, "value": None}, {"type": "sms", "value": "+15550100042"}]
    strapi.add(channels=None)
    strapi.add(channels=channels, links="x", details=[])
    strapi.add(customer_id=None)
    strapi.add(customer_id=True, display_name=None)
    found = await crm.find_by_address("+15550100042")
    assert found is not None
    assert len(await crm.customers("w", 100, None, None)) == 6


async def test_customers_beyond_the_first_page_are_seen(strapi: Strapi, crm: StrapiCrm) -> None:
    for number in range(300):
        strapi.add(customer_id=2000 + number, channels=[{"type": "sms", "value": f"+1555020{number:04}"}])
    last = await crm.find_by_address("+15550200299")
    assert last is not None
    assert last.customer_id == "2299"
    seen: list[str] = []
    while page := await crm.customers("w", 30, seen[-1] if seen else None, None):
        seen += [customer.customer_id for customer in page]
    assert seen == ["1", "2", "7", "8", *(str(2000 + number) for number in range(300))]
    assert await crm.customers("w", 30, "nobody", None) == []


async def test_search_looks_at_names_and_channels(crm: StrapiCrm) -> None:
    async def found(query: str) -> list[str]:
        return [customer.customer_id for customer in await crm.customers("w", 10, None, query)]

    assert await found("MARIA") == ["1"]
    assert await found("jo@example") == ["2"]
    assert await found("0100003") == ["7"]
    assert await found("%") == []


async def test_with_owners_a_worker_sees_his_own(strapi: Strapi, crm: StrapiCrm) -> None:
    strapi.add(customer_id=20, worker="Expert@example.test")
    strapi.add(customer_id=21, worker="other@example.test")
    assert [one.customer_id for one in await crm.customers("expert@EXAMPLE.test", 10, None, None)] == ["20"]


async def test_one_log_in_serves_all_and_the_generation_is_asked_once(strapi: Strapi, crm: StrapiCrm) -> None:
    await asyncio.gather(*(crm.find(str(number)) for number in range(30)))
    await crm.find_by_address("+15550100001")
    assert strapi.logins == 1
    assert len([request for request in strapi.requests if request.endswith("/auth/local")]) <= 2


async def test_an_expired_jwt_leads_to_one_new_log_in(strapi: Strapi, crm: StrapiCrm) -> None:
    await crm.find("1")
    strapi.jwt = "the next JWT"
    found = await asyncio.gather(*(crm.find("7") for _ in range(20)))
    assert {one.display_name for one in found if one} == {"Susan Example"}
    assert strapi.logins == 2


async def test_after_a_429_nobody_logs_in_for_a_minute(strapi: Strapi, crm: StrapiCrm, clock: Clock) -> None:
    strapi.logins = 10
    for _ in range(5):
        with pytest.raises(CrmUnavailable):
            await crm.find("1")
    assert strapi.logins == 11
    strapi.logins = 0
    clock.now += 61
    assert await crm.find("1")
    assert strapi.logins == 1


async def test_a_wrong_password_does_not_use_up_the_log_ins(
    strapi: Strapi, session: aiohttp.ClientSession, clock: Clock
) -> None:
    crm = make(strapi, session, clock, password="wrong")
    for _ in range(20):
        with pytest.raises(CrmUnavailable) as refusal:
            await crm.find("1")
        assert "wrong" not in str(refusal.value)
    assert strapi.logins == 1


async def test_a_static_token_replaces_the_log_in(strapi: Strapi, session: aiohttp.ClientSession, clock: Clock) -> None:
    crm = make(strapi, session, clock, token=strapi.api_token)
    assert await crm.find("2")
    assert await crm.find_by_address("+15550100003")
    await crm.close()
    refused = make(strapi, session, clock, token="bogus")
    with pytest.raises(CrmUnavailable, match="401"):
        await refused.find("2")
    assert strapi.logins == 0


FAULTS = {
    "no JSON": lambda: web.Response(text="<html>"),
    "other JSON": lambda: web.json_response({"hello": "world"}),
    "a list of numbers": lambda: web.json_response([1, 2]),
    "deep JSON": lambda: web.Response(text="[" * 100_000),
    "too much": lambda: web.Response(body=b" " * (BODY_MAX_BYTES + 1) + b"[]"),
    "503": lambda: web.Response(status=503),
    "500": lambda: web.json_response({"error": {"status": 500}}, status=500),
    "429": lambda: web.json_response({"error": {"status": 429}}, status=429),
    "a redirect": lambda: web.Response(status=302, headers={"Location": "/elsewhere"}),
}


@pytest.mark.parametrize("fault", list(FAULTS))
async def test_a_strapi_that_talks_nonsense_is_unavailable_until_it_recovers(
    strapi: Strapi, crm: StrapiCrm, fault: str
) -> None:
    assert await crm.find("1")
    strapi.fault = FAULTS[fault]
    for call in (crm.find("1"), crm.find_by_address("+15550100001"), crm.customers("w", 10, None, None)):
        with pytest.raises(CrmUnavailable):
            await call
    strapi.fault = None
    assert await crm.find("1")
    assert await crm.find_by_address("+15550100001")


@pytest.mark.parametrize("fault", list(FAULTS))
async def test_a_log_in_that_talks_nonsense_is_unavailable(strapi: Strapi, crm: StrapiCrm, fault: str) -> None:
    strapi.fault = FAULTS[fault]
    with pytest.raises(CrmUnavailable):
        await crm.find("1")


async def test_a_slow_strapi_is_unavailable_in_time(
    strapi: Strapi, session: aiohttp.ClientSession, clock: Clock
) -> None:
    crm = make(strapi, session, clock, timeout_s=0.1)
    strapi.hold = asyncio.Event()
    with pytest.raises(CrmUnavailable):
        await crm.find("1")
    strapi.hold.set()
    assert await crm.find("1")


async def test_a_strapi_that_is_not_there_is_unavailable(session: aiohttp.ClientSession, unused_tcp_port: int) -> None:
    crm = StrapiCrm(session, f"http://127.0.0.1:{unused_tcp_port}", "frontline_app", "secret", None, 5.0)
    with pytest.raises(CrmUnavailable) as refusal:
        await crm.find("1")
    assert "secret" not in str(refusal.value)


async def test_the_directory_is_read_once_for_all_who_wait_and_kept_for_a_minute(
    strapi: Strapi, crm: StrapiCrm, clock: Clock
) -> None:
    await crm.find("1")
    strapi.requests.clear()
    await asyncio.gather(*(crm.customers("w", 10, None, None) for _ in range(10)))
    pages = 2 if strapi.version == "v3" else 1
    assert len(strapi.requests) == pages
    strapi.add(display_name="Just Arrived")
    clock.now += 59
    assert await crm.customers("w", 10, None, "arrived") == []
    clock.now += 2
    assert len(await crm.customers("w", 10, None, "arrived")) == 1
    assert len(strapi.requests) == 2 * pages


async def test_a_directory_left_by_those_who_waited_is_there_for_the_next(
    strapi: Strapi, session: aiohttp.ClientSession, clock: Clock
) -> None:
    crm = make(strapi, session, clock)
    await crm.find("1")
    strapi.hold = asyncio.Event()
    waiting = asyncio.create_task(crm.customers("w", 10, None, None))
    before = len(strapi.requests)
    await strapi.held.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    strapi.hold.set()
    assert len(await crm.customers("w", 10, None, None)) == 4
    assert len(strapi.requests) == before + (2 if strapi.version == "v3" else 1)
    await crm.close()

"""The callbacks of a worker's client, signed and over HTTP: shapes, whose customers, pages, search, refusals."""

import json
from typing import Any

import pytest

from orchestrator.customer_book import import_file
from orchestrator.sandbox import seeds
from tests.e2e.conftest import House
from tests.e2e.doors import CREDENTIALS, Reply, knock

ADA, GRACE = "ada@example.test", "grace@example.test"


async def crm(house: House, location: str = "GetCustomersList", worker: str = ADA, **form: str) -> Reply:
    return await knock(house, "/crm", {"Location": location, "Worker": worker, **form})


async def listed(house: House, worker: str = ADA, **form: str) -> list[str]:
    reply = await crm(house, worker=worker, **form)
    assert reply.status == 200, reply.text
    return [customer["customer_id"] for customer in reply.json["objects"]["customers"]]


def book(house: House, *customers: dict[str, Any]) -> None:
    file = house.data / "customers.json"
    file.write_text(json.dumps(customers))
    assert not import_file(house.settings().database_url, file).faults


def customer(number: int, **more: Any) -> dict[str, Any]:
    channels = [{"type": "sms", "value": f"+1555060{number:04d}"}]
    return {"customer_id": str(number), "display_name": f"Customer {number}", "channels": channels, **more}


async def test_the_list_has_the_seeded_customers(house: House) -> None:
    reply = await crm(house)
    assert reply.json == {
        "objects": {
            "customers": [
                {
                    "customer_id": str(number),
                    "display_name": name,
                    "avatar": f"https://example.test/avatars/{number}.png",
                }
                for number, name in enumerate(("Maria Sanchez", "Robert Ellis", "Susan Leclerc"), 1)
            ],
            "searchable": True,
        }
    }


async def test_the_customer_with_id_2_is_the_customer_whose_id_is_2(house: House) -> None:
    reply = await crm(house, "GetCustomerDetailsByCustomerId", CustomerId="2")
    assert reply.status == 200
    found = reply.json["objects"]["customer"]
    assert (found["customer_id"], found["display_name"]) == ("2", "Robert Ellis")
    assert {"type": "sms", "value": "+15550100002"} in found["channels"]
    assert {"type": "email", "value": "robert.ellis@example.test"} in found["channels"]
    assert found["links"] == [
        {"type": "Profile", "value": "https://example.test/customers/2", "display_name": "Customer record"}
    ]
    assert found["avatar"] == "https://example.test/avatars/2.png"


async def test_the_details_are_those_of_the_book(house: House) -> None:
    found = (await crm(house, "GetCustomerDetailsByCustomerId", CustomerId="1")).json["objects"]["customer"]
    assert set(found["details"]) == {"title", "content"}
    whatsapp = (await crm(house, "GetCustomerDetailsByCustomerId", CustomerId="3")).json["objects"]["customer"]
    assert whatsapp["channels"] == [{"type": "whatsapp", "value": "whatsapp:+15550100003"}]


@pytest.mark.parametrize("unknown", ["99", "0", "02", "2.0", "x" * 1000, "' OR 1=1 --"])
async def test_an_unknown_customer_is_404_everywhere(house: House, unknown: str) -> None:
    assert (await crm(house, "GetCustomerDetailsByCustomerId", CustomerId=unknown)).status == 404
    form = {"Location": "GetTemplatesByCustomerId", "Worker": ADA, "CustomerId": unknown}
    assert (await knock(house, "/templates", form)).status == 404


@pytest.mark.parametrize("path", ["/crm", "/outbound", "/templates"])
@pytest.mark.parametrize("location", ["GetEverything", "getcustomerslist", "GetCustomersList "])
async def test_an_unknown_location_is_422(house: House, path: str, location: str) -> None:
    if (path, location.strip()) != ("/crm", "GetCustomersList"):
        reply = await knock(house, path, {"Location": location, "Worker": ADA, "CustomerId": "1"})
        assert (reply.status, reply.json is not None) == (422, True)


async def test_pages_follow_one_another_by_anchor_until_one_is_empty(house: House) -> None:
    book(house, *(customer(n) for n in range(10, 75)))
    found: list[str] = []
    anchor: dict[str, str] = {}
    while page := await listed(house, PageSize="20", **anchor):
        assert len(page) <= 20
        found += page
        anchor = {"Anchor": page[-1]}
    assert found == ["1", "2", "3", *map(str, range(10, 75))]


async def test_the_anchor_of_nobody_is_an_empty_page(house: House) -> None:
    assert await listed(house, Anchor="nobody") == []


@pytest.mark.parametrize("size", ["0", "-1", "x", "1.5", "٣"])
async def test_a_page_size_that_is_none_is_400(house: House, size: str) -> None:
    assert (await crm(house, PageSize=size)).status == 400


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("maria", ["1"]),
        ("SANCHEZ", ["1"]),
        ("555010000", ["1", "2", "3"]),
        ("robert.ellis", ["2"]),
        ("%", []),
        ("_", []),
        ("nobody", []),
        ("   ", ["1", "2", "3"]),
        ("x" * 5000, []),
    ],
)
async def test_the_search_finds_names_and_addresses_in_any_letter_case(
    house: House, query: str, wanted: list[str]
) -> None:
    assert await listed(house, Query=query) == wanted


async def test_a_worker_sees_his_own_customers_where_the_book_says_who_owns_whom(house: House) -> None:
    book(house, customer(10, worker=ADA), customer(11, worker="Grace@Example.test"), customer(12, worker=ADA))
    assert [one for one in await listed(house) if one in ("10", "11", "12")] == ["10", "12"]
    assert "10" not in await listed(house, worker=GRACE)
    assert "11" in await listed(house, worker=GRACE.upper())
    assert (await crm(house, "GetCustomerDetailsByCustomerId", CustomerId="10")).status == 200
    assert (await crm(house, "GetCustomerDetailsByCustomerId", CustomerId="11")).status == 404
    assert (await listed(house, Query="Customer 11")) == []


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        ("sms", "+15550100001", seeds.NUMBERS["sms"]),
        ("whatsapp", "whatsapp:+15550100001", seeds.NUMBERS["whatsapp"]),
        ("whatsapp", "+15550100001", seeds.NUMBERS["whatsapp"]),
    ],
)
async def test_the_sender_fits_the_channel(house: House, kind: str, value: str, wanted: str) -> None:
    reply = await outbound(house, kind, value)
    assert (reply.status, reply.json) == (200, {"proxy_address": wanted})


async def outbound(house: House, kind: str, value: str) -> Reply:
    form = {"Location": "GetProxyAddress", "Worker": ADA, "CustomerId": "1"}
    return await knock(house, "/outbound", form | {"ChannelType": kind, "ChannelValue": value})


async def test_the_sender_is_the_one_with_the_longest_prefix_and_none_is_403(bare_house: House) -> None:
    senders = "+33=+33100000000,+331=+33111111111,+44=+44100000000"
    await bare_house.start(TWILIO_API_URL=bare_house.sandbox.url, PROXY_NUMBERS=senders, **CREDENTIALS)
    for value, wanted in (("+33612345678", "+33100000000"), ("+33123456789", "+33111111111")):
        assert (await outbound(bare_house, "sms", value)).json == {"proxy_address": wanted}
    for kind, value in (("sms", "+15550100001"), ("whatsapp", "whatsapp:+33612345678"), ("email", "a@example.test")):
        assert (await outbound(bare_house, kind, value)).status == 403


async def test_templates_are_a_list_of_groups(house: House) -> None:
    form = {
        "Location": "GetTemplatesByCustomerId",
        "Worker": ADA,
        "CustomerId": "1",
        "ConversationSid": "CH" + "0" * 32,
    }
    reply = await knock(house, "/templates", form)
    assert reply.status == 200
    assert isinstance(reply.json, list)
    assert reply.json
    for group in reply.json:
        assert group["display_name"]
        for template in group["templates"]:
            assert template["content"]
            assert "$" not in template["content"]
    assert "Maria Sanchez" in reply.text
    assert "whatsAppApproved" in reply.text


# What the first message of somebody whom the book knows leads to, in whatever order.
EVERYTHING = {"conversation_started", "customer_joined", "message_received", "bot_replied", "customer_found"}


async def test_routing_is_answered_200_and_changes_nothing(house: House) -> None:
    sid = await house.say("+15550100001", "Hello")

    async def has_told_everything() -> bool:
        return {row["trigger"] for row in (await house.dump(sid))["history"]} >= EVERYTHING

    await house.until(has_told_everything)
    before = (await house.quiet(sid))["version"]
    form = {"ConversationSid": sid, "MessagingBinding.Address": "+15550100001"}
    assert (await knock(house, "/routing", form)).status == 200
    assert (await house.dump(sid))["version"] == before

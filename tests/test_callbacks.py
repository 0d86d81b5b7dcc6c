"""What a worker's client is told: over a real customer book, and over a CRM that is down."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from orchestrator import callbacks
from orchestrator.adapters.book_crm import BookCrm
from orchestrator.addresses import channel_key
from orchestrator.errors import CrmUnavailable, MalformedWebhook
from states.customers import Channel, Consent, Customer, Link
from storage.customers import save_customer
from storage.readers import Readers
from storage.schema import metadata

PROXIES = {"+1": "+15550100999", "+33": "+33100000000", "whatsapp:": "whatsapp:+15550100999"}
WORKER = "Ann.Lee@example.test"
CUSTOMERS = (
    Customer(
        "1",
        "Maria $worker Sanchez",
        (Channel("sms", "+1 (555) 010-0001"), Channel("whatsapp", "+15550100001"), Channel("email", "m@example.test")),
        avatar="https://example.test/1.png",
        links=(Link("Profile", "https://example.test/1", "Record"),),
        details={"title": "Information", "content": "Likes red"},
    ),
    Customer("3", "Jo Example"),
    Customer("2", "Zoë Example"),
)
OWNED = (
    Customer("10", "Of Ann", (Channel("sms", "+15550100010"),), worker="ann.lee@EXAMPLE.test"),
    Customer("11", "Of Bob", (Channel("sms", "+15550100011"),), worker="bob@example.test"),
    Customer("12", "Of nobody"),
)


class Down:
    """A Crm that cannot answer."""

    async def find_by_address(self, address: str) -> Customer | None:
        raise CrmUnavailable("down")

    async def find(self, customer_id: str) -> Customer | None:
        raise CrmUnavailable("down")

    async def customers(self, worker: str, page_size: int, after: str | None, query: str | None) -> Sequence[Customer]:
        raise CrmUnavailable("down")


async def book(path: Path, customers: Sequence[Customer]) -> AsyncIterator[BookCrm]:
    writing = create_engine(f"sqlite:///{path}")
    metadata.create_all(writing)
    with writing.begin() as conn:
        for customer in customers:
            save_customer(conn, customer, [channel_key(one.type, one.value) for one in customer.channels])
    writing.dispose()
    reading = Readers(f"sqlite+aiosqlite:///{path}")
    yield BookCrm(reading)
    await reading.close()


@pytest.fixture
async def crm(tmp_path: Path) -> AsyncIterator[BookCrm]:
    async for crm in book(tmp_path / "book.db", CUSTOMERS):
        yield crm


@pytest.fixture
async def owned(tmp_path: Path) -> AsyncIterator[BookCrm]:
    async for crm in book(tmp_path / "owned.db", OWNED):
        yield crm


def listing(**fields: str) -> dict[str, str]:
    return {"Location": "GetCustomersList", "Worker": WORKER, **fields}


def asking(location: str, **fields: str) -> dict[str, str]:
    return {"Location": location, "Worker": WORKER, "CustomerId": "1", **fields}


def details(customer_id: str = "1", **fields: str) -> dict[str, str]:
    return asking("GetCustomerDetailsByCustomerId", CustomerId=customer_id, **fields)


def proxy(kind: str, value: str, **fields: str) -> dict[str, str]:
    return asking("GetProxyAddress", ChannelType=kind, ChannelValue=value, **fields)


async def ids(form: dict[str, str], crm: BookCrm) -> list[str]:
    status, answer = await callbacks.crm(form, crm)
    assert status == 200
    objects: dict[str, Any] = answer["objects"]  # type: ignore[index]
    return [customer["customer_id"] for customer in objects["customers"]]


async def test_the_list_has_ids_names_and_avatars_and_can_be_searched(crm: BookCrm) -> None:
    assert await callbacks.crm(listing(PageSize="2", NextPageToken="x"), crm) == (
        200,
        {
            "objects": {
                "customers": [
                    {
                        "customer_id": "1",
                        "display_name": "Maria $worker Sanchez",
                        "avatar": "https://example.test/1.png",
                    },
                    {"customer_id": "3", "display_name": "Jo Example"},
                ],
                "searchable": True,
            }
        },
    )


async def test_pages_go_on_after_the_anchor_until_one_is_empty(crm: BookCrm) -> None:
    assert await ids(listing(PageSize="2"), crm) == ["1", "3"]
    assert await ids(listing(PageSize="2", Anchor="3"), crm) == ["2"]
    assert await ids(listing(PageSize="2", Anchor="2"), crm) == []
    assert await ids(listing(Anchor="nobody"), crm) == []
    assert await ids(listing(Anchor=""), crm) == ["1", "3", "2"]


async def test_a_query_narrows_the_list(crm: BookCrm) -> None:
    assert await ids(listing(Query="ZOË"), crm) == ["2"]
    assert await ids(listing(Query="0100001"), crm) == ["1"]
    assert await ids(listing(Query="%"), crm) == []


@pytest.mark.parametrize("page_size", ["0", "-1", "many", "1.5", "٣", "9" * 5000])
async def test_a_page_size_that_is_no_positive_number_is_malformed(crm: BookCrm, page_size: str) -> None:
    with pytest.raises(MalformedWebhook, match="PageSize"):
        await callbacks.crm(listing(PageSize=page_size), crm)


async def test_a_page_has_30_customers_unless_asked_and_100_at_most(tmp_path: Path) -> None:
    many = [Customer(str(number), "Customer") for number in range(120)]
    async for crm in book(tmp_path / "many.db", many):
        assert len(await ids(listing(), crm)) == 30
        assert len(await ids(listing(PageSize="100000"), crm)) == 100


async def test_a_worker_sees_only_his_own_where_the_book_says_who_owns_whom(owned: BookCrm) -> None:
    assert await ids(listing(), owned) == ["10"]
    assert await ids(listing(Worker="stranger@example.test"), owned) == []
    assert (await callbacks.crm(details("10"), owned))[0] == 200
    assert (await callbacks.crm(details("12"), owned))[0] == 200


@pytest.mark.parametrize("worker", [WORKER, ""])
async def test_the_customer_of_another_worker_is_unknown_and_not_to_be_written_to(owned: BookCrm, worker: str) -> None:
    unknown = (404, {"error": "unknown customer"})
    form = {"CustomerId": "11", "Worker": worker}
    assert await callbacks.crm({**details(), **form}, owned) == unknown
    assert await callbacks.templates({**asking("GetTemplatesByCustomerId"), **form}, owned) == unknown
    status, answer = await callbacks.outbound({**proxy("sms", "+15550100011"), **form}, owned, PROXIES)
    assert (status, "another worker" in str(answer)) == (403, True)


async def test_details_are_those_of_the_customer_with_this_id(crm: BookCrm) -> None:
    status, answer = await callbacks.crm(details("1"), crm)
    assert status == 200
    assert answer == {
        "objects": {
            "customer": {
                "customer_id": "1",
                "display_name": "Maria $worker Sanchez",
                "avatar": "https://example.test/1.png",
                "channels": [
                    {"type": "email", "value": "m@example.test"},
                    {"type": "sms", "value": "+15550100001"},
                    {"type": "whatsapp", "value": "whatsapp:+15550100001"},
                ],
                "links": [{"type": "Profile", "value": "https://example.test/1", "display_name": "Record"}],
                "details": {"title": "Information", "content": "Likes red"},
            }
        }
    }
    assert await callbacks.crm(details("2"), crm) == (
        200,
        {"objects": {"customer": {"customer_id": "2", "display_name": "Zoë Example", "channels": [], "links": []}}},
    )


async def test_an_unknown_customer_is_404_where_he_is_what_is_asked_for(crm: BookCrm) -> None:
    unknown = (404, {"error": "unknown customer"})
    assert await callbacks.crm(details("99"), crm) == unknown
    assert await callbacks.templates(asking("GetTemplatesByCustomerId", CustomerId="99"), crm) == unknown


async def test_outbound_names_the_sender_that_fits_a_customer_nobody_knows(crm: BookCrm) -> None:
    stranger = proxy("sms", "+33612345678", CustomerId="99")
    assert await callbacks.outbound(stranger, crm, PROXIES) == (200, {"proxy_address": "+33100000000"})


@pytest.mark.parametrize(
    ("kind", "value", "sender"),
    [
        ("sms", "+15550100001", "+15550100999"),
        ("sms", "+33612345678", "+33100000000"),
        ("whatsapp", "whatsapp:+15550100001", "whatsapp:+15550100999"),
    ],
)
async def test_outbound_names_the_sender_that_fits(crm: BookCrm, kind: str, value: str, sender: str) -> None:
    assert await callbacks.outbound(proxy(kind, value), crm, PROXIES) == (200, {"proxy_address": sender})


@pytest.mark.parametrize(
    ("kind", "value"),
    [("sms", "+442079460958"), ("sms", "whatsapp:+15550100001"), ("chat", "jo"), ("sms", "+15550100999")],
)
async def test_outbound_without_a_fitting_sender_is_403(crm: BookCrm, kind: str, value: str) -> None:
    status, answer = await callbacks.outbound(proxy(kind, value), crm, PROXIES)
    assert status == 403
    assert "error" in answer  # type: ignore[operator]


async def test_outbound_is_403_on_a_channel_the_customer_said_no_to(tmp_path: Path) -> None:
    said = (Consent("whatsapp", "yes"), Consent("sms", "no", "2026-01-31", "web form"))
    both = (Channel("sms", "+15550100001"), Channel("whatsapp", "whatsapp:+15550100001"))
    async for crm in book(tmp_path / "consent.db", [Customer("1", "Maria Sanchez", both, consent=said)]):
        status, answer = await callbacks.outbound(proxy("sms", "+15550100001"), crm, PROXIES)
        assert (status, "does not want" in str(answer)) == (403, True)
        assert (await callbacks.outbound(proxy("whatsapp", "whatsapp:+15550100001"), crm, PROXIES))[0] == 200
        shown = await callbacks.crm(details(), crm)
        assert [channel["type"] for channel in shown[1]["objects"]["customer"]["channels"]] == ["whatsapp"]  # type: ignore[index]


async def test_templates_carry_the_names_and_nothing_in_a_name_is_filled_in(crm: BookCrm) -> None:
    status, answer = await callbacks.templates(asking("GetTemplatesByCustomerId"), crm)
    assert status == 200
    assert isinstance(answer, list)
    opener = answer[0]["templates"][0]
    assert opener["content"].startswith("Hello Maria $worker Sanchez, this is Ann Lee.")
    assert opener["whatsAppApproved"] is True
    for group in answer:
        assert group["display_name"]
        assert all(one["content"] and "$customer" not in one["content"] for one in group["templates"])
    nameless = await callbacks.templates({"Location": "GetTemplatesByCustomerId", "CustomerId": "2"}, crm)
    assert nameless[1][0]["templates"][0]["content"].startswith("Hello Zoë Example, this is your expert.")  # type: ignore[index]


async def test_an_unknown_location_is_422(crm: BookCrm) -> None:
    assert (await callbacks.crm(asking("GetProxyAddress"), crm))[0] == 422
    assert (await callbacks.outbound(listing(), crm, PROXIES))[0] == 422
    assert (await callbacks.templates(listing(), crm))[0] == 422


@pytest.mark.parametrize("missing", ["Location", "CustomerId", "ChannelType", "ChannelValue"])
@pytest.mark.parametrize("how", ["absent", "empty"])
async def test_a_needed_field_that_is_missing_is_malformed(crm: BookCrm, missing: str, how: str) -> None:
    form = proxy("sms", "+15550100001")
    form.pop(missing)
    with pytest.raises(MalformedWebhook, match=missing):
        await callbacks.outbound(form if how == "absent" else {**form, missing: ""}, crm, PROXIES)


async def test_a_list_of_nobodys_customers_is_malformed(crm: BookCrm) -> None:
    with pytest.raises(MalformedWebhook, match="Worker"):
        await callbacks.crm({"Location": "GetCustomersList"}, crm)


async def test_a_crm_that_is_down_is_503() -> None:
    down = Down()
    for status, answer in (
        await callbacks.crm(listing(), down),
        await callbacks.crm(details(), down),
        await callbacks.outbound(proxy("sms", "+15550100001"), down, PROXIES),
        await callbacks.templates(asking("GetTemplatesByCustomerId"), down),
    ):
        assert status == 503
        assert "error" in answer  # type: ignore[operator]

"""The contract of the Crm port, on every adapter: the book on both databases, Strapi in three generations, Salesforce
and HubSpot; and on a real Strapi where `make strapi` runs one."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from orchestrator.errors import CrmUnavailable
from states.customers import Customer
from tests.contract.worlds import KINDS, LIVE, World, world_of

ADA, GRACE = "ada@example.test", "grace@example.test"
HOSTILE = ("'", "\\", "\\'", "' OR Name LIKE '%", "%", "_", '"', "*", "x" * 5000, "a\nb", "(", "日本", "-- ", "\u202e")


@pytest.fixture(params=[*KINDS, *LIVE])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of(request.param, tmp_path, lambda: str(request.getfixturevalue("postgres_url"))) as world:
        yield world


def ids(found: Sequence[Customer]) -> list[str]:
    return [customer.customer_id for customer in found]


@pytest.mark.parametrize("held", ["+15550100001", "+1 (555) 010-0001", "+1 555-010-0001"])
async def test_a_number_is_found_in_any_spelling_and_by_any_prefix(world: World, held: str) -> None:
    await world.add("Robert Ellis", "+15550100002", owner=ADA)
    maria = await world.add("Maria Sanchez", held, owner=ADA)
    for asked in ("+15550100001", "whatsapp:+15550100001", "+1 555 010 0001", "rcs:+15550100001"):
        found = await world.crm.find_by_address(asked)
        assert found is not None
        assert (found.customer_id, found.display_name) == (maria, "Maria Sanchez")


async def test_an_email_is_found_in_any_letter_case(world: World) -> None:
    jo = await world.add("Jo Example", email="jo@example.test", owner=ADA)
    for asked in ("jo@example.test", "JO@Example.test"):
        found = await world.crm.find_by_address(asked)
        assert found is not None
        assert found.customer_id == jo


async def test_nobody_has_an_address_that_nobody_has(world: World) -> None:
    await world.add("Maria Sanchez", "+15550100001", "maria@example.test", ADA)
    asked = ("+15550100009", "+25550100001", "15550100001", "5550100001", "nobody@example.test", "maria", "", *HOSTILE)
    for address in asked:
        assert await world.crm.find_by_address(address) is None, address


async def test_a_customer_is_found_by_his_id_and_by_no_other(world: World) -> None:
    await world.add("Robert Ellis", owner=ADA)
    maria = await world.add("Maria Sanchez", "+15550100001", "maria@example.test", ADA)
    found = await world.crm.find(maria)
    assert found is not None
    assert found.display_name == "Maria Sanchez"
    assert found.worker == ADA
    assert {(channel.type, channel.value) for channel in found.channels} == {
        ("sms", "+15550100001"),
        ("email", "maria@example.test"),
    }
    for other in ("999999", "c-17", f"{maria}0", f" {maria}", "", "003xx0000000099AAA", *HOSTILE):
        assert await world.crm.find(other) is None, other


async def test_pages_follow_one_another_through_all_of_his_customers(world: World) -> None:
    mine = [await world.add(f"Customer {number}", owner=ADA if number % 3 else GRACE) for number in range(10)]
    wanted = [one for number, one in enumerate(mine) if number % 3]
    seen: list[str] = []
    while page := await world.crm.customers(ADA, 2, seen[-1] if seen else None, None):
        assert len(page) <= 2
        seen += ids(page)
    assert seen == wanted


async def test_a_worker_sees_his_own_in_any_letter_case(world: World) -> None:
    his = await world.add("Maria Sanchez", owner=ADA)
    await world.add("Robert Ellis", owner=GRACE)
    assert ids(await world.crm.customers("Ada@EXAMPLE.test", 10, None, None)) == [his]
    assert ids(await world.crm.customers("alan@example.test", 10, None, None)) == []


async def test_where_nobody_owns_anybody_everybody_sees_all(world: World) -> None:
    everybody = [await world.add(name) for name in ("Maria Sanchez", "Robert Ellis")]
    seen = ids(await world.crm.customers(ADA, 10, None, None))
    assert seen == ([] if world.always_owned else everybody)


async def test_a_query_finds_names_and_addresses_in_any_letter_case(world: World) -> None:
    maria = await world.add("Maria Sanchez", "+15550100001", owner=ADA)
    jo = await world.add("Jo Example", email="jo@shop.example.test", owner=ADA)
    await world.add("Maria Sanchez", "+15550100007", owner=GRACE)

    async def found(query: str) -> list[str]:
        return ids(await world.crm.customers(ADA, 10, None, query))

    assert await found("SANCH") == [maria]
    assert await found("maria sanchez") == [maria]
    assert await found("jo@shop") == [jo]
    assert await found("0100001") == [maria]
    assert await found("+15550100001") == [maria]
    assert await found(" ") == [maria, jo]
    assert await found("nobody here") == []
    assert await found("anch") == ([] if world.by_words else [maria])


async def test_a_query_and_a_page_go_together(world: World) -> None:
    anns = [await world.add(name, owner=ADA) for name in ("Ann A", "Bob B", "Ann C", "Ann D")]
    assert ids(await world.crm.customers(ADA, 1, anns[0], "ann")) == [anns[2]]


async def test_what_is_looked_for_is_text_and_nothing_more(world: World) -> None:
    await world.add("Maria Sanchez", "+15550100001", "maria@example.test", ADA)
    for text in HOSTILE:
        assert ids(await world.crm.customers(ADA, 10, None, text)) == [], text
        assert ids(await world.crm.customers(text, 10, None, None)) == [], text
        assert ids(await world.crm.customers(ADA, 10, text, None)) == [], text


async def test_a_name_is_found_by_what_is_a_wildcard_elsewhere(world: World) -> None:
    cotton = await world.add("100% Cot_ton O'Hara", owner=ADA)
    await world.add("100 Cotton Ohara", owner=ADA)
    for text in ("100%", "cot_t", "o'hara"):
        assert ids(await world.crm.customers(ADA, 10, None, text)) == [cotton], text


async def test_a_crm_that_is_down_is_unavailable(world: World) -> None:
    maria = await world.add("Maria Sanchez", "+15550100001", owner=ADA)
    await world.break_down()
    for call in (
        world.crm.find(maria),
        world.crm.find_by_address("+15550100001"),
        world.crm.customers(ADA, 10, None, None),
    ):
        with pytest.raises(CrmUnavailable) as refusal:
            await call
        assert not [secret for secret in ("5550100001", "Maria", "secret", "token-of") if secret in str(refusal.value)]

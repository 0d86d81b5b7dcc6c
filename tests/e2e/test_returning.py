"""Customers who come back and ask for the person they talked to last: who they get, who is passed over and why."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy import Connection, select, update

from orchestrator.adapters.menu_bot import INSTRUCTIONS
from orchestrator.addresses import channel_key
from orchestrator.bots.menu_texts import built_in
from states.customers import Channel, Customer
from states.returning import DAY_MS
from states.texts import LAST_IS_AWAY, LAST_NOT_FOUND, NO_ROUTING, PLEASE_WAIT, WELCOME, own
from storage.customers import save_customer
from storage.opening import write
from storage.schema import relationship
from tests.e2e.conftest import House, on_both
from tests.e2e.doors import CREDENTIALS

MARIA, STRANGER = "+15550100001", "+15550100042"
ADA, GRACE, ALAN = "ada@example.test", "grace@example.test", "alan@example.test"
LOOKING_FOR_LAST = {language: texts.looking_for_last for language, texts in built_in().items()}
ADA_AGAIN = f"{INSTRUCTIONS}\nOr reply LAST to talk to Ada again."


async def talks_to(house: House, customer: str, worker: str, **more: Any) -> str:
    """A conversation of the customer with this worker, which is over; its SID."""
    sid = await house.say(customer, f"{worker}, please", **more)
    await house.state(sid, "with_worker")
    await ends(house, sid)
    return sid


async def ends(house: House, sid: str) -> None:
    """The conversation is over."""
    await house.post(f"/sandbox/conversations/{sid}/close", {})
    await house.state(sid, "closed")


async def asks_for_last(house: House, customer: str = MARIA, body: str = "LAST", **more: Any) -> Any:
    """The customer asks for the person he talked to last; the dump once somebody is with him."""
    sid = await house.say(customer, body, **more)
    return await house.state(sid, "with_worker")


def considered(dump: Any) -> list[str]:
    """What the history tells of the candidates."""
    return next(row["event"]["considered"] for row in dump["history"] if "considered" in row["event"])


async def ours(house: House, sid: str) -> list[str]:
    return [body for author, body in await house.said(sid) if author == "system"]


async def answered(house: House, sid: str, count: int) -> list[str]:
    """What we said, once that is so many messages."""

    async def said() -> list[str] | None:
        found = await ours(house, sid)
        return found if len(found) >= count else None

    return list(await house.until(said))


async def in_the_book(house: House, work: Callable[[Connection], Any]) -> None:
    await asyncio.to_thread(write, house.database_url, work)


async def known(house: House, customer_id: str, *numbers: str, owner: str | None = None) -> None:
    """A customer of the book, with these numbers."""
    channels = tuple(Channel("sms", number) for number in numbers)
    customer = Customer(customer_id, "Maria Sanchez", channels, worker=owner)
    keys = [channel_key(it.type, it.value) for it in channels]
    await in_the_book(house, lambda connection: save_customer(connection, customer, keys))


async def days_ago(house: House, days: int) -> None:
    """Let it be so long ago that anybody talked to anybody."""
    ago = relationship.c.last_at - days * DAY_MS
    await in_the_book(house, lambda connection: connection.execute(update(relationship).values(last_at=ago)))


@on_both
async def test_who_comes_back_is_offered_by_name_whom_he_talked_to_and_gets_her(house: House) -> None:
    await talks_to(house, MARIA, ADA)
    sid = await house.say(MARIA, "Hello")
    assert await answered(house, sid, 2) == [WELCOME, ADA_AGAIN]
    await house.say(MARIA, "last, please")
    dump = await house.state(sid, "with_worker")
    assert dump["worker"] == {"identity": ADA}
    assert considered(dump) == ["owner: nobody", f"last: {ADA} chosen"]
    assert await answered(house, sid, 3) == [WELCOME, ADA_AGAIN, LOOKING_FOR_LAST["en"]]
    claimed = next(row["event"] for row in dump["history"] if row["trigger"] == "worker_found")
    dump = await house.quiet(sid)
    assigned = next(it["payload"] for it in dump["effects"] if it["kind"] == "set_worker_attributes")
    assert assigned["last_accepted_task_time"] == claimed["at_ms"]


async def test_anyone_is_still_whoever_has_been_idle_longest(house: House) -> None:
    await talks_to(house, MARIA, ADA)
    sid = await house.say(MARIA, "agent")
    assert (await house.state(sid, "with_worker"))["worker"] == {"identity": GRACE}


async def test_where_there_is_nobody_to_go_back_to_the_texts_are_what_they_were(house: House) -> None:
    await talks_to(house, MARIA, ADA)
    sid = await house.say(STRANGER, "Hello")
    assert await answered(house, sid, 2) == [WELCOME, INSTRUCTIONS]


async def test_the_offer_is_made_once_in_a_turn_and_again_in_the_next(house: House) -> None:
    sid = await house.say(MARIA, ADA)
    await house.state(sid, "with_worker")
    await house.post(f"/sandbox/conversations/{sid}/leave", {"identity": ADA})
    await house.state(sid, "awaiting_choice")
    await house.say(MARIA, "one more thing")
    await answered(house, sid, 3)
    await house.say(MARIA, "hello?")
    assert (await answered(house, sid, 4))[2:] == [ADA_AGAIN, INSTRUCTIONS]
    await house.say(MARIA, "the same person")
    assert (await house.state(sid, "with_worker"))["worker"] == {"identity": ADA}


async def test_the_first_message_may_ask_for_her_in_another_language(house: House) -> None:
    await talks_to(house, MARIA, ADA)
    dump = await asks_for_last(house, body="La misma persona, por favor")
    assert dump["worker"] == {"identity": ADA}
    assert await ours(house, dump["conversation_sid"]) == [WELCOME, LOOKING_FOR_LAST["es"]]


async def test_she_is_offered_in_the_language_of_who_comes_back(house: House) -> None:
    await talks_to(house, STRANGER, ADA)
    sid = await house.say(STRANGER, "Bonjour, je voudrais vous parler")
    french = built_in()["fr"]
    offer = french.last_offer_again.format(name="Ada")
    assert (await answered(house, sid, 2))[1] == f"{french.instructions}\n{offer}"
    await house.worker(ADA, False)
    await house.say(STRANGER, "LAST")
    await house.state(sid, "with_worker")
    assert (await ours(house, sid))[-1] == own("last_is_away", "fr").format(name="Ada")


# Who comes first


async def test_the_owner_comes_before_the_last_worker(house: House) -> None:
    await known(house, "1", MARIA, owner=GRACE)
    await talks_to(house, MARIA, ADA)
    sid = await house.say(MARIA, "Hello")
    assert (await answered(house, sid, 2))[1] == f"{INSTRUCTIONS}\nOr reply LAST to talk to Grace."
    dump = await asks_for_last(house)
    assert dump["worker"] == {"identity": GRACE}
    assert considered(dump) == [f"owner: {GRACE} chosen"]


async def test_who_has_an_owner_and_never_talked_to_anybody_is_offered_nobody_and_may_ask(house: House) -> None:
    await known(house, "1", MARIA, owner=GRACE)
    sid = await house.say(MARIA, "Hello")
    assert await answered(house, sid, 2) == [WELCOME, INSTRUCTIONS]
    assert (await asks_for_last(house))["worker"] == {"identity": GRACE}


@on_both
async def test_an_owner_who_is_away_is_passed_over_for_the_last_worker(house: House) -> None:
    await known(house, "1", MARIA, owner=GRACE)
    await talks_to(house, MARIA, ADA)
    await house.worker(GRACE, False)
    dump = await asks_for_last(house)
    assert dump["worker"] == {"identity": ADA}
    assert considered(dump) == [f"owner: {GRACE} offline", f"last: {ADA} chosen"]


@on_both
async def test_when_she_is_away_whoever_covers_for_her_comes(bare_house: House) -> None:
    house = bare_house
    await house.start(COVER=f"Ada@Example.test={ALAN}")
    await talks_to(house, MARIA, ADA)
    await house.worker(ADA, False)
    await house.worker(ALAN, True)
    dump = await asks_for_last(house)
    assert dump["worker"] == {"identity": ALAN}
    assert considered(dump) == ["owner: nobody", f"last: {ADA} offline", f"cover of {ADA}: {ALAN} chosen"]


@on_both
async def test_when_nobody_he_knows_is_there_he_is_told_and_whoever_is_free_comes(house: House) -> None:
    await talks_to(house, MARIA, ADA)
    await house.worker(ADA, False)
    dump = await asks_for_last(house)
    assert dump["worker"] == {"identity": GRACE}
    assert considered(dump)[-2:] == [f"last: {ADA} offline", "pool: whoever has been idle longest"]
    said = await ours(house, dump["conversation_sid"])
    assert said == [WELCOME, LOOKING_FOR_LAST["en"], LAST_IS_AWAY.format(name="Ada")]


@on_both
async def test_nobody_is_waited_for_who_is_offline(house: House) -> None:
    """The first who becomes available serves him, be it somebody else."""
    await talks_to(house, MARIA, ADA)
    await house.everyone_away()
    sid = await house.say(MARIA, "LAST")
    said = await answered(house, sid, 4)
    assert said == [WELCOME, LOOKING_FOR_LAST["en"], LAST_IS_AWAY.format(name="Ada"), PLEASE_WAIT]
    await house.worker(ALAN, True)
    assert (await house.state(sid, "with_worker", 10))["worker"] == {"identity": ALAN}


async def test_who_is_away_is_not_offered(house: House) -> None:
    await talks_to(house, MARIA, ADA)
    await house.worker(ADA, False)
    await house.service.directory.refresh()
    sid = await house.say(MARIA, "Hello")
    assert await answered(house, sid, 2) == [WELCOME, INSTRUCTIONS]


async def test_what_is_too_long_ago_no_longer_counts(bare_house: House) -> None:
    house = bare_house
    await house.start(LAST_WORKER_DAYS="100")
    await talks_to(house, MARIA, ADA)
    await days_ago(house, 99)
    sid = await house.say(MARIA, "Hello")
    assert (await answered(house, sid, 2))[1] == ADA_AGAIN
    await days_ago(house, 21)
    await ends(house, sid)
    sid = await house.say(MARIA, "Hello")
    assert await answered(house, sid, 2) == [WELCOME, INSTRUCTIONS]
    dump = await asks_for_last(house)
    assert dump["worker"] == {"identity": GRACE}
    assert considered(dump)[1] == f"last: {ADA} 120 days ago"
    assert (await ours(house, sid))[-1] == LAST_NOT_FOUND


async def test_a_worker_who_left_the_workspace_is_passed_over(house: House) -> None:
    await talks_to(house, MARIA, ADA)
    workforce = house.sandbox.sandbox.world.workforce
    ada = workforce.named(ADA)
    assert ada is not None
    workforce.remove(ada)
    dump = await asks_for_last(house)
    assert dump["worker"] == {"identity": GRACE}
    assert considered(dump)[1] == f"last: {ADA} no longer works here"
    assert (await ours(house, dump["conversation_sid"]))[-1] == LAST_NOT_FOUND


# Whose relationship it is


@pytest.mark.parametrize("customer", [MARIA, STRANGER], ids=["in the book", "a stranger"])
async def test_it_is_the_same_customer_on_another_channel(house: House, customer: str) -> None:
    await talks_to(house, customer, ADA)
    sid = await house.say(customer, "Hello", channel="whatsapp")
    assert (await answered(house, sid, 2))[1] == ADA_AGAIN
    dump = await asks_for_last(house, customer, channel="whatsapp")
    assert (dump["worker"], dump["address"]) == ({"identity": ADA}, f"whatsapp:{customer}")


@on_both
async def test_it_is_the_same_customer_with_another_number(house: House) -> None:
    other = "+15550100077"
    await known(house, "7", STRANGER, other)
    await talks_to(house, STRANGER, ADA)
    sid = await house.say(other, "Hello")
    assert (await answered(house, sid, 2))[1] == ADA_AGAIN
    assert (await asks_for_last(house, other))["worker"] == {"identity": ADA}


async def test_what_was_before_the_crm_knew_him_is_still_his(house: House) -> None:
    await talks_to(house, STRANGER, ADA)
    await known(house, "7", STRANGER)
    assert (await asks_for_last(house, STRANGER))["worker"] == {"identity": ADA}


async def test_whoever_is_not_known_at_all_is_told_and_served(house: House) -> None:
    dump = await asks_for_last(house, STRANGER)
    assert dump["worker"] == {"identity": ADA}
    assert considered(dump) == ["owner: nobody", "last: nobody", "pool: whoever has been idle longest"]
    assert await ours(house, dump["conversation_sid"]) == [WELCOME, LOOKING_FOR_LAST["en"], LAST_NOT_FOUND]


async def test_a_worker_who_came_by_himself_counts_too(house: House) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)
    await house.post(f"/sandbox/conversations/{sid}/join", {"identity": ALAN})
    await house.state(sid, "with_worker")
    await house.post(f"/sandbox/conversations/{sid}/leave", {"identity": ALAN})
    await house.state(sid, "awaiting_choice")
    await house.worker(ALAN, True)
    assert (await asks_for_last(house))["worker"] == {"identity": ALAN}


async def test_a_bot_of_one_s_own_may_send_him_back(bare_house: House) -> None:
    async def bot(_request: web.Request) -> web.Response:
        return web.json_response({"message": "", "route": "last"})

    app = web.Application()
    app.router.add_post("/", bot)
    async with TestServer(app) as server:
        await bare_house.start(BOT="http", BOT_URL=str(server.make_url("/")))
        dump = await asks_for_last(bare_house, body="Hello again")
        assert considered(dump)[:2] == ["owner: nobody", "last: nobody"]
        await ends(bare_house, dump["conversation_sid"])
        again = await asks_for_last(bare_house, body="Hello again")
    assert again["worker"] == dump["worker"]
    assert considered(again)[1] == f"last: {dump['worker']['identity']} chosen"


# What is silent


async def test_a_crm_that_is_down_costs_the_owner_and_not_the_answer(bare_house: House) -> None:
    house = bare_house
    await house.start(CRM="strapi", STRAPI_URL="http://127.0.0.1:9", STRAPI_TOKEN="token")
    await talks_to(house, MARIA, ADA)
    sid = await house.say(MARIA, "Hello")
    assert (await answered(house, sid, 2))[1] == ADA_AGAIN
    dump = await asks_for_last(house)
    assert dump["worker"] == {"identity": ADA}
    assert considered(dump)[0] == "owner: the CRM does not answer"


async def test_without_taskrouter_the_customer_is_told(bare_house: House) -> None:
    await bare_house.start(TWILIO_API_URL=bare_house.sandbox.url, **CREDENTIALS)
    sid = await bare_house.say(MARIA, "LAST")
    assert await answered(bare_house, sid, 2) == [WELCOME, NO_ROUTING]


async def test_two_who_ask_for_her_at_once_both_get_her(house: House) -> None:
    other = "+15550100002"
    await talks_to(house, MARIA, ADA)
    await talks_to(house, other, ADA)
    dumps = await asyncio.gather(asks_for_last(house), asks_for_last(house, other))
    assert [dump["worker"] for dump in dumps] == [{"identity": ADA}] * 2
    times = {row["event"]["at_ms"] for dump in dumps for row in dump["history"] if row["trigger"] == "worker_found"}
    assert len(times) == 2


async def test_a_relationship_is_one_row_however_often_they_talk(house: House) -> None:
    for worker in (ADA, GRACE, ADA):
        await talks_to(house, MARIA, worker)
    found: list[Any] = []
    await in_the_book(house, lambda connection: found.extend(connection.execute(select(relationship)).all()))
    assert [row.identity for row in found] == [ADA]
    assert found[0].key in ("customer/1", f"address/{MARIA}")

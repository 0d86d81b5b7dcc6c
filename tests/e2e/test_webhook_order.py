"""Each fact once, in the order of Index, whoever tells it and however often; what waits, and for whom."""

import asyncio
import time

import pytest
from aiohttp import web

from tests.e2e.answers import MARIA, answered, answers_follow, form_of
from tests.e2e.conftest import ARTICLE_FILTERS, House
from tests.e2e.doors import PROXY, gate, knock, locked, rows, serving

# Each fact once, in order.


async def told(house: House, path: str = "/post-event") -> list[dict[str, str]]:
    """The webhooks the sandbox sent to a path, as forms."""
    return [e["form"] for e in await house.ledger() if e["kind"] == "webhook" and e["path"] == path]


async def test_every_webhook_sent_again_changes_nothing(house: House) -> None:
    ch = await house.say(MARIA, "agent")
    await house.state(ch, "with_worker")
    await house.quiet(ch)
    await house.post(f"/sandbox/conversations/{ch}/leave", {"identity": "ada@example.test"})
    await house.state(ch, "awaiting_choice")
    await house.say(MARIA, "Hello")
    await house.until(lambda: last_is_ours(house, ch))
    await house.post(f"/sandbox/conversations/{ch}/close", {})
    await house.state(ch, "closed")
    await house.quiet(ch)
    before, said = await house.dump(ch), await house.said(ch)
    for form in await told(house):
        for _ in range(2):
            assert (await knock(house, "/post-event", form)).status == 200
    for form in await told(house, "/routing"):
        assert (await knock(house, "/routing", form)).status == 200
    after = await house.quiet(ch)
    assert after["history"] == before["history"]
    assert after["effects"] == before["effects"]
    assert await house.said(ch) == said


async def last_is_ours(house: House, ch: str) -> bool:
    return (await house.said(ch))[-1][0] == "system"


async def test_duplicated_webhooks_at_the_same_time_are_one_transition(house: House) -> None:
    await house.post("/sandbox/faults", {"webhook_duplicate": 1}, "PUT")
    ch = await house.say(MARIA, "one")
    await house.say(MARIA, "two")
    await house.until(lambda: answered(house, ch, 2))
    dump = await house.quiet(ch)
    received = [r["event"]["body"] for r in dump["history"] if r["trigger"] == "message_received"]
    assert received == ["one", "two"]
    assert len(await house.said(ch)) == 5


@pytest.mark.parametrize("order", [(3, 2, 1), (2, 3, 1), (3, 1, 2)])
async def test_messages_told_out_of_order_are_answered_in_the_order_of_index(
    house: House, order: tuple[int, ...]
) -> None:
    ch = await house.say(MARIA, "0")
    await house.until(lambda: answered(house, ch, 1))
    await house.quiet(ch)
    await house.post("/sandbox/faults", {"webhook_loss": 1}, "PUT")
    for text in "123":
        await house.say(MARIA, text)
    record = await house.record(ch)
    forms = {m["body"]: form_of(ch, m) for m in record["messages"] if m["author"] == MARIA}
    for number in order:
        assert (await knock(house, "/post-event", forms[str(number)])).status == 200
        await asyncio.sleep(0.12)
    await house.until(lambda: answered(house, ch, 4))
    dump = await house.quiet(ch)
    assert [r["event"]["body"] for r in dump["history"] if r["trigger"] == "message_received"] == list("0123")
    asked = [r["event"]["message_sid"] for r in dump["history"] if r["trigger"] == "bot_replied"]
    assert asked == [m["sid"] for m in record["messages"] if m["author"] == MARIA]


async def test_a_message_behind_one_that_nobody_told_of_keeps_its_place_while_lists_lag(house: House) -> None:
    ch = await house.say(MARIA, "0")
    await house.until(lambda: answered(house, ch, 1))
    await house.quiet(ch)
    await house.post("/sandbox/faults", {"webhook_loss": 1, "list_lag_s": 1.5}, "PUT")
    for text in "12":
        await house.say(MARIA, text)
    told_last = form_of(ch, (await house.record(ch))["messages"][-1])
    assert (await knock(house, "/post-event", told_last)).status == 200
    await house.until(lambda: answered(house, ch, 3))
    dump = await house.quiet(ch)
    assert [r["event"]["body"] for r in dump["history"] if r["trigger"] == "message_received"] == list("012")


async def test_a_look_that_finds_an_earlier_message_goes_on_looking_for_its_own(house: House) -> None:
    await house.filters(ARTICLE_FILTERS)
    ch = await house.say(MARIA, "0")
    await house.until(lambda: answered(house, ch, 1))
    await house.quiet(ch)
    # At 0.3 s and 0.9 s the first look finds nothing. At 1.1 s the second finds the message of the first.
    await house.post("/sandbox/faults", {"list_lag_s": 1}, "PUT")
    await house.say(MARIA, "1")
    await asyncio.sleep(0.8)
    await house.say(MARIA, "2")
    await house.until(lambda: answered(house, ch, 3))
    assert rows(house)["look"] == 0


async def test_webhooks_delayed_at_random_are_answered_once_each_in_order(house: House) -> None:
    await house.post("/sandbox/faults", {"webhook_delay_ms": [0, 300], "seed": 4}, "PUT")
    ch = await house.say(MARIA, "0")
    for text in "1234":
        await house.say(MARIA, text)
    await house.until(lambda: answered(house, ch, 5))
    dump = await house.quiet(ch)
    assert [r["event"]["body"] for r in dump["history"] if r["trigger"] == "message_received"] == list("01234")
    assert len(await house.said(ch)) == 11
    await answers_follow(house, ch)


@pytest.mark.parametrize("filters", ["recommended", "article"])
async def test_the_answer_never_stands_before_its_message(house: House, filters: str) -> None:
    if filters == "article":
        await house.filters(ARTICLE_FILTERS)
    ch = await house.say(MARIA, "0")
    for n in range(1, 4):
        await house.say(MARIA, str(n))
        await asyncio.sleep(0.2)
    await house.until(lambda: answered(house, ch, 4), 20)
    await house.quiet(ch)
    assert len(await house.said(ch)) == 9
    await answers_follow(house, ch)


async def test_an_ordinary_message_costs_no_read_with_the_recommended_filters(bare_house: House) -> None:
    async with gate(bare_house) as counted:
        await bare_house.start(TWILIO_API_URL=counted.url, PUBLISH_GRACE_S="5")
        await asyncio.sleep(0.5)
        counted.calls.clear()
        ch = await bare_house.say(MARIA, "one")
        await bare_house.until(lambda: answered(bare_house, ch, 1))
        await bare_house.quiet(ch)
        await bare_house.say(MARIA, "two")
        await bare_house.until(lambda: answered(bare_house, ch, 2))
        await bare_house.quiet(ch)
        assert rows(bare_house)["look"] == 0
        # the participant is read once, to keep his other attributes
        assert [path for path in counted.reads() if "/Participants/MB" not in path] == []
        await bare_house.stop()


async def test_a_message_costs_one_look_with_the_articles_filters(bare_house: House) -> None:
    await bare_house.filters(ARTICLE_FILTERS)
    async with gate(bare_house) as counted:
        await bare_house.start(TWILIO_API_URL=counted.url)
        ch = await bare_house.say(MARIA, "one")
        await bare_house.until(lambda: answered(bare_house, ch, 1))
        await bare_house.quiet(ch)
        counted.calls.clear()
        await bare_house.say(MARIA, "two")
        await bare_house.until(lambda: answered(bare_house, ch, 2))
        await bare_house.quiet(ch)
        await asyncio.sleep(2)
        assert [path.rsplit("/", 1)[1] for path in counted.reads()] == ["Messages"]
        assert rows(bare_house)["look"] == 0
        await bare_house.stop()


# What waits, and for whom.


async def test_a_crm_that_hangs_costs_a_second_once_and_then_nobody_anything(bare_house: House) -> None:
    released = asyncio.Event()

    async def hang(_request: web.Request) -> web.Response:
        await released.wait()
        return web.json_response([{"id": 1, "name": "Maria Sanchez"}])

    async with serving(hang) as url:
        await bare_house.start(CRM="strapi", STRAPI_URL=url, STRAPI_TOKEN="t" * 32)
        waits = [await announced(bare_house, n) for n in range(3)]
        assert 0.8 < waits[0] < 1.6
        assert max(waits[1:]) < 0.4
        ch = await bare_house.say("+15550100002", "Hello")
        await bare_house.until(lambda: answered(bare_house, ch, 1), 4)
        released.set()
        await bare_house.stop()


async def announced(house: House, n: int) -> float:
    """How long the pre-action webhook of a new conversation took, in seconds."""
    form = {
        "EventType": "onConversationAdd",
        "MessagingBinding.Address": f"+1555040{n:04d}",
        "MessagingBinding.ProxyAddress": PROXY,
    }
    started = time.monotonic()
    reply = await knock(house, "/pre-event", form)
    assert (reply.status, reply.json) == (200, {})
    return time.monotonic() - started


async def test_the_name_of_a_new_conversation_is_in_the_answer(house: House) -> None:
    form = {"EventType": "onConversationAdd", "MessagingBinding.Address": MARIA, "MessageBody": "Hello"}
    reply = await knock(house, "/pre-event", form | {"MessagingBinding.ProxyAddress": PROXY})
    assert (reply.status, reply.json) == (200, {"friendly_name": "Maria Sanchez"})


async def test_what_came_while_the_store_was_away_is_caught_up_with(bare_house: House) -> None:
    await bare_house.start(RECONCILE_S="1")
    ch = await bare_house.say(MARIA, "one")
    await bare_house.until(lambda: answered(bare_house, ch, 1))
    await bare_house.quiet(ch)
    async with locked(bare_house):
        await bare_house.say(MARIA, "two")
        other = await bare_house.say("+15550100002", "three")
        await asyncio.sleep(5)
    await bare_house.until(lambda: answered(bare_house, ch, 2), 20)
    await bare_house.until(lambda: answered(bare_house, other, 1), 20)
    await bare_house.quiet(ch)
    await bare_house.quiet(other)
    assert len(await bare_house.said(ch)) == 5
    assert len(await bare_house.said(other)) == 3
    async with bare_house.session.get(bare_house.url + "/readyz") as response:
        assert response.status == 200


@pytest.mark.parametrize("turns", range(4))
async def test_the_service_stops_even_while_it_is_being_told_something(house: House, turns: int) -> None:
    """In Python 3.11 `asyncio.wait_for` swallows a cancellation that comes just as what it waits for is done."""
    service = house.service
    await asyncio.sleep(0.5)
    for hint in (
        service.directory.stale.set,
        service.waiting_room.hint,
        service.dispatcher.wake,
        service.looker.hint,
    ):
        hint()
    for _ in range(turns):
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await service.drain()


async def test_a_name_that_could_not_be_given_in_time_is_given_later(house: House) -> None:
    """With the article's filters nothing but our own answer says how the conversation is called."""
    await house.filters(ARTICLE_FILTERS)
    async with locked(house):
        saying = asyncio.create_task(house.say(MARIA, "Hello"))
        await asyncio.sleep(2.4)
    ch = await saying
    await house.until(lambda: answered(house, ch, 1))
    await house.quiet(ch)
    assert (await house.record(ch))["conversation"]["friendly_name"] == "Maria Sanchez"

"""A customer texts, is greeted, chooses, and meets a worker: over real sockets, with both sets of webhook filters."""

import asyncio

import pytest

from orchestrator.sandbox import seeds
from states.texts import NO_SUCH_WORKER, PLEASE_WAIT, WELCOME
from tests.e2e.conftest import ARTICLE_FILTERS, BOTH, House

DATABASES = BOTH
MARIA = "+15550100001"
SYSTEM = "system"


@pytest.fixture(params=["recommended", "article"])
async def either_house(request: pytest.FixtureRequest, house: House) -> House:
    if request.param == "article":
        await house.filters(ARTICLE_FILTERS)
    return house


async def test_the_first_message_is_greeted_and_answered_after_itself(either_house: House) -> None:
    sid = await either_house.say(MARIA, "Hello")
    await either_house.until(lambda: three_messages(either_house, sid))
    await either_house.quiet(sid)
    authors = [author for author, _body in await either_house.said(sid)]
    assert authors == [MARIA, SYSTEM, SYSTEM]
    assert (await either_house.said(sid))[1] == (SYSTEM, WELCOME)


async def three_messages(house: House, sid: str) -> bool:
    return len(await house.said(sid)) >= 3


async def test_a_message_with_a_nul_in_it_is_answered_like_any_other(either_house: House) -> None:
    sid = await either_house.say(MARIA, "Hello\0")
    await either_house.until(lambda: three_messages(either_house, sid))
    assert await either_house.say(MARIA, "\0agent\0") == sid
    await either_house.state(sid, "with_worker")
    await either_house.quiet(sid)
    assert [author for author, _body in await either_house.said(sid)].count(MARIA) == 2


async def test_agent_brings_in_the_longest_idle_worker(either_house: House) -> None:
    sid = await either_house.say(MARIA, "Hello, an AGENT please!")
    dump = await either_house.state(sid, "with_worker")
    assert dump["worker"] == {"identity": "ada@example.test"}
    assert await either_house.identities(sid) == ["ada@example.test"]


async def test_an_address_brings_in_its_worker_available_or_not_in_any_letter_case(either_house: House) -> None:
    sid = await either_house.say(MARIA, "Could I talk to <ALAN@Example.TEST>, please?")
    dump = await either_house.state(sid, "with_worker")
    assert dump["worker"] == {"identity": "alan@example.test"}
    await either_house.quiet(sid)


async def test_an_address_of_nobody_adds_nobody_and_asks_again(house: House) -> None:
    sid = await house.say(MARIA, "nobody@example.test")
    await house.until(lambda: said_by_us(house, sid, NO_SUCH_WORKER))
    dump = await house.state(sid, "awaiting_choice")
    assert dump["worker"] is None
    assert await house.identities(sid) == []


async def said_by_us(house: House, sid: str, body: str) -> bool:
    return (SYSTEM, body) in await house.said(sid)


async def test_nobody_available_is_told_once_and_served_oldest_first(house: House) -> None:
    await house.everyone_away()
    first = await house.say(MARIA, "agent")
    await house.until(lambda: said_by_us(house, first, PLEASE_WAIT))
    second = await house.say("+15550100002", "agent")
    await house.until(lambda: said_by_us(house, second, PLEASE_WAIT))
    await house.say(MARIA, "are you there?")
    await house.worker("grace@example.test", True)
    for sid in (first, second):
        dump = await house.state(sid, "with_worker")
        assert dump["worker"] == {"identity": "grace@example.test"}
    found = [(await house.dump(sid))["history"] for sid in (first, second)]
    times = [next(row["event"]["at_ms"] for row in rows if row["trigger"] == "worker_found") for rows in found]
    assert times[0] < times[1]
    assert [body for author, body in await house.said(first) if author == SYSTEM].count(PLEASE_WAIT) == 1


async def test_two_customers_at_once_meet_two_workers(house: House) -> None:
    sids = await asyncio.gather(*(house.say(f"+1555010010{n}", "agent") for n in range(2)))
    workers = [(await house.state(sid, "with_worker"))["worker"]["identity"] for sid in sids]
    assert sorted(workers) == ["ada@example.test", "grace@example.test"]


async def test_twenty_conversations_over_five_workers_end_four_each(house: House) -> None:
    await house.everyone_away()
    for n in range(5):
        await house.worker(f"worker{n}@example.test", True)
    sids = await asyncio.gather(*(house.say(f"+1555010{n:04d}", "agent") for n in range(20)))
    served = [(await house.state(sid, "with_worker"))["worker"]["identity"] for sid in sids]
    assert sorted(served) == sorted(f"worker{n}@example.test" for n in range(5) for _ in range(4))


async def test_the_bot_is_silent_with_a_worker_and_back_when_he_leaves(house: House) -> None:
    sid = await house.say(MARIA, "agent")
    await house.state(sid, "with_worker")
    await house.quiet(sid)
    before = await house.said(sid)
    await house.say(MARIA, "agent")
    await house.post(f"/sandbox/conversations/{sid}/messages", {"author": "ada@example.test", "body": "Hello"})
    await house.post(f"/sandbox/conversations/{sid}/leave", {"identity": "ada@example.test"})
    await house.state(sid, "awaiting_choice")
    assert [author for author, _ in (await house.said(sid))[len(before) :]] == [MARIA, "ada@example.test"]
    await house.say(MARIA, "hello again")
    await house.until(lambda: last_is_ours(house, sid))


async def last_is_ours(house: House, sid: str) -> bool:
    return (await house.said(sid))[-1][0] == SYSTEM


async def test_a_closed_conversation_stays_closed_and_the_next_message_is_a_new_one(house: House) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.state(sid, "awaiting_choice")
    await house.post(f"/sandbox/conversations/{sid}/close", {})
    await house.state(sid, "closed")
    other = await house.say(MARIA, "Hello")
    assert other != sid
    await house.state(other, "awaiting_choice")
    assert (await house.dump(sid))["state"] == "closed"


async def test_the_conversation_is_named_and_its_customer_enriched(either_house: House) -> None:
    sid = await either_house.say(MARIA, "Hello")
    await either_house.state(sid, "awaiting_choice")
    await either_house.until(lambda: known(either_house, sid))
    await either_house.quiet(sid)
    record = await either_house.record(sid)
    assert record["conversation"]["friendly_name"] == "Maria Sanchez"
    assert '"customer_id":"1"' in record["participants"][0]["attributes"].replace(" ", "")


async def known(house: House, sid: str) -> bool:
    return (await house.dump(sid)).get("customer") is not None


async def test_a_chat_customer_is_served_like_any_other(house: House) -> None:
    sid = await house.say("visitor-17", "agent", channel="chat")
    dump = await house.state(sid, "with_worker")
    assert dump["address"] == "visitor-17"
    assert sorted(await house.identities(sid)) == ["ada@example.test", "visitor-17"]


async def test_a_photo_alone_is_a_message(house: House) -> None:
    sid = await house.say(MARIA, "", media=[{"content_type": "image/png", "filename": "a.png"}])
    await house.state(sid, "awaiting_choice")
    await house.until(lambda: three_messages(house, sid))


async def test_a_burst_is_answered_once_each_in_order(either_house: House) -> None:
    sid = await either_house.say(MARIA, "one")
    for text in ("two", "three", "four"):
        await either_house.say(MARIA, text)
    await either_house.until(lambda: bot_answers(either_house, sid, 4))
    dump = await either_house.quiet(sid)
    received = [row["event"]["body"] for row in dump["history"] if row["trigger"] == "message_received"]
    assert received == ["one", "two", "three", "four"]
    answers = [e for e in dump["effects"] if e["kind"] == "send_message"]
    assert len(answers) == 5
    assert len(await either_house.said(sid)) == 9


async def bot_answers(house: House, sid: str, count: int) -> bool:
    return sum(row["trigger"] == "bot_replied" for row in (await house.dump(sid))["history"]) >= count


async def test_the_seeded_workers_are_what_the_tests_think() -> None:
    assert seeds.WORKERS == (("ada@example.test", True), ("grace@example.test", True), ("alan@example.test", False))

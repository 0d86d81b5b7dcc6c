"""What no webhook told is found by looking: messages, people, ends, and whole conversations."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from states.texts import WELCOME
from tests.e2e.answers import answers_follow, form_of
from tests.e2e.conftest import House
from tests.e2e.doors import PROXY, knock, outgoing, rest
from tests.e2e.test_people import join, leave, ours, received, write

MARIA = "+15550100001"
ALAN = "alan@example.test"


@pytest.fixture
async def looking(bare_house: House) -> House:
    """A house that looks every second."""
    await bare_house.start(RECONCILE_S="1")
    return bare_house


async def deaf(house: House, loss: float = 1) -> None:
    await house.post("/sandbox/faults", {"webhook_loss": loss}, "PUT")


async def test_a_conversation_never_heard_of_is_found_and_answered_once(looking: House) -> None:
    await deaf(looking)
    sid = await looking.say(MARIA, "Hello")
    await looking.say(MARIA, "Anybody?")
    await looking.until(lambda: received(looking, sid, 2))
    await looking.quiet(sid)
    assert len(await ours(looking, sid)) == 3
    assert (await ours(looking, sid))[0] == WELCOME
    await answers_follow(looking, sid)


async def test_messages_people_and_the_end_are_found(looking: House) -> None:
    sid = await looking.say(MARIA, "Hello")
    await looking.until(lambda: received(looking, sid, 1))
    await looking.quiet(sid)
    await deaf(looking)
    await looking.say(MARIA, "Still there?")
    await looking.until(lambda: received(looking, sid, 2))
    await join(looking, sid, ALAN)
    assert (await looking.state(sid, "with_worker"))["worker"] == {"identity": ALAN}
    await leave(looking, sid, ALAN)
    assert (await looking.state(sid, "awaiting_choice"))["worker"] is None
    await looking.post(f"/sandbox/conversations/{sid}/close", {})
    await looking.state(sid, "closed")


async def test_a_lost_webhook_that_comes_later_changes_nothing(looking: House) -> None:
    sid = await looking.say(MARIA, "Hello")
    await looking.until(lambda: received(looking, sid, 1))
    await looking.quiet(sid)
    await deaf(looking)
    await looking.say(MARIA, "Still there?")
    await looking.until(lambda: received(looking, sid, 2))
    await looking.quiet(sid)
    before = await looking.dump(sid)
    for message in (await looking.record(sid))["messages"]:
        if message["author"] == MARIA:
            assert (await knock(looking, "/post-event", form_of(sid, message))).status == 200
    assert (await looking.quiet(sid))["history"] == before["history"]
    assert len(await ours(looking, sid)) == 3


async def test_half_the_webhooks_lost_and_the_other_half_twice_answers_each_message_once(looking: House) -> None:
    faults = {"webhook_loss": 0.5, "webhook_duplicate": 0.5, "webhook_delay_ms": [0, 300], "seed": 11}
    await looking.post("/sandbox/faults", faults, "PUT")
    sid = await looking.say(MARIA, "0")
    for text in "12345":
        await looking.say(MARIA, text)
        await asyncio.sleep(0.1)
    await looking.until(lambda: received(looking, sid, 6), 25)
    await looking.quiet(sid)
    dump = await looking.dump(sid)
    assert [r["event"]["body"] for r in dump["history"] if r["trigger"] == "message_received"] == list("012345")
    assert len(await ours(looking, sid)) == 7
    await answers_follow(looking, sid)


async def test_at_the_start_what_happened_meanwhile_is_found(bare_house: House) -> None:
    await bare_house.start()
    sid = await bare_house.say(MARIA, "Hello")
    await bare_house.until(lambda: received(bare_house, sid, 1))
    await bare_house.quiet(sid)
    await bare_house.stop()
    await deaf(bare_house)
    await bare_house.say(MARIA, "Still there?")
    other = await bare_house.say("+15550100002", "Hello")
    await bare_house.start()
    await bare_house.until(lambda: received(bare_house, sid, 2))
    await bare_house.until(lambda: received(bare_house, other, 1))
    await bare_house.quiet(sid)
    await bare_house.quiet(other)
    assert len(await ours(bare_house, sid)) == 3
    assert len(await ours(bare_house, other)) == 2


async def test_older_conversations_are_left_alone(bare_house: House) -> None:
    await deaf(bare_house)
    old = await bare_house.say(MARIA, "Hello")
    older = str((await rest(bare_house, "POST", "/Conversations", DateCreated=days_ago(2)))["sid"])
    binding = {"MessagingBinding__Address": "+15550100002", "MessagingBinding__ProxyAddress": PROXY}
    await rest(bare_house, "POST", f"/Conversations/{older}/Participants", False, **binding)
    await bare_house.say("+15550100002", "Hello")
    await asyncio.sleep(1.1)
    await bare_house.start(RECONCILE_S="1")
    new = await bare_house.say("+15550100004", "Hello")
    await bare_house.until(lambda: received(bare_house, new, 1))
    await bare_house.quiet(new)
    await asyncio.sleep(2.5)
    for sid in (old, older):
        assert await ours(bare_house, sid) == []
        assert (await bare_house.dump(sid))["state"] is None


def days_ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_a_conversation_a_worker_started_is_found_and_never_greeted(looking: House) -> None:
    await deaf(looking)
    sid = await outgoing(looking, ALAN, MARIA)
    await write(looking, sid, ALAN, "Good morning")
    await looking.say(MARIA, "agent")
    assert (await looking.state(sid, "with_worker"))["worker"] == {"identity": ALAN}
    await asyncio.sleep(2.5)
    await looking.quiet(sid)
    assert await ours(looking, sid) == []


async def test_a_conversation_somebody_answered_is_not_answered_again(looking: House) -> None:
    """Never heard of, the worker has answered and left: nothing is unanswered."""
    await deaf(looking)
    sid = await outgoing(looking, ALAN, MARIA)
    await looking.say(MARIA, "Are you open today?")
    await write(looking, sid, ALAN, "Yes, until six")
    await leave(looking, sid, ALAN)
    await asyncio.sleep(2.5)
    assert await ours(looking, sid) == []


async def test_a_removed_participant_is_found_without_webhooks(looking: House) -> None:
    sid = await looking.say(MARIA, "agent")
    await looking.state(sid, "with_worker")
    await looking.quiet(sid)
    people = (await looking.record(sid))["participants"]
    worker = next(person["sid"] for person in people if person["identity"])
    await rest(looking, "DELETE", f"/Conversations/{sid}/Participants/{worker}")
    await looking.state(sid, "awaiting_choice")


async def test_a_pre_action_event_of_a_message_never_published_leaves_nothing_waiting(house: House) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.until(lambda: received(house, sid, 1))
    await house.quiet(sid)
    form = {"EventType": "onMessageAdd", "ConversationSid": sid, "Author": MARIA, "Body": "never"}
    assert (await knock(house, "/pre-event", form)).status == 200
    await house.say(MARIA, "Hello again")
    await house.until(lambda: received(house, sid, 2))
    await asyncio.sleep(1)
    await house.quiet(sid)
    assert len(await ours(house, sid)) == 3

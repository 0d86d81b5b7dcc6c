"""After STOP nothing of ours leaves, whatever is queued, in this conversation and in later ones, until START."""

from typing import Any

import pytest

from orchestrator.acts import ActRefused
from orchestrator.verifying import Stores, verify
from states import texts
from storage.threads import thread
from storage.writer import wall_clock
from tests.e2e.conftest import House, on_both
from tests.e2e.doors import knock
from tests.e2e.staff import ADA, ADAS, BOSS, acts, refused, with_ada
from tests.stores import sid as a_sid

MARIA, DORA = "+15550100001", "+15550100004"


async def said_by_us(house: House, sid: str) -> list[tuple[str, str]]:
    return [(author, body) for author, body in await house.said(sid) if author != MARIA]


async def heard(house: House, sid: str, messages: int) -> Any:
    """Wait until this many of the customer's messages were decided and nothing is under way; the dump."""

    async def decided() -> bool:
        history = (await house.dump(sid))["history"]
        return sum(row["trigger"] == "message_received" for row in history) >= messages

    await house.until(decided)
    return await house.quiet(sid)


@on_both
async def test_stop_silences_the_bot_and_start_brings_it_back(house: House) -> None:
    sid = await house.say(MARIA, "Hello")
    await heard(house, sid, 1)
    before = await said_by_us(house, sid)
    await house.say(MARIA, " stop ")
    await house.say(MARIA, "agent")
    dump = await heard(house, sid, 3)
    assert dump["state"] == "awaiting_choice"
    assert await said_by_us(house, sid) == before
    await house.say(MARIA, "START")
    await heard(house, sid, 4)
    assert len(await said_by_us(house, sid)) == len(before) + 1


@on_both
async def test_what_is_queued_does_not_leave_and_the_worker_is_told(house: House) -> None:
    sid = await with_ada(house)
    before = await said_by_us(house, sid)
    await house.post("/sandbox/faults", {"latency_ms": 1500}, "PUT")
    for number in range(3):
        await acts(house).write(sid, ADAS, f"no. {number}", f"token-{number:04}")
    await house.say(MARIA, "STOP")
    dump = await heard(house, sid, 2)
    await house.post("/sandbox/faults", {}, "PUT")
    # The first had left before the customer spoke.
    assert await said_by_us(house, sid) == [*before, (ADA, "no. 0")]
    assert [e["status"] for e in dump["effects"] if e["kind"] == "send_message"][-3:] == ["done", "skipped", "skipped"]
    entries, _more = await house.service.reader.read(lambda connection: thread(connection, sid))
    failed = [(entry.body, entry.error) for entry in entries if entry.status == "failed"]
    assert failed == [(f"no. {number}", "It was not sent: the customer said STOP.") for number in (1, 2)]
    ledger = await house.ledger()
    checked = await house.service.reader.read(lambda connection: verify(Stores(connection, wall_clock(), ledger)))
    assert {name: found for name, found in checked.items() if found} == {}


async def test_what_waits_to_be_repeated_does_not_leave_either(house: House) -> None:
    sid = await with_ada(house)
    before = await said_by_us(house, sid)
    await house.post("/sandbox/faults", {"errors": {"429": 1}}, "PUT")
    await acts(house).write(sid, ADAS, "Are you there?", "token-0001")
    await house.say(MARIA, "STOP")
    dump = await house.state(sid, "with_worker")
    await house.post("/sandbox/faults", {}, "PUT")
    dump = await heard(house, sid, 2)
    assert dump["effects"][-1]["status"] == "skipped"
    assert await said_by_us(house, sid) == before


async def test_a_worker_is_refused_with_a_sentence_until_start(house: House) -> None:
    sid = await with_ada(house)
    await house.say(MARIA, "STOP")
    await heard(house, sid, 2)
    with refused(409, "The customer said STOP"):
        await acts(house).write(sid, ADAS, "Are you there?", "token-0001")
    await house.say(MARIA, "START")
    await heard(house, sid, 3)
    await acts(house).write(sid, ADAS, "Welcome back", "token-0001")
    await house.quiet(sid)
    assert (await house.said(sid))[-1] == (ADA, "Welcome back")


@on_both
async def test_stop_outlives_the_conversation(house: House) -> None:
    sid = await with_ada(house)
    await house.say(MARIA, "STOP")
    await heard(house, sid, 2)
    await acts(house).close(sid, BOSS, "", "token-0001")
    await house.state(sid, "closed")
    other = await house.say(MARIA, "Hello again")
    dump = await heard(house, other, 1)
    assert (dump["state"], await said_by_us(house, other)) == ("greeting", [])
    await house.say(MARIA, "yes")
    assert (await heard(house, other, 2))["state"] == "awaiting_choice"
    assert next(body for _author, body in await said_by_us(house, other)) == texts.WELCOME
    assert other != sid


async def test_a_conversation_that_we_start_is_silent_too(house: House) -> None:
    sid = await with_ada(house)
    await house.say(MARIA, "STOP")
    await heard(house, sid, 2)
    await acts(house).close(sid, BOSS, "", "token-0001")
    await house.state(sid, "closed")
    other = await acts(house).start(ADAS, "1", "sms", MARIA, "token-0002")
    with pytest.raises(ActRefused, match="said STOP"):
        await acts(house).write(other, ADAS, "Hello, Maria", "token-0003")


async def test_a_first_message_of_stop_is_answered_with_silence(house: House) -> None:
    sid = await house.say(DORA, "Arrêt")
    dump = await heard(house, sid, 1)
    assert (dump["state"], len(await house.said(sid))) == ("greeting", 1)


async def test_help_is_answered_once_and_the_bot_is_not_asked(house: House) -> None:
    sid = await house.say(MARIA, "help")
    await heard(house, sid, 1)
    assert [body for _author, body in await said_by_us(house, sid)] == [texts.WELCOME, texts.HELP]
    await house.say(MARIA, "INFO")
    dump = await heard(house, sid, 2)
    assert [body for _author, body in await said_by_us(house, sid)][2:] == [texts.HELP]
    assert not [effect for effect in dump["effects"] if effect["kind"] == "ask_bot"]


@on_both
async def test_twilio_tells_that_the_customer_said_stop(house: House) -> None:
    sid = await with_ada(house)
    message = (await house.record(sid))["messages"][-1]["sid"]
    form = {
        "EventType": "onDeliveryUpdated",
        "ConversationSid": sid,
        "MessageSid": message,
        "DeliveryReceiptSid": a_sid("DY", 7),
        "Status": "undelivered",
        "ErrorCode": "21610",
    }
    assert (await knock(house, "/post-event", form)).status == 200
    with refused(409, "The customer said STOP"):
        await acts(house).write(sid, ADAS, "Are you there?", "token-0001")
    await house.say(MARIA, "START")
    await heard(house, sid, 2)
    # Told once more, it is no news: he has said START since.
    assert (await knock(house, "/post-event", form)).status == 200
    await acts(house).write(sid, ADAS, "Welcome back", "token-0002")

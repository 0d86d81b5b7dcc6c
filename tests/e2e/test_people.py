"""Who is in the conversation: workers who start it, join it and leave it, customers beside them, and its end."""

import asyncio
import json
from typing import Any

import pytest

from states.texts import WELCOME
from tests.e2e.conftest import ARTICLE_FILTERS, House, on_both
from tests.e2e.doors import CREDENTIALS, PROXY, knock, outgoing, rest

MARIA = "+15550100001"
ADA, GRACE, ALAN = "ada@example.test", "grace@example.test", "alan@example.test"


async def join(house: House, sid: str, identity: str) -> None:
    await house.post(f"/sandbox/conversations/{sid}/join", {"identity": identity})


async def leave(house: House, sid: str, identity: str) -> None:
    await house.post(f"/sandbox/conversations/{sid}/leave", {"identity": identity})


async def write(house: House, sid: str, author: str, body: str) -> None:
    await house.post(f"/sandbox/conversations/{sid}/messages", {"author": author, "body": body})


async def ours(house: House, sid: str) -> list[str]:
    return [body for author, body in await house.said(sid) if author == "system"]


async def received(house: House, sid: str, count: int) -> bool:
    rows = (await house.dump(sid))["history"]
    return sum(1 for row in rows if row["trigger"] == "message_received") == count


async def looks_in_vain(house: House) -> int:
    async with house.session.get(f"{house.url}/metrics") as response:
        lines = (await response.text()).splitlines()
    told = 'expert_hub_looks_total{found="no"} '
    return sum(int(float(line.removeprefix(told))) for line in lines if line.startswith(told))


async def more_looks_in_vain(house: House, before: int) -> bool:
    return await looks_in_vain(house) > before


@pytest.mark.parametrize("filters", ["recommended", "article"])
@pytest.mark.parametrize("told", [True, False], ids=["told", "silent"])
@pytest.mark.parametrize("settle", [True, False], ids=["later", "at once"])
async def test_a_conversation_a_worker_started_is_never_greeted(
    house: House, told: bool, filters: str, settle: bool
) -> None:
    if filters == "article":
        await house.filters(ARTICLE_FILTERS)
    sid = await outgoing(house, ALAN, MARIA, told)
    if settle:
        await asyncio.sleep(0.5)
    assert await house.say(MARIA, "Who are you? An agent?") == sid
    dump = await house.state(sid, "with_worker")
    assert dump["worker"] == {"identity": ALAN}
    await house.until(lambda: received(house, sid, 1))
    await house.quiet(sid)
    await asyncio.sleep(1)
    assert await ours(house, sid) == []
    assert {row["source"] for row in (await house.dump(sid))["history"]} <= {"greeting", "with_worker"}


@pytest.mark.parametrize("filters", ["recommended", "article"])
async def test_a_conversation_a_worker_started_is_not_greeted_while_lists_lag(house: House, filters: str) -> None:
    if filters == "article":
        await house.filters(ARTICLE_FILTERS)
    await house.post("/sandbox/faults", {"list_lag_s": 1.5}, "PUT")
    sid = await outgoing(house, ALAN, MARIA)
    await house.say(MARIA, "Who are you? An agent?")
    await house.state(sid, "with_worker")
    await house.until(lambda: received(house, sid, 1))
    await house.quiet(sid)
    assert await ours(house, sid) == []


async def test_a_conversation_with_a_worker_in_another_letter_case_is_never_greeted(house: House) -> None:
    sid = await outgoing(house, "Alan@EXAMPLE.test", MARIA)
    await house.say(MARIA, "Hello")
    await house.state(sid, "with_worker")
    await house.until(lambda: received(house, sid, 1))
    await house.quiet(sid)
    assert await ours(house, sid) == []


async def test_a_worker_nobody_has_heard_of_yet_is_a_worker(house: House) -> None:
    house.sandbox.sandbox.world.workforce.settings.event_callback_url = ""
    await house.quiet(await house.say("+15550100002", "Hello"))
    await house.worker("new@example.test", True)
    sid = await outgoing(house, "new@example.test", MARIA, told=True)
    await house.say(MARIA, "Hello")
    dump = await house.state(sid, "with_worker")
    assert dump["worker"] == {"identity": "new@example.test"}
    await write(house, sid, "new@example.test", "agent")
    await house.until(lambda: received(house, sid, 1))
    await house.quiet(sid)
    assert await ours(house, sid) == []


async def test_a_worker_who_joins_the_bots_conversation_silences_it(house: House) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)
    before = await ours(house, sid)
    await join(house, sid, "ALAN@Example.test")
    await house.state(sid, "with_worker")
    await house.say(MARIA, "agent")
    await write(house, sid, "ALAN@Example.test", "grace@example.test")
    await house.until(lambda: received(house, sid, 2))
    await house.quiet(sid)
    assert await ours(house, sid) == before
    assert len(await house.identities(sid)) == 1


@on_both
async def test_the_last_worker_who_leaves_gives_the_turn_back_and_nobody_is_welcomed_twice(house: House) -> None:
    sid = await house.say(MARIA, "agent")
    await house.state(sid, "with_worker")
    await join(house, sid, GRACE)
    await house.until(lambda: has_joined(house, sid, 2))
    assert (await house.dump(sid))["worker"] is not None
    await leave(house, sid, ADA)
    await house.until(lambda: has_left(house, sid, 1))
    dump = await house.dump(sid)
    assert (dump["state"], dump["worker"]) == ("with_worker", {"identity": GRACE})
    await leave(house, sid, GRACE)
    dump = await house.state(sid, "awaiting_choice")
    assert dump["worker"] is None
    said = len(await house.said(sid))
    await asyncio.sleep(0.3)
    assert len(await house.said(sid)) == said
    await house.say(MARIA, "agent")
    assert (await house.state(sid, "with_worker"))["worker"] is not None
    await house.quiet(sid)
    assert (await ours(house, sid)).count(WELCOME) == 1


async def has_joined(house: House, sid: str, count: int) -> bool:
    return sum(1 for row in (await house.dump(sid))["history"] if row["trigger"] == "worker_joined") >= count


async def has_left(house: House, sid: str, count: int) -> bool:
    return sum(1 for row in (await house.dump(sid))["history"] if row["trigger"] == "worker_left") >= count


async def test_after_a_worker_who_started_it_left_the_customer_is_the_bots(house: House) -> None:
    sid = await outgoing(house, ALAN, MARIA, told=True)
    await house.state(sid, "with_worker")
    await leave(house, sid, ALAN)
    await house.state(sid, "awaiting_choice")
    await house.say(MARIA, "agent")
    await house.state(sid, "with_worker")


@pytest.mark.parametrize("answered", [True, False], ids=["answered", "silent"])
@pytest.mark.parametrize("filters", ["recommended", "article"])
async def test_what_the_customer_writes_next_after_the_worker_left_is_the_bots(
    house: House, filters: str, answered: bool
) -> None:
    if filters == "article":
        await house.filters(ARTICLE_FILTERS)
    sid = await house.say(MARIA, "agent")
    await house.state(sid, "with_worker")
    await house.quiet(sid)
    before = len(await ours(house, sid))
    if answered:
        await house.say(MARIA, "Are you open today?")
        await write(house, sid, ADA, "Yes, until six")
    await leave(house, sid, ADA)
    await house.say(MARIA, "Anybody?")
    await house.until(lambda: received(house, sid, 3 if answered else 2))
    await house.state(sid, "awaiting_choice")
    await house.quiet(sid)
    assert len(await ours(house, sid)) == before + 1


async def test_a_worker_whom_a_list_lacks_that_lags_has_not_left(house: House) -> None:
    await house.filters(ARTICLE_FILTERS)
    sid = await house.say(MARIA, "agent")
    await house.state(sid, "with_worker")
    await house.quiet(sid)
    before = len(await ours(house, sid))
    await house.post("/sandbox/faults", {"list_lag_s": 600}, "PUT")
    looks = await looks_in_vain(house)
    await house.say(MARIA, "Are you open today?")
    await house.until(lambda: more_looks_in_vain(house, looks))
    await house.post("/sandbox/faults", {}, "PUT")
    await house.until(lambda: received(house, sid, 2))
    await house.quiet(sid)
    assert (await house.dump(sid))["worker"] == {"identity": ADA}
    assert len(await ours(house, sid)) == before


@on_both
async def test_a_worker_who_left_is_not_added_again_because_an_answer_was_lost(bare_house: House) -> None:
    house = bare_house
    await house.start(RETRY_BASE_S="3", RETRY_CAP_S="3")
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)
    await house.post("/sandbox/faults", {"cut_after_commit": 1}, "PUT")
    await house.say(MARIA, f"{GRACE} please")
    await house.until(lambda: house.identities(sid))
    await house.post("/sandbox/faults", {}, "PUT")
    # What no webhook tells of what we do ourselves, a round tells.
    await house.service.reconciler.round()
    await house.state(sid, "with_worker")
    await leave(house, sid, GRACE)
    dump = await house.state(sid, "awaiting_choice")
    assert [e["status"] for e in dump["effects"] if e["kind"] == "add_participant"] == ["retrying"]
    dump = await house.quiet(sid)
    assert [e["status"] for e in dump["effects"] if e["kind"] == "add_participant"] == ["done"]
    assert (dump["state"], await house.identities(sid)) == ("awaiting_choice", [])


@on_both
async def test_a_chat_customer_beside_a_worker_is_a_customer(house: House) -> None:
    sid = str((await rest(house, "POST", "/Conversations", told=True))["sid"])
    await join(house, sid, ALAN)
    await join(house, sid, "visitor-7")
    await write(house, sid, ALAN, "Hello")
    await write(house, sid, "visitor-7", "Hello, agent")
    dump = await house.state(sid, "with_worker")
    await house.until(lambda: received(house, sid, 1))
    dump = await house.quiet(sid)
    assert (dump["worker"], dump["address"]) == ({"identity": ALAN}, "visitor-7")
    assert await ours(house, sid) == []


@pytest.mark.parametrize("filters", ["recommended", "article"])
async def test_a_chat_customer_is_greeted_once_and_answered_once(house: House, filters: str) -> None:
    if filters == "article":
        await house.filters(ARTICLE_FILTERS)
    sid = await house.say("visitor-7", "Hello", channel="chat")
    await house.until(lambda: received(house, sid, 1))
    await house.say("visitor-7", "agent", channel="chat")
    await house.state(sid, "with_worker")
    await house.quiet(sid)
    assert (await ours(house, sid))[0] == WELCOME
    assert len(await ours(house, sid)) == 3


@pytest.mark.parametrize("told", [True, False], ids=["told", "silent"])
async def test_without_taskrouter_an_identity_beside_a_channel_customer_is_a_worker(
    bare_house: House, told: bool
) -> None:
    await bare_house.start(TWILIO_API_URL=bare_house.sandbox.url, **CREDENTIALS)
    sid = await outgoing(bare_house, "somebody", MARIA, told)
    await bare_house.say(MARIA, "Hello")
    assert (await bare_house.state(sid, "with_worker"))["worker"] == {"identity": "somebody"}
    await bare_house.until(lambda: received(bare_house, sid, 1))
    await bare_house.quiet(sid)
    assert await ours(bare_house, sid) == []
    if told:
        await leave(bare_house, sid, "somebody")
        await bare_house.state(sid, "awaiting_choice")


async def test_without_taskrouter_a_lone_identity_is_a_customer(bare_house: House) -> None:
    await bare_house.start(TWILIO_API_URL=bare_house.sandbox.url, **CREDENTIALS)
    sid = await bare_house.say("visitor-7", "Hello", channel="chat")
    await bare_house.state(sid, "awaiting_choice")
    await bare_house.quiet(sid)
    assert (await ours(bare_house, sid))[0] == WELCOME


@pytest.mark.parametrize("told", [True, False], ids=["told", "found"])
@on_both
async def test_a_removed_conversation_is_closed_for_good(bare_house: House, told: bool) -> None:
    await bare_house.start(RECONCILE_S="1")
    sid = await bare_house.say(MARIA, "Hello")
    await bare_house.quiet(sid)
    await rest(bare_house, "DELETE", f"/Conversations/{sid}", told)
    await bare_house.state(sid, "closed")
    other = await bare_house.say(MARIA, "Hello")
    assert other != sid
    await bare_house.state(other, "awaiting_choice")
    assert (await bare_house.dump(sid))["state"] == "closed"


async def test_a_worker_who_leaves_a_closed_conversation_opens_nothing(house: House) -> None:
    sid = await house.say(MARIA, "agent")
    dump = await house.state(sid, "with_worker")
    joined = next(row["event"] for row in dump["history"] if row["trigger"] == "worker_joined")
    await house.post(f"/sandbox/conversations/{sid}/close", {})
    await house.state(sid, "closed")
    common = {"ConversationSid": sid, "ParticipantSid": joined["participant_sid"], "Identity": ADA}
    for event in ("onParticipantRemoved", "onParticipantAdded"):
        assert (await knock(house, "/post-event", {"EventType": event, **common})).status == 200
    assert (await house.dump(sid))["state"] == "closed"


async def test_a_removal_told_before_the_joining_leaves_nobody_behind(house: House) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)
    common = {"ConversationSid": sid, "ParticipantSid": "MB" + "7" * 32, "Identity": ALAN}
    for event in ("onParticipantRemoved", "onParticipantAdded"):
        assert (await knock(house, "/post-event", {"EventType": event, **common})).status == 200
    dump = await house.quiet(sid)
    assert (dump["state"], dump["worker"]) == ("awaiting_choice", None)


async def test_a_worker_who_is_there_already_is_a_success(house: House) -> None:
    """He joined by himself while he was being brought in."""
    await house.everyone_away()
    sid = await house.say(MARIA, "agent")
    await house.state(sid, "routing")
    await house.post("/sandbox/faults", {"webhook_loss": 1}, "PUT")
    await join(house, sid, ALAN)
    await house.worker(ALAN, True)
    house.service.waiting_room.hint()
    assert (await house.state(sid, "with_worker"))["worker"] == {"identity": ALAN}
    assert await house.identities(sid) == [ALAN]


@on_both
async def test_two_customers_of_one_conversation_are_both_answered(house: House) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)
    binding = {"MessagingBinding__Address": "+15550100002", "MessagingBinding__ProxyAddress": PROXY}
    await rest(house, "POST", f"/Conversations/{sid}/Participants", True, **binding)
    before = len(await ours(house, sid))
    assert await house.say("+15550100002", "Me too") == sid
    await house.until(lambda: received(house, sid, 2))
    await house.quiet(sid)
    assert len(await ours(house, sid)) == before + 1


@on_both
async def test_the_attributes_of_the_customer_are_kept_when_he_is_enriched(house: House) -> None:
    attributes = '{"vip": true, "nested": {"a": [1, null]}}'
    sid = str((await rest(house, "POST", "/Conversations"))["sid"])
    binding: dict[str, Any] = {"MessagingBinding__Address": MARIA, "MessagingBinding__ProxyAddress": PROXY}
    await rest(house, "POST", f"/Conversations/{sid}/Participants", Attributes=attributes, **binding)
    assert await house.say(MARIA, "Hello") == sid
    await house.until(lambda: enriched(house, sid))
    found = json.loads((await house.record(sid))["participants"][0]["attributes"])
    assert found == {
        "vip": True,
        "nested": {"a": [1, None]},
        "customer_id": "1",
        "display_name": "Maria Sanchez",
        "avatar": "https://example.test/avatars/1.png",
    }
    assert (await house.record(sid))["conversation"]["friendly_name"] == "Maria Sanchez"


async def enriched(house: House, sid: str) -> bool:
    dump = await house.quiet(sid)
    return any(e["kind"] == "set_participant_attributes" and e["status"] == "done" for e in dump["effects"])

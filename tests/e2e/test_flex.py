"""Flex, another account, over the whole house: customers go there and come back, and nothing is said twice."""

from dataclasses import dataclass
from typing import Any

import pytest

from orchestrator.people.rights import Person, Role
from orchestrator.sandbox import events, seeds
from orchestrator.sandbox.faults import Faults
from orchestrator.sandbox.sandbox import API
from orchestrator.verifying import Stores, verify
from states.texts import FLEX_LOST, NOT_REACHABLE
from storage import notes
from storage.threads import thread
from storage.writer import wall_clock
from tests.e2e.conftest import House, on_both

MARIA = "+15550100001"
NAME = "Maria Sanchez"
ADA = "ada@example.test"
AGENT = "lin@flex.test"
ADAS = Person(1, "ada", "Ada Lovelace", Role.worker, ADA)
BOSS = Person(3, "alan", "Alan Turing", Role.supervisor)


async def in_flex(house: House, sid: str) -> str:
    """Wait until Flex has the customer; the conversation's SID there."""

    async def joined() -> str | None:
        flex = (await house.dump(sid)).get("flex")
        return flex["conversation_sid"] if flex and flex["joined"] else None

    return str(await house.until(joined))


async def to_flex(house: House) -> tuple[str, str]:
    """A customer who asked the bot for Flex and is there, nothing under way."""
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)
    await house.say(MARIA, "flex, please")
    there = await in_flex(house, sid)
    await house.quiet(sid)
    return sid, there


async def there(house: House, flex_sid: str) -> Any:
    async with house.session.get(f"{house.sandbox.url}/sandbox/flex/conversations/{flex_sid}") as response:
        assert response.status == 200
        return await response.json()


async def said_there(house: House, flex_sid: str) -> list[tuple[str, str]]:
    return [(m["author"], m["body"]) for m in (await there(house, flex_sid))["messages"]]


async def interactions(house: House) -> list[Any]:
    async with house.session.get(f"{house.sandbox.url}/sandbox/flex/interactions") as response:
        return list((await response.json())["interactions"])


async def agent(house: House, flex_sid: str, does: str, body: str | None = None) -> None:
    """An agent joins, leaves or closes there, or writes."""
    path = f"/sandbox/flex/conversations/{flex_sid}/{does}"
    if does == "close":
        await house.post(path, {})
    else:
        await house.post(path, {"author": AGENT, "body": body} if body else {"identity": AGENT})


async def heard(house: House, sid: str, author: str, body: str) -> None:
    async def is_there() -> bool:
        return (author, body) in await house.said(sid)

    await house.until(is_there)


async def arrived(house: House, flex_sid: str, author: str, body: str) -> None:
    async def is_there() -> bool:
        return (author, body) in await said_there(house, flex_sid)

    await house.until(is_there)


async def statuses(house: House, sid: str) -> dict[str, str | None]:
    """How far each message of the thread got."""
    entries, _more = await house.service.reader.read(lambda connection: thread(connection, sid))
    return {entry.body: entry.status for entry in entries}


# To Flex


@on_both
async def test_the_bot_sends_a_customer_to_flex_and_has_him_again_when_the_agent_has_left(house: House) -> None:
    sid, flex_sid = await to_flex(house)
    dump = await house.dump(sid)
    assert (dump["state"], dump["worker"]) == ("with_worker", {"identity": "flex"})
    (made,) = await interactions(house)
    assert made["conversation_sid"] == flex_sid
    assert made["attributes"]["customerName"] == NAME
    assert made["attributes"]["from"] == MARIA
    ((author, history),) = await said_there(house, flex_sid)
    assert author == "system"
    assert f"{NAME}: Hello" in history
    assert f"{NAME}: flex, please" in history

    await agent(house, flex_sid, "join")
    await agent(house, flex_sid, "messages", "This is Lin.")
    await heard(house, sid, AGENT, "This is Lin.")
    await house.say(MARIA, "Where is my parcel?")
    await arrived(house, flex_sid, NAME, "Where is my parcel?")
    await house.quiet(sid)
    assert (await statuses(house, sid))["Where is my parcel?"] == "sent"
    assert (await statuses(house, sid))["This is Lin."] == "delivered"
    await agent(house, flex_sid, "messages", "On its way.")
    await heard(house, sid, AGENT, "On its way.")

    await agent(house, flex_sid, "leave")
    dump = await house.state(sid, "awaiting_choice")
    assert (dump["worker"], dump["flex"]) == (None, None)
    await house.quiet(sid)
    assert (await there(house, flex_sid))["conversation"]["state"] == "closed"
    before = len(await house.said(sid))
    await house.say(MARIA, "And now?")

    async def bot_answers() -> bool:
        return (await house.said(sid))[before + 1 :] != []

    await house.until(bot_answers)
    assert len(await said_there(house, flex_sid)) == 4


async def test_agents_are_heard_in_their_order_and_once_however_their_webhooks_come(house: House) -> None:
    sid, flex_sid = await to_flex(house)
    await agent(house, flex_sid, "join")
    await house.post("/sandbox/flex/faults", {"webhook_duplicate": 1, "webhook_delay_ms": [0, 200]}, "PUT")
    wanted = [f"no. {number}" for number in range(8)]
    for body in wanted:
        await agent(house, flex_sid, "messages", body)
    await heard(house, sid, AGENT, wanted[-1])
    await house.sandbox.flex.webhooks.settled()
    await house.quiet(sid)
    assert [body for author, body in await house.said(sid) if author == AGENT] == wanted


async def test_our_own_messages_that_come_back_as_webhooks_are_not_passed_on(house: House) -> None:
    sid, flex_sid = await to_flex(house)
    world = house.sandbox.flex.world
    told = world.conversations[flex_sid]
    await house.say(MARIA, "Is anybody there?")
    await arrived(house, flex_sid, NAME, "Is anybody there?")
    for message in told.messages.values():
        house.sandbox.flex.webhooks.post("onMessageAdded", API, flex_sid, events.message_added(told, message))
    await house.sandbox.flex.webhooks.settled()
    dump = await house.quiet(sid)
    assert "flex_stirred" not in [row["trigger"] for row in dump["history"]]


async def test_a_worker_hands_a_customer_to_flex_and_leaves_once_flex_has_him(house: House) -> None:
    sid = await house.say(MARIA, ADA)
    await house.state(sid, "with_worker")
    await house.quiet(sid)
    await house.service.acts.hand_to_flex(sid, ADAS, "a refund", "token-0001")
    await house.service.acts.hand_to_flex(sid, ADAS, "a refund", "token-0001")
    flex_sid = await in_flex(house, sid)

    async def is_gone() -> bool:
        return await house.identities(sid) == []

    await house.until(is_gone)
    dump = await house.quiet(sid)
    assert (dump["state"], dump["worker"]) == ("with_worker", {"identity": "flex"})
    assert [it["attributes"]["reason"] for it in await interactions(house)] == ["a refund"]
    await agent(house, flex_sid, "close")
    await house.state(sid, "awaiting_choice")


async def test_an_operator_takes_a_customer_back_from_flex(house: House) -> None:
    sid, flex_sid = await to_flex(house)
    await house.service.acts.hand_to_worker(sid, BOSS, ADA, "", "token-0001")

    async def with_ada() -> bool:
        return (await house.dump(sid))["worker"] == {"identity": ADA}

    await house.until(with_ada)
    await house.quiet(sid)
    assert (await there(house, flex_sid))["conversation"]["state"] == "closed"
    assert (await house.dump(sid))["flex"] is None


@pytest.mark.parametrize("down", [False, True], ids=["at once", "once Flex answers again"])
async def test_closing_here_closes_there(house: House, down: bool) -> None:
    sid, flex_sid = await to_flex(house)
    await house.post("/sandbox/flex/faults", {"errors": {"503": 1}} if down else {}, "PUT")
    await house.service.acts.close(sid, BOSS, "done", "token-0001")
    await house.state(sid, "closed")
    await house.post("/sandbox/flex/faults", {}, "PUT")

    async def is_closed() -> bool:
        return bool((await there(house, flex_sid))["conversation"]["state"] == "closed")

    await house.until(is_closed)


async def test_a_customer_whom_flex_refuses_is_told_and_the_bot_has_him(bare_house: House) -> None:
    house = bare_house
    await house.start(
        FLEX_ACCOUNT_SID=seeds.FLEX_ACCOUNT_SID,
        FLEX_AUTH_TOKEN=seeds.FLEX_AUTH_TOKEN,
        FLEX_WORKSPACE_SID=seeds.FLEX_WORKSPACE_SID,
        FLEX_WORKFLOW_SID="WW" + "0" * 32,
        FLEX_API_URL=house.sandbox.url,
    )
    sid = await house.say(MARIA, "flex")
    await heard(house, sid, "system", NOT_REACHABLE)
    dump = await house.state(sid, "awaiting_choice")
    assert dump["flex"] is None
    assert await interactions(house) == []
    await house.quiet(sid)
    found = await house.service.reader.read(lambda connection: notes.of(connection, sid))
    assert ["Flex did not take this customer" in it.body for it in found] == [True]


async def test_a_worker_keeps_a_customer_whom_flex_refuses(house: House) -> None:
    sid = await house.say(MARIA, ADA)
    await house.state(sid, "with_worker")
    await house.quiet(sid)
    await house.post("/sandbox/flex/faults", {"errors": {"400": 1}}, "PUT")
    await house.service.acts.hand_to_flex(sid, ADAS, "a refund", "token-0001")

    async def refused() -> bool:
        return "effect_failed" in [row["trigger"] for row in (await house.dump(sid))["history"]]

    await house.until(refused)
    dump = await house.quiet(sid)
    assert (dump["state"], dump["worker"], dump["flex"]) == ("with_worker", {"identity": ADA}, None)
    assert await house.identities(sid) == [ADA]


async def test_a_customer_whose_message_flex_does_not_take_is_told_and_served_here(house: House) -> None:
    sid, _flex_sid = await to_flex(house)
    await house.post("/sandbox/flex/faults", {"errors": {"400": 1}}, "PUT")
    await house.say(MARIA, "Hello?")
    await heard(house, sid, "system", FLEX_LOST)
    await house.state(sid, "awaiting_choice")
    assert (await statuses(house, sid))["Hello?"] == "failed"


@on_both
async def test_what_no_webhook_of_flex_told_is_found_by_looking(bare_house: House) -> None:
    house = bare_house
    await house.start(RECONCILE_S="0.5")
    sid, flex_sid = await to_flex(house)
    await house.post("/sandbox/flex/faults", {"webhook_loss": 1}, "PUT")
    await agent(house, flex_sid, "join")
    await agent(house, flex_sid, "messages", "This is Lin.")
    await heard(house, sid, AGENT, "This is Lin.")
    await agent(house, flex_sid, "leave")
    await house.state(sid, "awaiting_choice")
    await house.quiet(sid)
    assert [body for author, body in await house.said(sid) if author == AGENT] == ["This is Lin."]


@dataclass(slots=True)
class CutOnce(Faults):
    """Cuts the connection after the write with this number, counted from 1."""

    number: int = 0
    writes: int = 0

    def cuts_after(self) -> bool:
        """Whether this is the write."""
        self.writes += 1
        return self.writes == self.number


@pytest.mark.parametrize("number", range(1, 6), ids=["conversation", "webhook", "history", "interaction", "message"])
async def test_a_call_to_flex_that_is_cut_off_after_it_was_carried_out_is_not_made_twice(
    house: House, number: int
) -> None:
    house.sandbox.flex.webhooks.faults = CutOnce(number=number)
    sid = await house.say(MARIA, "flex")
    flex_sid = await in_flex(house, sid)
    await house.say(MARIA, "Hello there")
    await arrived(house, flex_sid, NAME, "Hello there")
    await agent(house, flex_sid, "join")
    await agent(house, flex_sid, "messages", "This is Lin.")
    await heard(house, sid, AGENT, "This is Lin.")
    await house.quiet(sid)
    assert list(house.sandbox.flex.world.conversations) == [flex_sid]
    assert len(await interactions(house)) == 1
    assert [author for author, _body in await said_there(house, flex_sid)] == ["system", NAME, AGENT]
    assert [body for author, body in await house.said(sid) if author == AGENT] == ["This is Lin."]
    await agent(house, flex_sid, "leave")
    await house.state(sid, "awaiting_choice")
    await house.quiet(sid)
    assert await broken_promises(house) == {}


async def test_a_restart_in_the_midst_of_handing_over_loses_and_repeats_nothing(house: House) -> None:
    await house.post("/sandbox/flex/faults", {"latency_ms": 300}, "PUT")
    sid = await house.say(MARIA, "flex")

    async def opening() -> bool:
        return "bot_replied" in [row["trigger"] for row in (await house.dump(sid))["history"]]

    await house.until(opening)
    await house.stop()
    await house.start()
    flex_sid = await in_flex(house, sid)
    await house.say(MARIA, "Hello there")
    await arrived(house, flex_sid, NAME, "Hello there")
    assert [author for author, _body in await said_there(house, flex_sid)] == ["system", NAME]
    assert len(await interactions(house)) == 1


async def broken_promises(house: House) -> dict[str, list[str]]:
    """What the checker finds."""
    ledger = await house.ledger()
    checked = await house.service.reader.read(lambda connection: verify(Stores(connection, wall_clock(), ledger)))
    return {name: found for name, found in checked.items() if found}


@pytest.mark.parametrize("forged", ["", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="])
async def test_an_event_that_flex_did_not_sign_is_refused(house: House, forged: str) -> None:
    url = f"{house.url}/flex-event?conversation=CH{'0' * 32}"
    async with house.session.post(
        url, data={"EventType": "onMessageAdded"}, headers={"X-Twilio-Signature": forged}
    ) as response:
        assert response.status == 403

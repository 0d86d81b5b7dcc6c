"""A worker starts a conversation: once, whatever is cut off, and with nobody who said no."""

import asyncio
from contextlib import suppress

import pytest

from orchestrator.acts import ActRefused
from orchestrator.people.rights import Person
from states.customers import Channel, Consent, Customer
from storage.customers import save_customer
from tests.e2e.conftest import House, on_both
from tests.e2e.doors import PROXY, outgoing
from tests.e2e.staff import ADA, ADAS, BOSS, GRACES, MARIA, MARIA_ID, acts, audited, refused, settled, with_ada


async def start(house: House, token: str = "token-0001", person: Person = ADAS, **channel: str) -> str:
    wanted = {"kind": "sms", "value": MARIA} | channel
    return await acts(house).start(person, MARIA_ID, wanted["kind"], wanted["value"], token)


async def test_a_worker_starts_a_conversation_and_nobody_is_greeted(house: House) -> None:
    sid = await start(house)
    dump = await house.quiet(sid)
    assert (dump["state"], dump["worker"]) == ("with_worker", {"identity": ADA})
    assert (dump["address"], dump["proxy_address"]) == (MARIA, PROXY)
    assert (await house.record(sid))["conversation"]["friendly_name"] == "Maria Sanchez"
    await acts(house).write(sid, ADAS, "Hello, Maria", "token-0002")
    assert await house.say(MARIA, "Hello, Ada") == sid
    await house.quiet(sid)
    assert await house.said(sid) == [(ADA, "Hello, Maria"), (MARIA, "Hello, Ada")]
    assert ("ada", "start", sid, ADA, "", "done") in await audited(house)


@on_both
async def test_the_same_token_opens_the_same_conversation(house: House) -> None:
    sids = await asyncio.gather(*(start(house) for _ in range(3)))
    assert len(set(sids)) == 1
    assert await start(house) == sids[0]
    assert await conversations(house) == 1
    assert len(await audited(house)) == 1


async def conversations(house: House) -> int:
    return sum(it.state != "closed" for it in house.sandbox.sandbox.world.conversations.values())


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_is_cut_off_halfway_ends_in_one_conversation(house: House, seed: int) -> None:
    await house.post("/sandbox/faults", {"seed": seed, "cut_after_commit": 0.7}, "PUT")
    sid = None
    while sid is None:
        with suppress(ActRefused):
            sid = await start(house)
    await house.post("/sandbox/faults", {}, "PUT")
    assert (await house.quiet(sid))["worker"] == {"identity": ADA}
    assert await conversations(house) == 1
    assert await house.identities(sid) == [ADA]
    assert len((await house.record(sid))["participants"]) == 2


async def test_an_open_conversation_of_the_pair_that_nobody_serves_is_taken(house: House) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.state(sid, "awaiting_choice")
    assert await start(house) == sid
    assert await start(house) == sid
    dump = await settled(house, sid, [ADA])
    assert dump["state"] == "with_worker"
    assert await start(house, "token-0002") == sid


async def test_nobody_begins_with_a_customer_who_said_no_and_whoever_he_wrote_to_may_answer(house: House) -> None:
    refusing = Customer(MARIA_ID, "Maria Sanchez", (Channel("sms", MARIA),), consent=(Consent("sms", "no"),))
    await house.service.writer.run(lambda unit: save_customer(unit.connection, refusing, [MARIA]))
    with pytest.raises(ActRefused, match="does not want") as refusal:
        await start(house)
    assert (refusal.value.status, await conversations(house)) == (409, 0)
    sid = await house.say(MARIA, "Hello")
    await house.state(sid, "awaiting_choice")
    assert await start(house) == sid


async def test_an_open_conversation_of_the_pair_that_only_twilio_knows_is_taken(house: House) -> None:
    sid = await outgoing(house, ADA, MARIA)
    assert await start(house) == sid
    assert (await house.quiet(sid))["worker"] == {"identity": ADA}


async def test_a_customer_somebody_else_serves_is_not_taken_away(house: House) -> None:
    await with_ada(house)
    with refused(409, f"{ADA} is with this customer already"):
        await start(house, person=GRACES)


async def test_a_chat_customer_has_no_sender(house: House) -> None:
    visitor = Customer("5", "Visitor Five", (Channel("chat", "visitor-5"),))
    await house.service.writer.run(lambda unit: save_customer(unit.connection, visitor, ["visitor-5"]))
    sid = await acts(house).start(ADAS, "5", "chat", "visitor-5", "token-0001")
    dump = await house.quiet(sid)
    assert (dump["state"], dump["address"], dump["worker"]) == ("with_worker", "visitor-5", {"identity": ADA})
    assert await house.identities(sid) == [ADA, "visitor-5"]
    assert await acts(house).start(ADAS, "5", "chat", "visitor-5", "token-0002") == sid


async def test_a_customer_who_writes_at_the_same_time_keeps_his_own_conversation(house: House) -> None:
    sid, theirs = await asyncio.gather(started(house), said(house, MARIA, "Hello"))
    assert sid == theirs
    assert (await settled(house, sid, [ADA]))["state"] == "with_worker"
    assert await conversations(house) == 1


async def started(house: House) -> str:
    while True:
        with suppress(ActRefused):
            return await start(house)
        await asyncio.sleep(0.1)


async def said(house: House, sender: str, body: str) -> str:
    """A customer writes; again where the sandbox could not take it in, his pair having been bound meanwhile."""
    while True:
        async with house.session.post(
            f"{house.sandbox.url}/sandbox/inbound", json={"from": sender, "body": body}
        ) as response:
            if response.status == 201:
                return str((await response.json())["conversation_sid"])


@pytest.mark.parametrize(
    ("person", "customer", "kind", "value", "status", "says"),
    [
        (BOSS, MARIA_ID, "sms", MARIA, 403, "no worker's identity"),
        (ADAS, "nobody", "sms", MARIA, 404, "no such customer"),
        (ADAS, MARIA_ID, "sms", "+15550100077", 422, "no such channel"),
        (ADAS, MARIA_ID, "pigeon", MARIA, 409, "no sender"),
    ],
)
async def test_what_cannot_be_started_is_refused(
    house: House, person: Person, customer: str, kind: str, value: str, status: int, says: str
) -> None:
    with refused(status, says):
        await acts(house).start(person, customer, kind, value, "token-0001")
    assert await conversations(house) == 0

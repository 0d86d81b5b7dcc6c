"""Every form of address through the whole house, who is who in a web chat, and several people in one conversation."""

from typing import Any

import pytest

from orchestrator.people.rights import Role
from orchestrator.sandbox import seeds
from states.customers import Channel, Customer
from states.texts import WELCOME
from storage import people
from storage.customers import save_customer
from tests.e2e.conftest import House
from tests.e2e.doors import CREDENTIALS, PROXY, rest
from tests.e2e.staff import ADA, ADAS, BOSS, GRACE, MARIA, acts, settled, triggers

CHANNELS = {
    "sms": "+15550100001",
    "whatsapp": "whatsapp:+15550100001",
    "messenger": "messenger:1234567890",
    "rcs": "rcs:+15550100001",
    "chat": "visitor-7",
}


async def added(house: House, sid: str, **participant: str) -> str:
    """Somebody is added to a conversation by another program, with webhooks; his SID."""
    return str((await rest(house, "POST", f"/Conversations/{sid}/Participants", told=True, **participant))["sid"])


async def number_of(house: House, sid: str, trigger: str, wanted: int) -> None:
    async def is_reached() -> bool:
        return (await triggers(house, sid)).count(trigger) >= wanted

    await house.until(is_reached)
    await house.quiet(sid)


# Forms of address


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_customer_is_greeted_routed_and_answered_on_every_channel(house: House, channel: str) -> None:
    address = CHANNELS[channel]
    sid = await house.say(address.removeprefix(f"{channel}:"), "Hello", channel=channel)
    dump = await house.state(sid, "awaiting_choice")
    assert (dump["address"], dump["proxy_address"]) == (address, seeds.NUMBERS.get(channel))
    await house.quiet(sid)
    await house.say(address, f"{ADA}, please", channel=channel)
    await house.state(sid, "with_worker")
    await house.quiet(sid)
    await acts(house).write(sid, ADAS, "Hello, here is Ada", "token-0001")
    await house.quiet(sid)
    said = await house.said(sid)
    assert (said[0], said[-1]) == ((address, "Hello"), (ADA, "Hello, here is Ada"))
    assert ("system", WELCOME) in said


@pytest.mark.parametrize("channel", [name for name in CHANNELS if name != "chat"])
async def test_a_worker_begins_on_every_channel_with_an_address(house: House, channel: str) -> None:
    address = CHANNELS[channel]
    customer = Customer("77", "Maria Sanchez", (Channel(channel, address.removeprefix("messenger:")),))
    await house.service.writer.run(lambda unit: save_customer(unit.connection, customer, [address]))
    sid = await acts(house).start(ADAS, "77", channel, address, "token-0001")
    dump = await settled(house, sid, [ADA])
    assert (dump["address"], dump["proxy_address"]) == (address, seeds.NUMBERS[channel])


# Web chat


async def test_a_chat_customer_whose_identity_is_like_a_workers_is_a_customer(house: House) -> None:
    sid = await house.say(f"{ADA}.evil.test", "Hello", channel="chat")
    dump = await house.state(sid, "awaiting_choice")
    assert (dump["worker"], dump["address"]) == (None, f"{ADA}.evil.test")
    await house.quiet(sid)
    assert ("system", WELCOME) in await house.said(sid)


async def test_a_worker_who_opens_a_chat_of_his_own_is_a_worker_in_it_and_is_not_greeted(house: House) -> None:
    sid = await house.say(ADA.upper(), "Hello", channel="chat")
    dump = await house.state(sid, "with_worker")
    assert dump["worker"] == {"identity": ADA.upper()}
    assert [author for author, _body in await house.said(sid)] == [ADA.upper()]


async def test_without_taskrouter_who_signs_in_here_is_the_worker_of_a_chat(bare_house: House) -> None:
    house = bare_house
    await house.start(**CREDENTIALS, TWILIO_API_URL=house.sandbox.url)
    await house.service.writer.run(
        lambda unit: people.add(unit.connection, "ada", "Ada", Role.worker.value, ADA.upper(), None, unit.now)
    )
    sid = await house.say("visitor-7", "Hello", channel="chat")
    await house.state(sid, "awaiting_choice")
    await added(house, sid, Identity="visitor-8")
    await number_of(house, sid, "customer_joined", 2)
    assert (await house.dump(sid))["state"] == "awaiting_choice"
    await added(house, sid, Identity=ADA)
    assert (await house.state(sid, "with_worker"))["worker"] == {"identity": ADA}


# Several people in one conversation


async def grouped(house: House) -> tuple[str, str]:
    """A conversation of two customers, and the SID of the second."""
    sid = await house.say(MARIA, "Hello")
    await house.state(sid, "awaiting_choice")
    await house.quiet(sid)
    binding = {"MessagingBinding__Address": "+15550100004", "MessagingBinding__ProxyAddress": PROXY}
    second = await added(house, sid, **binding)
    await number_of(house, sid, "customer_joined", 2)
    return sid, second


async def test_the_second_customer_of_a_group_is_answered_like_the_first(house: House) -> None:
    sid, _second = await grouped(house)
    before = len(await house.said(sid))
    assert await house.say("+15550100004", "And I?") == sid
    await number_of(house, sid, "message_received", 2)
    dump = await house.dump(sid)
    assert (dump["state"], dump["address"]) == ("awaiting_choice", MARIA)
    assert [author for author, _body in await house.said(sid)][before:] == ["+15550100004", "system"]
    await house.say("+15550100004", f"{ADA}, please")
    await house.state(sid, "with_worker")
    await settled(house, sid, [ADA])


async def test_stop_of_one_of_a_group_silences_all_of_it_until_he_starts_again(house: House) -> None:
    sid, _second = await grouped(house)
    await house.say("+15550100004", "STOP")
    await number_of(house, sid, "message_received", 2)
    before = [author for author, _body in await house.said(sid)].count("system")
    await house.say(MARIA, "Are you there?")
    await house.say(MARIA, "START")
    await number_of(house, sid, "message_received", 4)
    assert [author for author, _body in await house.said(sid)].count("system") == before
    await house.say("+15550100004", "START")
    await number_of(house, sid, "message_received", 5)
    assert [author for author, _body in await house.said(sid)].count("system") == before + 1


async def test_a_customer_who_leaves_a_group_takes_nobody_with_him(house: House) -> None:
    sid, second = await grouped(house)
    await house.say(MARIA, f"{ADA}, please")
    await house.state(sid, "with_worker")
    await rest(house, "DELETE", f"/Conversations/{sid}/Participants/{second}", told=True)
    await house.say(MARIA, "He is gone")
    await number_of(house, sid, "message_received", 3)
    assert (await house.dump(sid))["state"] == "with_worker"


async def test_the_bot_comes_back_when_the_last_of_several_workers_leaves(house: House) -> None:
    sid = await house.say(MARIA, f"{ADA}, please")
    await house.state(sid, "with_worker")
    # A colleague and a supervisor whom nobody here has added.
    seconds = [await added(house, sid, Identity=identity) for identity in (GRACE, "alan@example.test")]
    await number_of(house, sid, "worker_joined", 3)
    record: Any = await house.record(sid)
    adas = next(p["sid"] for p in record["participants"] if p["identity"] == ADA)
    for left, participant in enumerate([adas, *seconds], 1):
        state = (await house.dump(sid))["state"]
        assert state == "with_worker"
        await rest(house, "DELETE", f"/Conversations/{sid}/Participants/{participant}", told=True)
        await number_of(house, sid, "worker_left", left)
    assert (await house.dump(sid))["state"] == "awaiting_choice"
    await house.say(MARIA, "Hello?")
    await number_of(house, sid, "message_received", 2)
    assert (await house.said(sid))[-1][0] == "system"


async def test_who_only_watches_confuses_nobody(house: House) -> None:
    """A participant who is neither: a chat identity beside the customer, as a logging program adds it."""
    sid = await house.say(MARIA, "Hello")
    await house.state(sid, "awaiting_choice")
    await added(house, sid, Identity="logger-1")
    await number_of(house, sid, "customer_joined", 2)
    await house.say(MARIA, "agent")
    assert (await house.state(sid, "with_worker"))["worker"]["identity"] in (ADA, GRACE)
    await acts(house).hand_to_bot(sid, BOSS, "", "token-0001")
    assert (await settled(house, sid, ["logger-1"]))["state"] == "awaiting_choice"

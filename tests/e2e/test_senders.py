"""Several senders of ours: a customer speaks with several experts at once, each over a number of his own."""

import pytest

from orchestrator.acts import ActRefused
from orchestrator.people.rights import Person, Role
from tests.e2e.conftest import House
from tests.e2e.doors import CREDENTIALS, knock, outgoing, rest
from tests.e2e.staff import ADA, ADAS, ALAN, GRACE, GRACES, MARIA, acts, refused, settled

FIRST, SECOND = "+15550100999", "+15550100998"
ALANS = Person(4, "alan", "Alan Turing", Role.worker, ALAN)


@pytest.fixture
async def senders(bare_house: House) -> House:
    """A house with two senders for every number."""
    seeds = bare_house.settings()
    await bare_house.start(
        **CREDENTIALS,
        TWILIO_API_URL=bare_house.sandbox.url,
        PROXY_NUMBERS=f"+={FIRST}|{SECOND}",
        TASKROUTER_WORKSPACE_SID=str(seeds.taskrouter_workspace_sid),
        TASKROUTER_QUEUE_SID=str(seeds.taskrouter_queue_sid),
    )
    return bare_house


async def start(house: House, person: Person, token: str) -> tuple[str, str]:
    """The conversation somebody starts with Maria, and our sender in it."""
    sid = await acts(house).start(person, "1", "sms", MARIA, token)
    dump = await settled(house, sid, [str(person.identity)])
    return sid, dump["proxy_address"]


async def asked(house: House) -> tuple[int, object]:
    form = {"Location": "GetProxyAddress", "Worker": ADA, "CustomerId": "1"}
    reply = await knock(house, "/outbound", form | {"ChannelType": "sms", "ChannelValue": MARIA})
    return reply.status, reply.json


async def test_two_experts_speak_with_one_customer_over_two_numbers(senders: House) -> None:
    house = senders
    assert await asked(house) == (200, {"proxy_address": FIRST})
    adas, over_first = await start(house, ADAS, "token-0001")
    assert await asked(house) == (200, {"proxy_address": SECOND})
    graces, over_second = await start(house, GRACES, "token-0002")
    assert (over_first, over_second) == (FIRST, SECOND)
    assert (await asked(house))[0] == 403
    with refused(409, "is with this customer already"):
        await acts(house).start(ALANS, "1", "sms", MARIA, "token-0003")
    # Each of them, and each repetition, comes back to his own.
    assert await start(house, GRACES, "token-0004") == (graces, SECOND)
    assert await start(house, ADAS, "token-0001") == (adas, FIRST)
    assert await house.say(MARIA, "To Grace", to=SECOND) == graces
    assert await house.say(MARIA, "To Ada", to=FIRST) == adas
    await acts(house).close(adas, ADAS, "", "token-0005")
    await house.state(adas, "closed")
    assert await asked(house) == (200, {"proxy_address": FIRST})


async def test_a_conversation_nobody_serves_is_taken_before_another_is_begun(senders: House) -> None:
    sid = await senders.say(MARIA, "Hello", to=SECOND)
    await senders.state(sid, "awaiting_choice")
    assert await start(senders, ADAS, "token-0001") == (sid, SECOND)


async def test_a_pair_that_only_twilio_knows_to_be_taken_is_passed_over(senders: House) -> None:
    theirs = await outgoing(senders, GRACE, MARIA)
    sid, sender = await start(senders, ADAS, "token-0001")
    assert (sender, sid == theirs) == (SECOND, False)


async def test_a_pair_that_is_taken_between_looking_and_adding_is_passed_over(
    senders: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter = senders.service.acts._starter
    add = starter._openings.add_address

    async def add_late(sid: str, address: str, proxy_address: str, service_sid: str | None = None) -> object:
        if proxy_address == FIRST:
            made = str((await rest(senders, "POST", "/Conversations"))["sid"])
            binding = {"MessagingBinding__Address": address, "MessagingBinding__ProxyAddress": FIRST}
            await rest(senders, "POST", f"/Conversations/{made}/Participants", **binding)
        return await add(sid, address, proxy_address, service_sid)

    monkeypatch.setattr(starter._openings, "add_address", add_late)
    sid, sender = await start(senders, ADAS, "token-0001")
    assert sender == SECOND
    assert (await senders.record(sid))["conversation"]["state"] == "active"


async def test_stop_to_one_sender_is_heard_by_all(senders: House) -> None:
    house = senders
    adas, _first = await start(house, ADAS, "token-0001")
    graces, _second = await start(house, GRACES, "token-0002")
    await house.say(MARIA, "STOP", to=FIRST)
    await house.quiet(adas)
    for sid, person in ((adas, ADAS), (graces, GRACES)):
        with pytest.raises(ActRefused, match="said STOP"):
            await acts(house).write(sid, person, "Hello?", "token-0003")
    await house.say(MARIA, "START", to=SECOND)
    await house.quiet(graces)
    for sid, person in ((adas, ADAS), (graces, GRACES)):
        await acts(house).write(sid, person, "Hello again", f"token-{person.login}")

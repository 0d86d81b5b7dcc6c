"""Customers whom Flex sends, over the whole house: one conversation each, whatever is cut off or asked again."""

import base64
import hmac
from typing import Any

import pytest

from orchestrator.people.rights import Person, Role
from orchestrator.sandbox import seeds
from states.texts import PLEASE_WAIT, WELCOME
from storage import notes
from tests.e2e.conftest import House, on_both
from tests.e2e.test_flex import CutOnce, in_flex, there, to_flex

BEN = "+15550100002"
MARIA = "+15550100001"
ADA, GRACE = "ada@example.test", "grace@example.test"
BOSS = Person(3, "alan", "Alan Turing", Role.supervisor)
TOKEN = "flex-may-come"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
KEY = "WT-0001-task"


def asked(**more: Any) -> dict[str, Any]:
    history = [{"author": "lin@flex.test", "at": "10:04", "body": "He wants a refund."}]
    return {
        "key": KEY,
        "address": MARIA,
        "name": "Maria S.",
        "attributes": {"tier": "gold", "orders": 3},
        "history": history,
        "to": ADA,
    } | more


async def send(house: House, fields: dict[str, Any], headers: dict[str, str] | None = None) -> tuple[int, Any]:
    given = BEARER if headers is None else headers
    async with house.session.post(f"{house.url}/flex-transfer", json=fields, headers=given) as answer:
        return answer.status, await answer.json() if answer.content_type == "application/json" else None


@pytest.fixture
async def flex_house(bare_house: House) -> House:
    """A house that Flex may send customers to."""
    await bare_house.start(FLEX_TRANSFER_TOKEN=TOKEN)
    return bare_house


async def conversations(house: House) -> list[str]:
    """Those the account has, but for closed ones."""
    return [sid for sid, it in house.sandbox.sandbox.world.conversations.items() if it.state != "closed"]


@on_both
async def test_a_customer_for_a_named_worker_is_greeted_and_with_him(flex_house: House) -> None:
    house = flex_house
    status, answer = await send(house, asked())
    assert status == 200
    sid = answer["conversation_sid"]
    dump = await house.state(sid, "with_worker")
    assert dump["worker"] == {"identity": ADA}
    assert (dump["address"], dump["proxy_address"]) == (MARIA, seeds.NUMBERS["sms"])
    assert await house.said(sid) == [("system", WELCOME)]
    await house.quiet(sid)
    record = await house.record(sid)
    (maria,) = [it for it in record["participants"] if it["identity"] is None]
    assert '"tier":"gold"' in maria["attributes"]
    assert '"orders":"3"' in maria["attributes"]
    found = await house.service.reader.read(lambda connection: notes.of(connection, sid))
    assert [(it.author, it.body) for it in found] == [("flex", "10:04 lin@flex.test: He wants a refund.")]


async def test_a_customer_for_anybody_waits_where_nobody_is_free(flex_house: House) -> None:
    house = flex_house
    await house.everyone_away()
    status, answer = await send(house, asked(to="agent"))
    assert status == 200
    sid = answer["conversation_sid"]
    await house.state(sid, "routing")
    await house.quiet(sid)
    assert await house.said(sid) == [("system", WELCOME), ("system", PLEASE_WAIT)]
    await house.worker(GRACE, True)
    assert (await house.state(sid, "with_worker"))["worker"] == {"identity": GRACE}


async def test_a_customer_for_the_bot_is_greeted_and_answered(flex_house: House) -> None:
    house = flex_house
    _status, answer = await send(house, asked(to="bot"))
    sid = answer["conversation_sid"]
    await house.state(sid, "awaiting_choice")
    assert await house.say(MARIA, ADA) == sid
    await house.state(sid, "with_worker")


async def test_a_repeat_gives_the_same_answer_and_nothing_twice(flex_house: House) -> None:
    house = flex_house
    first = await send(house, asked())
    sid = first[1]["conversation_sid"]
    await house.state(sid, "with_worker")
    await house.quiet(sid)
    assert await send(house, asked()) == first
    assert await conversations(house) == [sid]
    found = await house.service.reader.read(lambda connection: notes.of(connection, sid))
    assert len(found) == 1
    assert [row["trigger"] for row in (await house.dump(sid))["history"]].count("customer_transferred") == 1


async def test_a_pair_that_is_open_already_is_taken_and_whoever_serves_it_stays(flex_house: House) -> None:
    house = flex_house
    sid = await house.say(MARIA, GRACE)
    await house.state(sid, "with_worker")
    assert await send(house, asked()) == (200, {"conversation_sid": sid})
    dump = await house.quiet(sid)
    assert dump["worker"] == {"identity": GRACE}
    assert await conversations(house) == [sid]


async def test_a_customer_of_ours_comes_back_from_flex_to_whom_flex_names(flex_house: House) -> None:
    house = flex_house
    sid, flex_sid = await to_flex(house)
    assert await send(house, asked()) == (200, {"conversation_sid": sid})

    async def with_ada() -> bool:
        return bool((await house.dump(sid))["worker"] == {"identity": ADA})

    await house.until(with_ada)
    await house.quiet(sid)
    assert (await there(house, flex_sid))["conversation"]["state"] == "closed"


@pytest.mark.parametrize("number", [1, 2, 3], ids=["conversation", "customer", "attributes"])
async def test_a_call_that_is_cut_off_leaves_one_conversation_once_it_is_asked_again(
    flex_house: House, number: int
) -> None:
    house = flex_house
    house.sandbox.sandbox.webhooks.faults = CutOnce(number=number)
    status, told = await send(house, asked())
    assert status == 503
    assert "same key" in told["error"]
    status, answer = await send(house, asked())
    assert status == 200
    await house.state(answer["conversation_sid"], "with_worker")
    assert await conversations(house) == [answer["conversation_sid"]]


async def test_twilio_down_is_a_failure_and_the_repeat_is_whole(flex_house: House) -> None:
    house = flex_house
    await house.post("/sandbox/faults", {"errors": {"503": 1}}, "PUT")
    status, told = await send(house, asked())
    assert (status, "error" in told) == (503, True)
    assert await conversations(house) == []
    await house.post("/sandbox/faults", {}, "PUT")
    status, answer = await send(house, asked())
    assert status == 200
    await house.state(answer["conversation_sid"], "with_worker")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"address": "instagram:4711"}, "no sender"),
        ({"to": "nobody@example.test"}, "does not work here"),
        ({"to": "somebody"}, "bot, agent"),
        ({"address": "12"}, "address"),
        ({"key": "short"}, "key"),
        ({"attributes": ["a"]}, "attributes"),
        ({"history": 5}, "history"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_a_sentence_and_nothing_is_made(
    flex_house: House, fields: dict[str, Any], says: str
) -> None:
    status, told = await send(flex_house, asked(**fields))
    assert status == 422
    assert says in told["error"]
    assert await conversations(flex_house) == []


async def test_who_said_stop_is_not_written_to(flex_house: House) -> None:
    house = flex_house
    sid = await house.say(MARIA, "STOP")
    await house.quiet(sid)
    await house.post(f"/sandbox/conversations/{sid}/close", {})
    await house.state(sid, "closed")
    status, told = await send(house, asked())
    assert status == 409
    assert "does not want" in told["error"]
    assert await conversations(house) == []


def signed(house: House, fields: dict[str, str], token: str) -> dict[str, str]:
    text = f"{house.url}/flex-transfer" + "".join(name + value for name, value in sorted(fields.items()))
    digest = base64.b64encode(hmac.digest(token.encode(), text.encode(), "sha1")).decode()
    return {"X-Twilio-Signature": digest}


@pytest.mark.parametrize(
    ("token", "account", "status"),
    [
        (seeds.FLEX_AUTH_TOKEN, seeds.FLEX_ACCOUNT_SID, 200),
        (seeds.AUTH_TOKEN, seeds.FLEX_ACCOUNT_SID, 403),
        (seeds.FLEX_AUTH_TOKEN, seeds.ACCOUNT_SID, 403),
    ],
    ids=["flex", "our own token", "our own account"],
)
async def test_a_form_is_taken_where_the_flex_account_has_signed_it(
    house: House, token: str, account: str, status: int
) -> None:
    fields = {"AccountSid": account, "key": KEY, "address": BEN, "to": "bot", "attributes": '{"tier": "gold"}'}
    async with house.session.post(
        f"{house.url}/flex-transfer", data=fields, headers=signed(house, fields, token)
    ) as answer:
        assert answer.status == status
    assert len(await conversations(house)) == (status == 200)


@pytest.mark.parametrize("given", [{}, {"Authorization": "Bearer guessed"}, {"Authorization": "Basic Zm9v"}])
async def test_the_door_is_never_open(house: House, given: dict[str, str]) -> None:
    """Not even on loopback, where no token is set."""
    assert (await send(house, asked(), given))[0] == 401
    assert await conversations(house) == []


async def test_a_customer_goes_to_flex_and_comes_back_through_the_whole_house(flex_house: House) -> None:
    house = flex_house
    _status, answer = await send(house, asked(to="bot"))
    sid = answer["conversation_sid"]
    await house.quiet(sid)
    await house.service.acts.hand_to_flex(sid, BOSS, "wants a refund", "token-0001")
    await in_flex(house, sid)
    assert await send(house, asked(key="WT-0002-task", to="agent")) == (200, {"conversation_sid": sid})

    async def is_here() -> bool:
        return (await house.dump(sid))["worker"] in ({"identity": ADA}, {"identity": GRACE})

    await house.until(is_here)

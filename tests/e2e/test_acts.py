"""What people who are signed in do, over the whole house: they write, hand over, close, and switch to away."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.acts import ActRefused
from orchestrator.sandbox import seeds
from orchestrator.verifying import Stores, verify
from states.texts import PLEASE_WAIT
from storage.writer import wall_clock
from tests.e2e.conftest import House, on_both
from tests.e2e.doors import CREDENTIALS, outgoing
from tests.e2e.staff import (
    ADA,
    ADAS,
    ALAN,
    BOSS,
    GRACE,
    GRACES,
    MARIA,
    acts,
    audited,
    by,
    is_said,
    refused,
    settled,
    triggers,
    with_ada,
)

# Writing


@on_both
async def test_a_worker_writes_under_his_identity_once_and_in_order(house: House) -> None:
    sid = await with_ada(house)
    for number in range(5):
        for _twice in range(2):
            await acts(house).write(sid, ADAS, f"no. {number}", f"token-{number:04}")
    await house.quiet(sid)
    assert await by(house, sid, ADA) == [f"no. {number}" for number in range(5)]
    record = await house.record(sid)
    author = next(p["sid"] for p in record["participants"] if p["identity"] == ADA)
    assert {m["participant_sid"] for m in record["messages"] if m["author"] == ADA} == {author}
    assert (await audited(house))[0] == ("ada", "write", sid, None, "", "done")
    assert len(await audited(house)) == 5


async def test_what_is_cut_off_after_it_was_published_is_not_published_twice(house: House) -> None:
    sid = await with_ada(house)
    await house.post("/sandbox/faults", {"seed": 5, "cut_after_commit": 0.5}, "PUT")
    await asyncio.gather(*(acts(house).write(sid, ADAS, f"no. {n}", f"token-{n:04}") for n in range(6)))
    await house.say(MARIA, "and?")
    await house.quiet(sid, 40)
    assert sorted(await by(house, sid, ADA)) == [f"no. {n}" for n in range(6)]
    decided = [row["event"]["body"] for row in (await house.dump(sid))["history"] if row["trigger"] == "worker_wrote"]
    assert await by(house, sid, ADA) == decided


async def test_a_long_message_is_cut_and_what_the_conversation_spells_is_the_author(house: House) -> None:
    sid = await outgoing(house, "Ada@Example.test", MARIA, told=True)
    await house.state(sid, "with_worker")
    await acts(house).write(sid, ADAS, "word " * 400, "token-0001")
    await house.quiet(sid)
    assert [len(body) for body in await by(house, sid, "Ada@Example.test")] == [1599, 399]


async def test_only_who_is_with_the_customer_writes(house: House) -> None:
    sid = await with_ada(house)
    for person in (GRACES, BOSS):
        with refused(403, "not in this conversation"):
            await acts(house).write(sid, person, "Hello", "token-0001")
    await house.post(f"/sandbox/conversations/{sid}/leave", {"identity": ADA})
    await house.state(sid, "awaiting_choice")
    with refused(403, "not in this conversation"):
        await acts(house).write(sid, ADAS, "Hello", "token-0002")
    assert await audited(house) == []


@pytest.mark.parametrize(
    ("body", "token", "status", "says"),
    [
        (" \n", "token-0001", 422, "nothing to send"),
        ("x" * 32_001, "token-0001", 422, "32,001 characters"),
        ("a\x00b", "token-0001", 422, "NUL"),
        ("\ud83d", "token-0001", 422, "half a character"),
        ("Hello", "short", 422, "no token"),
        ("Hello", "token/../../1", 422, "no token"),
    ],
)
async def test_what_cannot_be_written_is_refused(house: House, body: str, token: str, status: int, says: str) -> None:
    sid = await with_ada(house)
    with refused(status, says):
        await acts(house).write(sid, ADAS, body, token)


@pytest.mark.parametrize("sid", ["CH" + "0" * 32, "CH1", "'; --", ""])
async def test_there_is_nothing_to_do_in_what_is_no_conversation(house: House, sid: str) -> None:
    for act in everything(house, sid):
        with refused(404, "no such conversation"):
            await act()


def everything(house: House, sid: str) -> list[Callable[[], Coroutine[Any, Any, None]]]:
    token = "token-0001"
    return [
        lambda: acts(house).write(sid, ADAS, "Hello", token),
        lambda: acts(house).hand_to_worker(sid, ADAS, GRACE, "", token),
        lambda: acts(house).hand_to_queue(sid, ADAS, "", token),
        lambda: acts(house).hand_to_bot(sid, ADAS, "", token),
        lambda: acts(house).close(sid, ADAS, "", token),
    ]


async def test_nothing_is_done_in_a_closed_conversation(house: House) -> None:
    sid = await with_ada(house)
    await house.post(f"/sandbox/conversations/{sid}/close", {})
    await house.state(sid, "closed")
    for act in everything(house, sid):
        with refused(409, "closed"):
            await act()
    assert (await house.dump(sid))["history"][-1]["trigger"] == "conversation_closed"


# Handing over


@on_both
async def test_a_colleague_joins_before_the_one_he_relieves_leaves(house: House) -> None:
    sid = await with_ada(house)
    await acts(house).hand_to_worker(sid, ADAS, GRACE.upper(), "she knows him", "token-0001")
    dump = await settled(house, sid, [GRACE])
    assert (dump["state"], dump["worker"]) == ("with_worker", {"identity": GRACE})
    assert await triggers(house, sid) == [
        *(await triggers(house, sid))[:-3],
        "handed_to_worker",
        "worker_joined",
        "worker_left",
    ]
    assert dump["history"][-3]["event"]["reason"] == "she knows him"
    assert await audited(house) == [("ada", "hand_to_worker", sid, GRACE, "she knows him", "done")]
    assert "lastAcceptedTaskTime" in worker_attributes(house, GRACE)
    await acts(house).write(sid, GRACES, "Grace here", "token-0002")
    await house.quiet(sid)
    assert (await house.said(sid))[-1] == (GRACE, "Grace here")


def worker_attributes(house: House, identity: str) -> str:
    worker = house.sandbox.sandbox.world.workforce.named(identity)
    assert worker is not None
    return worker.attributes


async def test_a_hand_over_that_is_cut_off_everywhere_ends_with_one_worker(house: House) -> None:
    sid = await with_ada(house)
    await house.post("/sandbox/faults", {"seed": 2, "cut_after_commit": 0.6}, "PUT")
    await acts(house).hand_to_worker(sid, ADAS, ALAN, "", "token-0001")
    dump = await settled(house, sid, [ALAN])
    assert dump["worker"] == {"identity": ALAN}


async def test_who_cannot_be_added_leaves_everything_as_it_was(house: House) -> None:
    sid = await with_ada(house)
    await house.post("/sandbox/faults", {"latency_ms": 500}, "PUT")
    await acts(house).hand_to_worker(sid, ADAS, GRACE, "", "token-0001")
    # The call that adds her is under way, and it is answered by the faults that are in force then.
    await house.post("/sandbox/faults", {"errors": {"400": 1}}, "PUT")
    await house.quiet(sid)
    await house.post("/sandbox/faults", {}, "PUT")
    dump = await settled(house, sid, [ADA])
    assert (dump["state"], dump["worker"]) == ("with_worker", {"identity": ADA})
    await acts(house).hand_to_worker(sid, ADAS, GRACE, "", "token-0002")
    await settled(house, sid, [GRACE])


async def test_a_supervisor_takes_over_and_may_assign_in_every_state(house: House) -> None:
    await house.everyone_away()
    sid = await house.say(MARIA, "Hello")
    await house.state(sid, "awaiting_choice")
    await acts(house).hand_to_worker(sid, BOSS, ALAN, "", "token-0001")
    await settled(house, sid, [ALAN])
    other = await house.say("+15550100002", "agent")
    await house.until(lambda: is_said(house, other, PLEASE_WAIT))
    await acts(house).hand_to_worker(other, BOSS, ADA, "", "token-0002")
    dump = await settled(house, other, [ADA])
    assert dump["state"] == "with_worker"


async def test_who_does_not_work_here_or_is_there_already_is_refused(house: House) -> None:
    sid = await with_ada(house)
    with refused(404, "does not work here"):
        await acts(house).hand_to_worker(sid, BOSS, "nobody@example.test", "", "token-0001")
    with refused(409, "with this customer already"):
        await acts(house).hand_to_worker(sid, BOSS, ADA, "", "token-0001")
    with refused(422, "501 characters"):
        await acts(house).hand_to_worker(sid, BOSS, GRACE, "x" * 501, "token-0001")


async def test_to_the_queue_brings_in_somebody_else_who_is_available(house: House) -> None:
    sid = await with_ada(house)
    await acts(house).hand_to_queue(sid, ADAS, "my shift ends", "token-0001")
    dump = await settled(house, sid, [GRACE])
    assert (dump["state"], dump["worker"]) == ("with_worker", {"identity": GRACE})
    assert not await is_said(house, sid, PLEASE_WAIT)


async def test_to_the_queue_where_nobody_is_available_waits_for_anybody(house: House) -> None:
    sid = await with_ada(house)
    await house.everyone_away()
    await acts(house).hand_to_queue(sid, ADAS, "my shift ends", "token-0001")
    await house.until(lambda: is_said(house, sid, PLEASE_WAIT))
    assert (await settled(house, sid, []))["state"] == "routing"
    await house.worker(ADA, True)
    assert (await settled(house, sid, [ADA]))["state"] == "with_worker"


async def test_back_to_the_bot_which_answers_again(house: House) -> None:
    sid = await with_ada(house)
    before = len(await house.said(sid))
    await acts(house).hand_to_bot(sid, ADAS, "only a question", "token-0001")
    assert (await settled(house, sid, []))["state"] == "awaiting_choice"
    assert len(await house.said(sid)) == before
    await house.say(MARIA, "Hello again")
    await house.until(lambda: ends_with_the_bot(house, sid))
    with refused(409, "has this customer already"):
        await acts(house).hand_to_bot(sid, ADAS, "", "token-0002")


async def ends_with_the_bot(house: House, sid: str) -> bool:
    return (await house.said(sid))[-1][0] == "system"


async def test_whoever_was_on_the_way_is_turned_away_once_the_bot_has_the_customer(house: House) -> None:
    sid = await with_ada(house)
    await house.post("/sandbox/faults", {"latency_ms": 300}, "PUT")
    await acts(house).hand_to_worker(sid, ADAS, GRACE, "", "token-0001")
    await acts(house).hand_to_bot(sid, ADAS, "no, a question for the bot", "token-0002")
    dump = await settled(house, sid, [])
    assert dump["state"] == "awaiting_choice"
    assert sorted((await triggers(house, sid))[-3:]) == ["worker_joined", "worker_left", "worker_left"]


async def test_a_waiting_customer_goes_back_to_the_bot_and_is_assigned_to_nobody(house: House) -> None:
    await house.everyone_away()
    sid = await house.say(MARIA, "agent")
    await house.until(lambda: is_said(house, sid, PLEASE_WAIT))
    await acts(house).hand_to_bot(sid, BOSS, "", "token-0001")
    await house.worker(ADA, True)
    await house.say(MARIA, "Hello")
    await house.until(lambda: ends_with_the_bot(house, sid))
    assert (await settled(house, sid, []))["state"] == "awaiting_choice"


async def test_without_a_workspace_there_is_no_queue_and_nobody_to_hand_over_to(bare_house: House) -> None:
    await bare_house.start(**CREDENTIALS, TWILIO_API_URL=bare_house.sandbox.url)
    sid = await outgoing(bare_house, ADA, MARIA, told=True)
    await bare_house.say(MARIA, "Hello")
    await bare_house.state(sid, "with_worker")
    with refused(409, "TASKROUTER"):
        await acts(bare_house).hand_to_queue(sid, ADAS, "", "token-0001")
    with refused(409, "TASKROUTER"):
        await acts(bare_house).hand_to_worker(sid, ADAS, GRACE, "", "token-0001")
    await acts(bare_house).write(sid, ADAS, "Hello, Maria", "token-0002")
    await acts(bare_house).hand_to_bot(sid, ADAS, "", "token-0003")
    assert (await settled(bare_house, sid, []))["state"] == "awaiting_choice"
    assert await by(bare_house, sid, ADA) == ["Hello, Maria"]


# Closing


async def test_a_conversation_closes_behind_its_last_words_and_the_next_message_is_a_new_one(house: House) -> None:
    sid = await with_ada(house)
    await acts(house).write(sid, ADAS, "Goodbye", "token-0001")
    await acts(house).close(sid, ADAS, "all is said", "token-0002")
    await acts(house).close(sid, ADAS, "all is said", "token-0003")
    dump = await house.state(sid, "closed")
    assert (await house.said(sid))[-1] == (ADA, "Goodbye")
    assert (await house.record(sid))["conversation"]["state"] == "closed"
    assert [e["status"] for e in dump["effects"] if e["kind"] == "close_conversation"] == ["done", "skipped"]
    other = await house.say(MARIA, "One more thing")
    assert other != sid
    await house.state(other, "awaiting_choice")


@on_both
async def test_every_promise_holds_of_what_people_did_while_twilio_was_unwell(house: House) -> None:
    sid = await with_ada(house)
    await house.post("/sandbox/faults", {"seed": 7, "cut_after_commit": 0.3, "errors": {"500": 0.2, "429": 0.2}}, "PUT")
    persons = {ADA: ADAS, GRACE: GRACES, ALAN: replace(BOSS, identity=ALAN)}
    for number, (one, next_one) in enumerate([(ADA, GRACE), (GRACE, ALAN), (ALAN, ADA)]):
        await acts(house).write(sid, persons[one], f"Here is {next_one}", f"token-1{number:03}")
        await repeated(lambda to=next_one, n=number: acts(house).hand_to_worker(sid, BOSS, to, "", f"token-2{n:03}"))
        await settled(house, sid, [next_one])
    await acts(house).write(sid, ADAS, "Goodbye", "token-1009")
    await acts(house).close(sid, ADAS, "", "token-3000")
    await house.state(sid, "closed", 40)
    ledger = await house.ledger()
    checked = await house.service.reader.read(lambda connection: verify(Stores(connection, wall_clock(), ledger)))
    assert {name: found for name, found in checked.items() if found} == {}
    assert [who for who, _ in await house.said(sid)][-4:] == [ADA, GRACE, ALAN, ADA]


async def repeated(act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """What a page does whose act was refused because Twilio did not answer."""
    while True:
        with suppress(ActRefused):
            return await act()
        await asyncio.sleep(0.05)


# Availability, repairs


async def test_a_worker_who_is_available_again_serves_who_waits(house: House) -> None:
    await house.everyone_away()
    sid = await house.say(MARIA, "agent")
    await house.until(lambda: is_said(house, sid, PLEASE_WAIT))
    house.sandbox.sandbox.world.workforce.settings.event_callback_url = ""
    assert not await acts(house).is_available(ADA)
    await acts(house).set_available(ADA.upper(), True)
    assert await acts(house).is_available(ADA)
    dump = await house.state(sid, "with_worker", 3)
    assert dump["worker"] == {"identity": ADA}
    await acts(house).set_available(ADA, False)
    worker = house.sandbox.sandbox.world.workforce.named(ADA)
    assert worker is not None
    assert worker.activity.sid == seeds.OFFLINE_SID
    with refused(404, "does not work here"):
        await acts(house).is_available("nobody@example.test")


@on_both
async def test_what_was_given_up_is_tried_again_or_skipped_with_a_reason(house: House) -> None:
    sid = await with_ada(house)
    await house.post("/sandbox/faults", {"errors": {"400": 1}}, "PUT")
    for number in range(2):
        await acts(house).write(sid, ADAS, f"no. {number}", f"token-{number:04}")
    dump = await house.quiet(sid)
    given_up = [e["key"] for e in dump["effects"] if e["status"] == "rejected"]
    await house.post("/sandbox/faults", {}, "PUT")
    await acts(house).retry_effect(given_up[1], BOSS, "Twilio is well again")
    await acts(house).skip_effect(given_up[0], BOSS, "said by phone")
    dump = await house.quiet(sid)
    assert {e["key"]: e["status"] for e in dump["effects"] if e["key"] in given_up} == {
        given_up[0]: "skipped",
        given_up[1]: "done",
    }
    assert await by(house, sid, ADA) == ["no. 1"]
    assert (await audited(house))[-2:] == [
        ("alan", "retry_effect", sid, given_up[1], "Twilio is well again", "done"),
        ("alan", "skip_effect", sid, given_up[0], "said by phone", "done"),
    ]
    for key in (given_up[1], f"{sid}/99/0"):
        with refused(409, key):
            await acts(house).retry_effect(key, BOSS, "")

"""Calls over the whole house: the sandbox rings and follows what it is told, and each call ends in a conversation."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from orchestrator.sandbox import seeds
from orchestrator.verifying import Stores, verify
from orchestrator.voice import calls, words
from states.calls import CALL_MISSED, CALL_NOT_TAKEN
from states.customers import Channel, Consent, Customer
from states.texts import WELCOME
from storage import boards, parked, threads
from storage.customers import save_customer
from storage.schema import conversation, inbox
from storage.writer import wall_clock
from tests.e2e.conftest import House, on_both
from tests.e2e.doors import PROXY, knock, locked, rest

MARIA, STRANGER, OWNED = "+15550100001", "+15550100077", "+15550100088"
ADA, GRACE = "ada@example.test", "grace@example.test"
ADAS_NUMBER = "+15550100555"
NOT_TAKEN = words.NOT_TAKEN["en"]


async def call(house: House, caller: str, *digits: str | None, **more: Any) -> Any:
    """Somebody calls, and presses these; what he heard."""
    heard = await house.post("/sandbox/call", {"from": caller, "digits": list(digits), **more})
    assert heard["error"] is None
    return heard


async def with_ada(house: House, **attributes: Any) -> str:
    """A conversation that ada serves, in which nothing is under way."""
    await house.worker(ADA, True, **({"phone": ADAS_NUMBER} | attributes))
    sid = await house.say(MARIA, f"{ADA}, please")
    await house.state(sid, "with_worker")
    await house.quiet(sid)
    return sid


async def owned(house: House, owner: str = ADA, **more: Any) -> None:
    """A customer of this worker, who has not written yet."""
    customer = Customer("88", "Olivia", channels=(Channel("sms", OWNED),), worker=owner, **more)
    await house.service.writer.run(lambda unit: save_customer(unit.connection, customer, [OWNED]))


async def conversations(house: House, address: str) -> list[str]:
    """The conversations of a customer that we know, oldest first."""
    query = select(conversation.c.sid).where(conversation.c.address == address).order_by(conversation.c.id)
    return await house.service.reader.read(lambda connection: list(connection.execute(query).scalars()))


async def placed(house: House, call_sid: str) -> Any:
    """Wait until a call has its place, or is given up; its row."""
    query = select(inbox).where(inbox.c.key == calls.key_of(call_sid))

    async def is_settled() -> Any:
        row = await house.service.reader.read(lambda connection: connection.execute(query).one_or_none())
        return row if row is not None and row.status != "waiting" else None

    return await house.until(is_settled)


async def the_one(house: House, address: str) -> str:
    """Wait for the only conversation of a customer; its SID."""
    found = await house.until(lambda: conversations(house, address))
    assert len(found) == 1
    return str(found[0])


async def told(house: House, sid: str) -> list[dict[str, Any]]:
    """The calls that the history of a conversation has."""
    return [row["event"] for row in (await house.dump(sid))["history"] if row["trigger"].startswith("call_")]


async def entries(house: House, sid: str) -> list[tuple[str, str]]:
    """The thread as people read it: kind and text."""
    found, _ = await house.service.reader.read(lambda connection: threads.thread(connection, sid))
    return [(entry.kind, entry.body) for entry in found]


@on_both
async def test_a_call_is_put_through_to_the_worker_and_stands_in_the_thread(house: House) -> None:
    sid = await with_ada(house)
    before = await house.said(sid)
    heard = await call(house, MARIA, "1", dial="completed", duration=180)
    assert heard["said"] == [words.MENU["en"].format(name="Ada"), words.ONE_MOMENT["en"]]
    assert heard["dialed"] == [{"noun": "Number", "to": ADAS_NUMBER, "caller_id": PROXY}]
    await placed(house, heard["call_sid"])
    answered = {"kind": "call_ended", "call_sid": heard["call_sid"], "identity": ADA, "duration_s": 180}
    assert await told(house, sid) == [answered]
    assert (await entries(house, sid))[-1] == ("call", "Call, 3 min")
    assert (await house.said(sid), (await house.dump(sid))["state"]) == (before, "with_worker")


@on_both
async def test_a_caller_gets_the_worker_he_talked_to_last_though_that_conversation_is_over(house: House) -> None:
    sid = await with_ada(house)
    await house.post(f"/sandbox/conversations/{sid}/close", {})
    await house.state(sid, "closed")
    heard = await call(house, MARIA, "1", dial="completed", duration=60)
    assert heard["said"][0] == words.MENU["en"].format(name="Ada")
    assert [dialed["to"] for dialed in heard["dialed"]] == [ADAS_NUMBER]


@on_both
@pytest.mark.parametrize("dial", ["no-answer", "canceled"])
async def test_a_call_that_is_not_taken_brings_the_worker_into_a_conversation(house: House, dial: str) -> None:
    await owned(house)
    await house.worker(ADA, True, phone=ADAS_NUMBER)
    heard = await call(house, OWNED, "1", dial=dial)
    assert heard["said"][-1] == NOT_TAKEN
    sid = await the_one(house, OWNED)
    await house.state(sid, "with_worker")
    dump = await house.quiet(sid)
    assert dump["worker"] == {"identity": ADA}
    assert (dump["address"], dump["proxy_address"]) == (OWNED, PROXY)
    assert dump["customer"]["display_name"] == "Olivia"
    assert await house.said(sid) == [("system", CALL_NOT_TAKEN["en"])]
    assert [(one["outcome"], one["wanted"]) for one in await told(house, sid)] == [(dial.replace("-", "_"), True)]
    assert ("call", "Missed call") in await entries(house, sid)
    record = await house.record(sid)
    assert record["conversation"]["unique_name"] == f"expert-hub-{heard['call_sid']}"


@pytest.mark.parametrize("digits", [["2"], [None], ["7"]])
async def test_going_on_by_text_is_greeted_once_and_is_the_bots_turn(house: House, digits: list[str | None]) -> None:
    await owned(house, language="fr")
    heard = await call(house, OWNED, *digits)
    assert heard["said"] == [words.MENU["fr"].format(name="Ada"), words.BY_TEXT["fr"]]
    assert heard["dialed"] == []
    sid = await the_one(house, OWNED)
    assert (await house.quiet(sid))["state"] == "awaiting_choice"
    assert await house.said(sid) == [("system", CALL_MISSED["fr"])]
    await house.say(OWNED, GRACE)
    await house.state(sid, "with_worker")
    assert WELCOME not in [body for _author, body in await house.said(sid)]


async def test_who_hangs_up_at_the_menu_is_written_to(house: House) -> None:
    await owned(house)
    heard = await call(house, OWNED, hang_up=True)
    assert len(heard["said"]) == 1
    sid = await the_one(house, OWNED)
    assert (await house.quiet(sid))["state"] == "awaiting_choice"
    assert [one["outcome"] for one in await told(house, sid)] == ["hung_up"]
    assert await house.said(sid) == [("system", CALL_MISSED["en"])]


async def test_who_hung_up_and_does_not_want_to_be_written_to_is_not(house: House) -> None:
    await owned(house, consent=(Consent("sms", "no"),))
    heard = await call(house, OWNED, hang_up=True)
    assert (await placed(house, heard["call_sid"])).status == "done"
    assert await conversations(house, OWNED) == []
    await call(house, OWNED, "2")
    assert await the_one(house, OWNED)


async def test_whoever_said_stop_is_not_written_to_because_he_calls(house: House) -> None:
    sid = await house.say(STRANGER, "STOP")
    await house.quiet(sid)
    await house.post(f"/sandbox/conversations/{sid}/close", {})
    await house.state(sid, "closed")
    heard = await call(house, STRANGER)
    assert (await placed(house, heard["call_sid"])).status == "done"
    assert await conversations(house, STRANGER) == [sid]
    assert await house.said(sid) == [(STRANGER, "STOP")]


async def test_a_caller_nobody_knows_is_written_to(house: House) -> None:
    heard = await call(house, STRANGER)
    assert heard["said"] == [words.NOBODY_YET["en"]]
    sid = await the_one(house, STRANGER)
    assert (await house.quiet(sid))["state"] == "awaiting_choice"
    assert await house.said(sid) == [("system", CALL_MISSED["en"])]


@pytest.mark.parametrize("caller", ["anonymous", "+266696687", "client:somebody", "sip:a@example.test"])
async def test_who_hides_his_number_is_told_so_and_nothing_is_kept(house: House, caller: str) -> None:
    heard = await call(house, caller)
    assert heard["said"] == [words.NUMBER_HIDDEN["en"]]
    rows = await house.service.reader.read(lambda connection: connection.execute(select(inbox.c.key)).all())
    assert rows == []


async def test_whoever_calls_in_an_open_conversation_stays_in_it(house: House) -> None:
    sid = await with_ada(house)
    before = await house.said(sid)
    heard = await call(house, MARIA, "2")
    await placed(house, heard["call_sid"])
    assert await conversations(house, MARIA) == [sid]
    assert (await entries(house, sid))[-1] == ("call", "Missed call")
    assert (await house.quiet(sid))["state"] == "with_worker"
    assert await house.said(sid) == before


async def test_a_call_in_a_whatsapp_conversation_of_the_same_numbers_is_told_there(house: House) -> None:
    sid = await house.say(MARIA, "Hello", channel="whatsapp")
    await house.quiet(sid)
    heard = await call(house, MARIA)
    await placed(house, heard["call_sid"])
    assert [one["outcome"] for one in await told(house, sid)] == ["text"]
    assert await conversations(house, MARIA) == []


async def test_a_conversation_no_webhook_told_of_is_used(house: House) -> None:
    sid = str((await rest(house, "POST", "/Conversations"))["sid"])
    binding = {"MessagingBinding__Address": STRANGER, "MessagingBinding__ProxyAddress": PROXY}
    await rest(house, "POST", f"/Conversations/{sid}/Participants", **binding)
    heard = await call(house, STRANGER)
    await placed(house, heard["call_sid"])
    assert await the_one(house, STRANGER) == sid
    assert len(await told(house, sid)) == 1


@pytest.mark.parametrize(("available", "phone"), [(False, ADAS_NUMBER), (True, "ask reception")])
async def test_a_worker_who_cannot_be_rung_is_said_to_be_away(house: House, available: bool, phone: str) -> None:
    await owned(house)
    await house.worker(ADA, available, phone=phone)
    heard = await call(house, OWNED, "1")
    assert (heard["said"][-1], heard["dialed"]) == (words.AWAY["en"].format(name="Ada"), [])
    sid = await the_one(house, OWNED)
    dump = await house.state(sid, "with_worker" if available else "awaiting_choice")
    assert dump["worker"] == ({"identity": ADA} if available else None)


@pytest.mark.parametrize(
    ("at", "noun", "to"), [("sip:ada@example.test", "Sip", "sip:ada@example.test"), ("client:ada", "Client", "ada")]
)
async def test_a_worker_is_rung_where_his_contact_uri_says(house: House, at: str, noun: str, to: str) -> None:
    await with_ada(house, phone="", contact_uri=at)
    heard = await call(house, MARIA, "1")
    assert [(one["noun"], one["to"]) for one in heard["dialed"]] == [(noun, to)]


@on_both
async def test_everything_told_twice_changes_nothing_twice(house: House) -> None:
    await owned(house)
    await house.worker(ADA, True, phone=ADAS_NUMBER)
    await house.post("/sandbox/faults", {"webhook_duplicate": 1.0}, "PUT")
    heard = await call(house, OWNED, "1", dial="no-answer")
    sid = await the_one(house, OWNED)
    await house.state(sid, "with_worker")
    form = {"CallSid": heard["call_sid"], "From": OWNED, "To": PROXY}
    late = [("/voice/status", {"CallStatus": "completed"}), ("/voice/ended", {"DialCallStatus": "completed"})]
    for path, more in [("/voice", {}), ("/voice/choice", {"Digits": "2"}), *late]:
        assert (await knock(house, path, form | more)).status < 300
    await house.quiet(sid)
    assert [one["outcome"] for one in await told(house, sid)] == ["no_answer"]
    assert await house.said(sid) == [("system", CALL_NOT_TAKEN["en"])]
    assert await conversations(house, OWNED) == [sid]


async def test_that_the_caller_is_gone_may_be_told_before_how_his_call_ended(house: House) -> None:
    sid = await with_ada(house)
    form = {"CallSid": "CA" + "1" * 32, "From": MARIA, "To": PROXY, "AccountSid": seeds.ACCOUNT_SID}
    assert "press 1" in (await knock(house, "/voice", form)).text
    assert ADAS_NUMBER in (await knock(house, "/voice/choice", form | {"Digits": "1"})).text
    gone = {"CallStatus": "completed", "CallDuration": "70", "Direction": "inbound"}
    assert (await knock(house, "/voice/status", form | gone)).status == 204
    await knock(house, "/voice/ended", form | {"DialCallStatus": "completed", "DialCallDuration": "40"})
    await placed(house, form["CallSid"])
    assert [(one["kind"], one["duration_s"]) for one in await told(house, sid)] == [("call_ended", 40)]
    assert (await entries(house, sid))[-1] == ("call", "Call, 40 s")


async def test_a_call_that_is_answered_is_told_in_the_last_conversation_of_the_two(house: House) -> None:
    await owned(house)
    await house.worker(ADA, True, phone=ADAS_NUMBER)
    sid = await house.say(OWNED, "Hello")
    await house.quiet(sid)
    await house.post(f"/sandbox/conversations/{sid}/close", {})
    await house.state(sid, "closed")
    heard = await call(house, OWNED, "1", duration=61)
    await placed(house, heard["call_sid"])
    assert (await entries(house, sid))[-1] == ("call", "Call, 1 min")
    assert await conversations(house, OWNED) == [sid]


@on_both
async def test_calls_and_a_message_at_the_same_time_meet_in_one_conversation(house: House) -> None:
    heard = await asyncio.gather(call(house, STRANGER), call(house, STRANGER), house.say(STRANGER, "Hello"))
    for one in heard[:2]:
        assert (await placed(house, one["call_sid"])).status == "done"
    still_open = [sid for sid in await conversations(house, STRANGER) if (await house.dump(sid))["state"] != "closed"]
    assert len(still_open) == 1
    assert {one["call_sid"] for one in await told(house, still_open[0])} == {one["call_sid"] for one in heard[:2]}
    record = await house.until(lambda: house.record(still_open[0]))
    assert "Hello" in [message["body"] for message in record["messages"]]


async def test_what_twilio_cuts_off_ends_in_one_conversation(house: House) -> None:
    await house.post("/sandbox/faults", {"seed": 3, "cut_after_commit": 0.7}, "PUT")
    await call(house, STRANGER)
    sid = await the_one(house, STRANGER)
    await house.post("/sandbox/faults", {}, "PUT")
    await house.state(sid, "awaiting_choice", 40)
    await house.quiet(sid, 40)
    assert await house.said(sid) == [("system", CALL_MISSED["en"])]
    assert len(house.sandbox.sandbox.world.conversations) == 1


async def test_what_twilio_refuses_for_good_is_parked_and_can_be_replayed(house: House) -> None:
    await house.post("/sandbox/faults", {"errors": {"400": 1.0}}, "PUT")
    heard = await call(house, STRANGER)
    row = await placed(house, heard["call_sid"])
    assert row.status == "parked"
    assert "Rejected" in row.last_error
    await house.post("/sandbox/faults", {}, "PUT")
    await house.service.writer.run(lambda unit: parked.replay_event(unit.connection, row.key, unit.now))
    sid = await the_one(house, STRANGER)
    await house.quiet(sid)
    assert await house.said(sid) == [("system", CALL_MISSED["en"])]


async def test_a_call_that_lasts_is_no_trouble_and_one_that_was_given_up_is(house: House) -> None:
    async def trouble() -> list[str]:
        found = await house.service.reader.read(lambda connection: boards.trouble(connection, 9))
        return [row.key for row in found.undecided]

    await owned(house)
    form = {"CallSid": "CA" + "6" * 32, "From": OWNED, "To": PROXY}
    assert "press 1" in (await knock(house, "/voice", form)).text
    assert await trouble() == []
    await house.post("/sandbox/faults", {"errors": {"400": 1.0}}, "PUT")
    await knock(house, "/voice/choice", form)
    await placed(house, form["CallSid"])
    assert await trouble() == [calls.key_of(form["CallSid"])]


async def test_an_open_call_survives_a_restart(house: House) -> None:
    form = {"CallSid": "CA" + "2" * 32, "From": STRANGER, "To": PROXY}
    await house.post("/sandbox/faults", {"errors": {"503": 1.0}}, "PUT")
    await knock(house, "/voice", form)
    await house.stop()
    await house.post("/sandbox/faults", {}, "PUT")
    await house.start()
    sid = await the_one(house, STRANGER)
    await house.quiet(sid)
    assert len(await told(house, sid)) == 1


async def test_a_store_that_cannot_answer_is_a_calm_sentence(house: House) -> None:
    form = {"CallSid": "CA" + "3" * 32, "From": STRANGER, "To": PROXY}
    async with locked(house):
        answers = await asyncio.gather(
            knock(house, "/voice", form),
            knock(house, "/voice/choice", form),
            knock(house, "/voice/ended", form | {"DialCallStatus": "busy"}),
            knock(house, "/voice/status", form | {"CallStatus": "completed"}),
        )
    assert [answer.status for answer in answers] == [200, 200, 200, 503]
    assert all(words.TROUBLE["en"] in answer.text for answer in answers[:3])


@pytest.mark.parametrize("path", ["/voice", "/voice/choice", "/voice/ended", "/voice/status"])
async def test_what_twilio_did_not_sign_is_refused_and_leaves_nothing(house: House, path: str) -> None:
    form = {"CallSid": "CA" + "4" * 32, "From": STRANGER, "To": PROXY, "CallStatus": "completed"}
    assert (await knock(house, path, form, token="0" * 32)).status == 403
    assert (await knock(house, path, form | {"AccountSid": "AC" + "0" * 32})).status == 403
    assert (await knock(house, path, form | {"CallSid": "CH" + "4" * 32})).status == 400
    rows = await house.service.reader.read(lambda connection: connection.execute(select(inbox.c.key)).all())
    assert rows == []


async def test_documents_are_xml_and_every_promise_holds(house: House) -> None:
    form = {"CallSid": "CA" + "5" * 32, "From": STRANGER, "To": PROXY}
    answer = await knock(house, "/voice", form)
    assert answer.text.startswith('<?xml version="1.0" encoding="UTF-8"?><Response>')
    sid = await the_one(house, STRANGER)
    await house.quiet(sid)

    checked = await house.service.reader.read(lambda connection: verify(Stores(connection, wall_clock())))
    assert all(broken == [] for broken in checked.values())

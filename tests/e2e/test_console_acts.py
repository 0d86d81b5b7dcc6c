"""Stepping in over the whole house: who may do what in the workbench, and what comes of it."""

import asyncio

import pytest
from sqlalchemy import insert, update

from states.events import ConversationClosed
from storage import codec
from storage.schema import inbox, outbox, person
from tests.e2e.conftest import BOTH, House
from tests.e2e.workbench import (
    ADA,
    ADMIN,
    ALAN,
    DEVELOPER,
    GRACE,
    MARIA,
    ROBERT,
    SUPERVISOR,
    act,
    audit_of,
    listed,
    repair,
    twin,
    with_grace,
)
from tests.visitors import Visitor, visiting

DATABASES = BOTH


async def test_a_supervisor_assigns_and_closes_with_reasons_that_are_kept(house: House, boss: Visitor) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)
    done = await act(boss, sid, "assign", "She asked on the phone", identity=ADA)
    assert (done.status, done.leads_to) == (303, f"/console/c/{sid}?did=assign")
    await house.state(sid, "with_worker")
    assert ADA in await house.identities(sid)
    assert "The worker was asked to join." in (await boss.get(f"/console/c/{sid}?did=assign")).text
    assert (await act(boss, sid, "close", "All said")).status == 303
    await house.state(sid, "closed")
    assert await audit_of(boss, sid) == [
        (SUPERVISOR, "close", "All said", "done"),
        (SUPERVISOR, "hand_to_worker", "She asked on the phone", "done"),
    ]
    page = (await boss.get("/console/audit")).text
    assert "She asked on the phone" in page
    assert "This conversation is closed, which is final." in (await boss.get(f"/console/c/{sid}")).text


async def test_a_supervisor_who_is_a_worker_takes_over(house: House, boss: Visitor) -> None:
    sid = await with_grace(house)
    promoted = update(person).where(person.c.login == ALAN).values(role="supervisor")
    await house.service.writer.run(lambda unit: unit.connection.execute(promoted))
    nobody = update(person).where(person.c.login == SUPERVISOR).values(identity=None)
    await house.service.writer.run(lambda unit: unit.connection.execute(nobody))
    assert 'value="take"' not in (await boss.get(f"/console/c/{sid}")).text
    refused = await act(boss, sid, "take")
    assert (refused.status, "You have no identity, so you cannot take a conversation over." in refused.text) == (
        422,
        True,
    )
    async with visiting(house.url) as alan:
        await alan.tap(ALAN)
        assert 'value="take"' in (await alan.get(f"/console/c/{sid}")).text
        assert (await act(alan, sid, "take", "She is unhappy")).leads_to == f"/console/c/{sid}?did=take"

        async def is_his() -> bool:
            return await house.identities(sid) == [ALAN]

        await house.until(is_his)
        assert (await alan.get(f"/app/c/{sid}")).status == 200
        assert await audit_of(alan, sid) == [(ALAN, "hand_to_worker", "She is unhappy", "done")]


async def test_a_customer_is_handed_to_the_queue_to_the_assistant_and_to_flex(house: House, boss: Visitor) -> None:
    sid = await with_grace(house)
    await house.everyone_away()
    assert (await act(boss, sid, "queue", "Grace is ill")).status == 303
    await house.state(sid, "routing")
    assert (await act(boss, sid, "bot", "Nobody is there")).status == 303
    await house.state(sid, "awaiting_choice")
    assert (await act(boss, sid, "flex", "A refund")).status == 303
    await house.state(sid, "with_worker")
    assert [entry[1] for entry in await audit_of(boss, sid)] == ["hand_to_flex", "hand_to_bot", "hand_to_queue"]


@pytest.mark.parametrize(
    ("name", "fields", "status", "says"),
    [
        ("bot", {}, 409, "The bot has this customer already."),
        ("close", {"reason": "  "}, 422, "Say why: others will read it."),
        ("close", {"reason": "x" * 501}, 422, "A reason may be 500 characters long; this one has 501."),
        ("assign", {"identity": ""}, 422, "Choose a worker to assign."),
        ("assign", {"identity": "nobody@example.test"}, 404, "nobody@example.test does not work here."),
        ("dance", {}, 422, "There is no such act."),
    ],
)
async def test_what_is_refused_is_said_and_leaves_nothing_behind(
    house: House, boss: Visitor, name: str, fields: dict[str, str], status: int, says: str
) -> None:
    sid = await house.say(MARIA, "Hello")

    async def all_told() -> bool:
        return {row["trigger"] for row in (await house.dump(sid))["history"]} >= {"customer_joined", "bot_replied"}

    await house.until(all_told)
    before = await house.quiet(sid)
    refused = await act(boss, sid, name, **{"reason": "My <b>reason</b>"} | fields)
    assert refused.status == status
    assert says in refused.text
    if "reason" not in fields:
        assert "My &lt;b&gt;reason&lt;/b&gt;</textarea>" in refused.text
    assert await audit_of(boss, sid) == []
    assert (await house.dump(sid))["version"] == before["version"]


async def test_an_act_of_a_form_sent_twice_is_done_once(house: House, boss: Visitor) -> None:
    sid = await with_grace(house)
    await house.everyone_away()
    answers = await asyncio.gather(*(act(boss, sid, "queue", "Twice", token="the-same-token") for _ in range(2)))
    assert {answer.status for answer in answers} == {303}
    assert len(await audit_of(boss, sid)) == 1


async def test_who_may_only_look_is_offered_nothing_and_refused(house: House, people: dict[str, Visitor]) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)
    page = (await people[DEVELOPER].get(f"/console/c/{sid}")).text
    assert "What happened" in page
    assert 'id="act-form"' not in page
    assert (await act(people[DEVELOPER], sid, "close")).status == 403
    for path in ("/console", "/console.json", f"/console/c/{sid}", "/console/audit", "/console/machine"):
        assert (await people[GRACE].get(path)).status == 403
    assert 'id="act-form"' in (await people[ADMIN].get(f"/console/c/{sid}")).text
    assert (await house.dump(sid))["state"] == "awaiting_choice"


async def test_a_form_from_elsewhere_changes_nothing(house: House, boss: Visitor) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)
    forged = await boss.post(f"/console/c/{sid}/act", act="close", reason="Because", token="t", csrf="forged")
    assert forged.status == 403
    assert await audit_of(boss, sid) == []


# Repairs


async def given_up(house: House, sid: str) -> str:
    """Park the first effect of a conversation; its key."""
    key = f"{sid}/1/0"
    parked = update(outbox).where(outbox.c.key == key).values(status="parked", last_error="<i>503</i>", done_at=1)
    await house.service.writer.run(lambda unit: unit.connection.execute(parked))
    return key


async def test_a_parked_effect_is_told_and_tried_again(house: House, people: dict[str, Visitor]) -> None:
    developer = people[DEVELOPER]
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)
    key = await given_up(house, sid)
    assert listed(await twin(developer, "/console.json?failing=1&state=all")) == [sid]
    page = (await developer.get(f"/console/c/{sid}")).text
    assert "&lt;i&gt;503&lt;/i&gt;" in page
    assert "Try again" in page
    done = await repair(developer, sid, "retry", key)
    assert done.leads_to == f"/console/c/{sid}?did=retry"

    async def settled() -> bool:
        return any(each["key"] == key and each["status"] == "done" for each in (await house.dump(sid))["effects"])

    await house.until(settled)
    assert await audit_of(developer, sid) == [(DEVELOPER, "retry_effect", "Looked at it", "done")]
    again = await repair(developer, sid, "skip", key)
    assert again.status == 409
    assert "only what is parked or rejected can be retried or skipped" in again.text


async def test_a_parked_effect_is_skipped_and_nobody_elses_can_be(house: House, boss: Visitor) -> None:
    sid, other = await house.say(MARIA, "Hello"), await house.say(ROBERT, "Hello")
    await house.quiet(sid)
    await house.quiet(other)
    key = await given_up(house, sid)
    assert (await repair(boss, other, "skip", key)).status == 404
    assert (await repair(boss, sid, "skip", key)).status == 303
    assert next(e["status"] for e in (await house.dump(sid))["effects"] if e["key"] == key) == "skipped"
    assert listed(await twin(boss, "/console.json?failing=1&state=all")) == []


async def test_a_parked_event_is_decided_again(house: House, boss: Visitor) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)

    key = "closed by hand"
    row = {
        "key": key,
        "conversation_sid": sid,
        "kind": "conversation_closed",
        "status": "parked",
        "received_at": 1,
        "event": codec.encode(ConversationClosed("it was over")),
        "last_error": "<i>it raised</i>",
    }
    await house.service.writer.run(lambda unit: unit.connection.execute(insert(inbox).values(row)))
    board = await twin(boss, "/console.json")
    assert [each["key"] for each in board["trouble"]["undecided"]] == [key]
    assert "Decide again" in (await boss.get(f"/console/c/{sid}")).text
    assert (await repair(boss, sid, "replay", key)).status == 303
    await house.state(sid, "closed")
    assert await audit_of(boss, sid) == [(SUPERVISOR, "replay_event", "Looked at it", "done")]
    assert (await repair(boss, sid, "replay", "no such key")).status == 409

"""The workbench over the whole house: what its pages and their twins say, who may do what, and what comes of it."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from sqlalchemy import insert, update

from orchestrator.console.story import considered_of, gist_of, indented
from states.events import ConversationClosed
from storage import codec, notes
from storage.schema import history, inbox, outbox, person
from tests.e2e.conftest import BOTH, House
from tests.visitors import Answer, Visitor, visiting

DATABASES = BOTH
MARIA, ROBERT = "+15550100001", "+15550100002"
ADA, GRACE, ALAN = "ada@example.test", "grace@example.test", "alan@example.test"
SUPERVISOR, DEVELOPER, ADMIN = "supervisor@example.test", "developer@example.test", "admin@example.test"


@pytest.fixture
async def people(house: House) -> AsyncIterator[dict[str, Visitor]]:
    """One of each role, signed in."""
    async with AsyncExitStack() as stack:
        found = {}
        for login in (GRACE, SUPERVISOR, DEVELOPER, ADMIN):
            found[login] = await stack.enter_async_context(visiting(house.url))
            assert (await found[login].tap(login)).status == 303
        yield found


@pytest.fixture
def boss(people: dict[str, Visitor]) -> Visitor:
    return people[SUPERVISOR]


async def twin(visitor: Visitor, path: str) -> Any:
    """A page's JSON."""
    answer = await visitor.get(path)
    assert answer.status == 200, answer.text
    return json.loads(answer.text)


async def act(visitor: Visitor, sid: str, name: str, reason: str = "Because", **fields: str) -> Answer:
    """Step in as the page's form does."""
    form = {"act": name, "reason": reason, "token": secrets.token_urlsafe(16)} | fields
    return await visitor.post(f"/console/c/{sid}/act", **form)


async def repair(visitor: Visitor, sid: str, name: str, key: str, reason: str = "Looked at it") -> Answer:
    return await visitor.post(f"/console/c/{sid}/repair", act=name, key=key, reason=reason)


async def with_grace(house: House) -> str:
    """Maria asked for Grace, who is with her; nothing is under way."""
    sid = await house.say(MARIA, f"{GRACE}, please")
    await house.state(sid, "with_worker")
    await house.quiet(sid)
    return sid


def listed(board: Any) -> list[str]:
    return [each["conversation_sid"] for each in board["conversations"]]


# The board


async def test_the_board_counts_lists_and_tells_who_waits_and_who_has_what(house: House, boss: Visitor) -> None:
    served = await with_grace(house)
    await house.everyone_away()
    waiting = await house.say(ROBERT, "AGENT")
    await house.state(waiting, "routing")
    await house.quiet(waiting)
    board = await twin(boss, "/console.json")
    assert board["counts"] == {"greeting": 0, "awaiting_choice": 0, "routing": 1, "with_worker": 1, "closed": 0}
    assert listed(board) == [waiting, served]
    assert [each["conversation_sid"] for each in board["waiting"]] == [waiting]
    assert board["waiting_count"] == 1
    grace = next(worker for worker in board["workers"] if worker["identity"] == GRACE)
    assert grace["open"] == 1
    page = await boss.get("/console")
    assert page.status == 200
    assert "Maria Sanchez" in page.text
    assert '<link rel="alternate" type="application/json" href="/console.json?' in page.text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=Maria", "served"),
        ("q=maria+s", "served"),
        ("q=%2B1+555+010-0001", "served"),
        (f"q={GRACE.upper()}", "served"),
        (f"worker={GRACE}", "served"),
        ("state=with_worker", "served"),
        ("state=awaiting_choice", "other"),
        ("channel=sms", "both"),
        ("channel=whatsapp", "neither"),
        ("waiting=0", "neither"),
        ("failing=1", "neither"),
        ("q=nobody", "neither"),
        ("state=closed", "neither"),
        ("q=&state=&worker=&channel=&waiting=", "both"),
    ],
)
async def test_filters_and_search_are_the_addresss(house: House, boss: Visitor, query: str, expected: str) -> None:
    served = await with_grace(house)
    other = await house.say("+15550100044", "Hello")
    await house.state(other, "awaiting_choice")
    found = listed(await twin(boss, f"/console.json?{query}"))
    assert found == {"served": [served], "other": [other], "both": [other, served], "neither": []}[expected]
    page = await boss.get(f"/console?{query}")
    assert page.status == 200
    assert [sid for sid in (other, served) if f'data-key="{sid}"' in page.text.partition('id="queue"')[0]] == found


async def test_a_conversation_is_found_by_the_beginning_of_its_sid(house: House, boss: Visitor) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)
    assert listed(await twin(boss, f"/console.json?q={sid[:12]}")) == [sid]
    assert listed(await twin(boss, f"/console.json?q={sid}")) == [sid]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("state=lost", "state must be one of"),
        ("channel=pigeon", "channel must be one of"),
        ("after=x", "after must be a whole number"),
        ("waiting=-1", "waiting must be a whole number"),
        ("q=CH12", "at least the first six"),
        (f"q={'x' * 201}", "200 characters"),
    ],
)
async def test_what_cannot_be_asked_is_said_on_the_page_and_in_its_twin(boss: Visitor, query: str, says: str) -> None:
    page, told = await boss.get(f"/console?{query}"), await boss.get(f"/console.json?{query}")
    assert (page.status, told.status) == (400, 400)
    assert says in page.text
    assert says in json.loads(told.text)["error"]


# A conversation


async def test_the_twin_of_a_conversation_is_the_state_dump_and_more(house: House, boss: Visitor) -> None:
    sid = await with_grace(house)
    dump, told = await house.dump(sid), await twin(boss, f"/console/c/{sid}.json")
    assert {name: told[name] for name in dump} == dump
    assert [f"{GRACE}, please"] == [entry["body"] for entry in told["thread"] if entry["side"] == "customer"]
    assert [entry["body"] for entry in told["thread"]] == [body for _, body in await house.said(sid)]
    fired = [
        next(candidate["row"] for candidate in reason["candidates"] if candidate["fired"]) for reason in told["reasons"]
    ]
    assert fired == [row["row"] for row in dump["history"]]
    assert told["shown"]["state"] == "with_worker"
    assert told["shown"]["snapshot"]["workers"] == [GRACE]


async def test_a_call_stands_in_the_transcript_and_in_the_timeline(house: House, boss: Visitor) -> None:
    sid = await with_grace(house)
    call_sid = (await house.post("/sandbox/call", {"from": MARIA, "digits": ["2"]}))["call_sid"]

    async def calls() -> list[Any]:
        thread = (await twin(boss, f"/console/c/{sid}.json"))["thread"]
        return [(entry["call_sid"], entry["body"]) for entry in thread if entry["kind"] == "call"]

    assert await house.until(calls) == [(call_sid, "Missed call")]
    page = (await boss.get(f"/console/c/{sid}")).text
    assert f'<li class="call" data-key="{call_sid}">' in page
    assert "<strong>call missed</strong>" in page
    assert f"{GRACE} · text" in page


async def test_every_version_is_shown_as_it_was(house: House, boss: Visitor) -> None:
    sid = await with_grace(house)
    past = (await house.dump(sid))["history"]
    for version in range(len(past) + 1):
        shown = (await twin(boss, f"/console/c/{sid}.json?version={version}"))["shown"]
        state = past[version - 1]["dest"] if version else "greeting"
        assert (shown["version"], shown["state"]) == (version, state)
        assert (shown["snapshot"] is None) == (version == 0)
        page = await boss.get(f"/console/c/{sid}?version={version}")
        assert page.status == 200
        assert page.text.count('<li data-key="v') == version
        assert ("As it was at" in page.text) == (version < len(past))
    beyond = await twin(boss, f"/console/c/{sid}.json?version=999")
    assert beyond["shown"]["version"] == len(past)


async def test_decisions_of_one_millisecond_are_all_shown(house: House, boss: Visitor) -> None:
    sid = await with_grace(house)
    at = (await house.dump(sid))["history"]
    same = update(history).where(history.c.conversation_sid == sid).values(at=1_790_000_000_000)
    await house.service.writer.run(lambda unit: unit.connection.execute(same))
    for version in range(1, len(at)):
        page = await boss.get(f"/console/c/{sid}?version={version}")
        assert page.text.count('<li data-key="v') == version


async def test_a_conversation_nobody_heard_of_is_not_there(boss: Visitor) -> None:
    nobody = "CH" + "0" * 32
    assert (await boss.get(f"/console/c/{nobody}")).status == 404
    assert (await boss.get(f"/console/c/{nobody}.json")).status == 404
    assert (await act(boss, nobody, "close")).status == 404


async def test_the_page_names_the_reason_with_the_guards_that_said_no(house: House, boss: Visitor) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)
    page = (await boss.get(f"/console/c/{sid}")).text
    assert "awaiting_choice/bot_replied[bot_names_worker]" in page
    assert "The bot answers this turn and names somebody who can be looked up." in page
    assert '<span class="held no">no</span>' in page
    assert "This row fired" in page


# Acting


async def audit_of(boss: Visitor, sid: str) -> list[tuple[str, str, str, str]]:
    found = (await twin(boss, f"/console/audit.json?conversation={sid}"))["audit"]
    return [(each["who"], each["act"], each["reason"], each["outcome"]) for each in found]


async def test_the_page_tells_who_was_considered_for_a_customer_who_comes_back(house: House, boss: Visitor) -> None:
    sid = await with_grace(house)
    await house.post(f"/sandbox/conversations/{sid}/leave", {"identity": GRACE})
    await house.state(sid, "awaiting_choice")
    await house.worker(GRACE, False)
    await house.say(MARIA, "LAST")
    await house.state(sid, "with_worker")
    page = await boss.get(f"/console/c/{sid}")
    for told in ("owner: nobody", f"last: {GRACE} offline", "pool: whoever has been idle longest"):
        assert f'<li dir="auto">{told}</li>' in page.text
    dump = await twin(boss, f"/console/c/{sid}.json")
    assert [row["event"]["considered"][1] for row in dump["history"] if row["trigger"] == "last_worker_away"] == [
        f"last: {GRACE} offline"
    ]


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


# Audit and machine


async def test_the_audit_is_paged_newest_first(house: House, boss: Visitor) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)

    def fill(unit: Any) -> None:
        from storage import audit

        for number in range(130):
            audit.record(unit, "ada", "write", sid, None, f"reason {number}", "done")

    await house.service.writer.run(fill)
    first = await twin(boss, "/console/audit.json")
    second = await twin(boss, f"/console/audit.json?before={first['next']}")
    reasons = [each["reason"] for each in first["audit"] + second["audit"]]
    assert reasons == [f"reason {number}" for number in reversed(range(130))]
    assert second["next"] is None
    one = await twin(boss, f"/console/audit.json?conversation={sid}")
    assert (len(one["audit"]), one["next"]) == (100, first["next"])
    page = (await boss.get(f"/console/audit?conversation={sid}")).text
    assert page.count("<tr data-key=") == 100
    assert (await boss.get("/console/audit?before=x")).status == 400


async def test_the_machine_is_shown_from_the_code(house: House, boss: Visitor) -> None:
    told = await twin(boss, "/console/machine.json")
    async with house.session.get(f"{house.url}/debug/machine") as response:
        assert {name: told[name] for name in ("states", "initial", "transitions")} == await response.json()
    assert told["sentences"]["is_late"] == "Messages with a higher index were decided before this one."
    page = (await boss.get("/console/machine")).text
    assert "<svg" in page
    assert all(name in page for name in told["sentences"])


# Text from outside

HOSTILE = "\u202e</textarea></pre><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}\x07'\""


async def test_nothing_from_outside_becomes_markup(house: House, boss: Visitor) -> None:
    sid = await house.say(MARIA, HOSTILE)
    await house.quiet(sid)
    await house.service.writer.run(lambda unit: notes.add(unit, sid, HOSTILE, HOSTILE, unit.now))
    assert (await act(boss, sid, "close", HOSTILE)).status == 303
    await house.quiet(sid)
    for path in ("/console?state=all", f"/console/c/{sid}", "/console/audit", f"/console?q={'%3Cscript%3E'}"):
        page = await boss.get(path)
        assert page.status == 200
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
        assert "\x07" not in page.text


def test_the_gist_of_an_event_is_what_it_is_about() -> None:
    assert gist_of('{"kind":"message_received","body":"Hi","index":0}') == "Hi"
    assert gist_of('{"kind":"worker_joined","identity":"a@b.test"}') == "a@b.test"
    assert gist_of("[1]") == gist_of("no json") == ""
    assert indented("no json") == "no json"


# Live


@pytest.mark.parametrize("event", ["", "[]", "{}", '{"considered": "owner"}', '{"considered": null}'])
def test_where_nobody_was_considered_nobody_is_told(event: str) -> None:
    assert considered_of(event) == ()


async def test_a_change_is_told_to_who_watches(house: House, boss: Visitor) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)
    heard: list[str] = []
    async with boss.session.get(f"{house.url}/console/c/{sid}/live", headers={"Accept": "text/event-stream"}) as live:
        assert live.content_type == "text/event-stream"

        async def hear() -> None:
            async for line in live.content:
                heard.append(line.decode().strip())
                if heard[-1].startswith("data:") and sid in heard[-1]:
                    return

        listening = asyncio.create_task(hear())
        await house.until(lambda: _is_there(heard, "event: hello"))
        await house.say(ROBERT, "Somebody else's")
        await house.say(MARIA, "Again")
        async with asyncio.timeout(10):
            await listening
    assert json.loads(heard[-1].removeprefix("data:")) == {"sids": [sid]}


async def _is_there(heard: list[str], line: str) -> bool:
    return line in heard

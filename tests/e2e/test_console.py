"""The workbench over the whole house: what its pages and their twins say."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import update

from orchestrator.console.story import considered_of, gist_of, indented
from storage import notes
from storage.schema import history
from tests.e2e.conftest import BOTH, House
from tests.e2e.workbench import GRACE, MARIA, ROBERT, act, listed, twin, with_grace
from tests.visitors import Visitor

DATABASES = BOTH


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


async def test_an_address_beneath_the_workbench_that_is_none_leads_back(boss: Visitor) -> None:
    for path in ("/console/", "/console/c/CH12", "/console/nowhere.json"):
        lost = await boss.get(path)
        assert (lost.status, "There is no such page." in lost.text) == (404, True), path
        assert path.endswith(".json") or 'href="/">Back to the start' in lost.text


async def test_the_page_names_the_reason_with_the_guards_that_said_no(house: House, boss: Visitor) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)
    page = (await boss.get(f"/console/c/{sid}")).text
    assert "awaiting_choice/bot_replied[bot_names_worker]" in page
    assert "The bot answers this turn and names somebody who can be looked up." in page
    assert '<span class="held no">no</span>' in page
    assert "This row fired" in page


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

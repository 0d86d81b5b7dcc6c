"""The worker's app over HTTP: what is his and what is not, and what its pages and their twins say."""

import json
import re
from typing import Any

import pytest

from orchestrator.pages.assets import assets, static
from storage import threads
from tests.e2e.conftest import House
from tests.e2e.phone import ADA, GRACE, MARIA, NOBODYS, ROBERT, found, token, with_grace
from tests.visitors import Visitor, add_person, visiting


async def test_the_list_is_mine_and_its_twin_says_the_same(house: House, grace: Visitor, ada: Visitor) -> None:
    sid = await with_grace(house)
    await house.say(ROBERT, "Hello")
    page = await grace.get("/app")
    assert (page.status, page.text.count("<li data-key=")) == (200, 1)
    assert "Maria Sanchez" in page.text
    (row,) = (await found(grace, "/app.json"))["conversations"]
    assert (row["sid"], row["name"], row["channel"], row["unread"]) == (sid, "Maria Sanchez", "sms", 1)
    assert (await found(ada, "/app.json"))["conversations"] == []
    assert "Maria" not in (await ada.get("/app")).text


async def test_a_call_stands_in_the_thread_between_the_messages(house: House, grace: Visitor) -> None:
    sid = await with_grace(house)
    await house.post("/sandbox/call", {"from": MARIA, "digits": ["2"]})

    async def calls() -> list[Any]:
        messages = (await found(grace, f"/app/c/{sid}.json"))["messages"]
        return [(each["kind"], each["body"], each["index"]) for each in messages if each["call_sid"]]

    assert await house.until(calls) == [("call", "Missed call", None)]
    await house.say(MARIA, "Are you there?")

    async def is_last() -> bool:
        return (await found(grace, f"/app/c/{sid}.json"))["messages"][-1]["body"] == "Are you there?"

    await house.until(is_last)
    page = (await grace.get(f"/app/c/{sid}")).text
    assert re.search(r'<li class="call" data-key="CA[0-9a-f]{32}">.*?Missed call', page, re.DOTALL)
    assert page.index("Missed call") < page.rindex("Are you there?")


async def test_what_is_not_mine_does_not_exist(house: House, grace: Visitor, ada: Visitor) -> None:
    sid = await with_grace(house)
    message = (await found(grace, f"/app/c/{sid}.json"))["messages"][0]["message_sid"]
    for path in (f"/app/c/{sid}", f"/app/c/{sid}.json", f"/app/c/{sid}/hand-over", f"/app/c/{sid}/close"):
        theirs, nobodys = await ada.get(path), await ada.get(path.replace(sid, NOBODYS))
        assert (theirs.status, nobodys.status) == (404, 404)
        assert theirs.plain == nobodys.plain.replace(NOBODYS, sid)
    assert (await ada.get(f"/app/c/{sid}/m/{message}/0")).status == 404
    for act in ("write", "again", "notes", "seen", "hand-over", "close"):
        fields = {"body": "mine?", "token": "a-token-of-mine", "to": "queue", "key": f"{sid}/1/0", "version": "9"}
        assert (await ada.post(f"/app/c/{sid}/{act}", **fields)).status == 404, act
    assert "mine?" not in str(await house.said(sid))


@pytest.mark.parametrize("path", ["/app/", "/app/c", "/app/c/CH12", f"/app/c/{NOBODYS}/write", "/app/nowhere.json"])
async def test_an_address_beneath_the_app_that_is_none_leads_back(grace: Visitor, path: str) -> None:
    lost = await grace.get(path)
    assert lost.status == 404
    assert "There is nothing of yours at this address." in lost.text
    assert path.endswith(".json") or 'href="/app">Back to the start' in lost.text


async def test_opening_marks_as_seen_and_asking_for_the_moving_part_does_not(house: House, grace: Visitor) -> None:
    sid = await with_grace(house)

    async def unread() -> int:
        return int((await found(grace, "/app.json"))["conversations"][0]["unread"])

    await grace.get(f"/app/c/{sid}", X_Fragment="live")
    await grace.get(f"/app/c/{sid}.json")
    assert await unread() == 1
    await grace.get(f"/app/c/{sid}")
    assert await unread() == 0
    await house.say(MARIA, "And another thing")
    await house.until(unread)
    version = (await found(grace, f"/app/c/{sid}.json"))["version"]
    assert (await grace.post(f"/app/c/{sid}/seen", version=str(version))).status == 303
    assert await unread() == 0


async def test_a_closed_conversation_stays_to_be_read(house: House, grace: Visitor) -> None:
    sid = await with_grace(house)
    form = await grace.get(f"/app/c/{sid}/close")
    assert (await grace.post(f"/app/c/{sid}/close", token=token(form))).leads_to == "/app?done=closed"
    await house.state(sid, "closed")
    assert (await found(grace, "/app.json"))["conversations"] == []
    assert [row["sid"] for row in (await found(grace, "/app.json?show=closed"))["conversations"]] == [sid]
    page = await grace.get(f"/app/c/{sid}")
    assert "This conversation is closed." in page.text
    assert 'id="composer"' not in page.text


async def test_notes_are_private_and_escaped(house: House, grace: Visitor) -> None:
    sid = await with_grace(house)
    for _ in range(2):
        assert (await grace.post(f"/app/c/{sid}/notes", body="<b>likes</b> blue")).status == 303
    assert len((await found(grace, f"/app/c/{sid}.json"))["notes"]) == 1
    page = await grace.get(f"/app/c/{sid}")
    assert "&lt;b&gt;likes&lt;/b&gt; blue" in page.text
    assert "blue" not in str(await house.said(sid))
    assert (await grace.post(f"/app/c/{sid}/notes", body="  ")).status == 422


async def test_customers_are_found_and_others_customers_are_not(house: House, grace: Visitor) -> None:
    everybody = (await found(grace, "/app/customers.json"))["customers"]
    assert [one["display_name"] for one in everybody] == ["Maria Sanchez", "Robert Ellis", "Susan Leclerc"]
    (maria,) = (await found(grace, "/app/customers.json?q=sanch"))["customers"]
    assert maria == await found(grace, f"/app/customers/one.json?id={maria['customer_id']}")
    assert "worker" not in maria
    page = await grace.get("/app/customers/one?id=2")
    assert 'href="https://example.test/customers/2"' in page.text
    await house.service.writer.run(
        lambda unit: unit.connection.exec_driver_sql(f"UPDATE customer SET worker = '{ADA}' WHERE customer_id = '2'")
    )
    for path in ("/app/customers/one?id=2", "/app/customers/one.json?id=2", "/app/customers/one?id=77"):
        assert (await grace.get(path)).status == 404
    fields = {"customer": "2", "type": "sms", "value": ROBERT, "token": "token-0001"}
    assert (await grace.post("/app/customers/start", **fields)).status == 404


async def test_a_conversation_is_started_and_the_open_one_opened(house: House, grace: Visitor) -> None:
    fields = {"customer": "2", "type": "sms", "value": ROBERT}
    first = await grace.post("/app/customers/start", **fields, token="token-0001")
    assert first.status == 303
    assert first.leads_to is not None
    sid = first.leads_to.removeprefix("/app/c/")
    await house.state(sid, "with_worker")
    assert (await grace.post("/app/customers/start", **fields, token="token-0002")).leads_to == first.leads_to
    wrong = await grace.post("/app/customers/start", **fields | {"value": MARIA}, token="token-0003")
    assert wrong.status == 422


async def test_the_switch_is_the_taskrouter_activity(house: House, grace: Visitor) -> None:
    assert 'aria-checked="true"' in (await grace.get("/app")).text
    assert (await grace.post("/app/available", available="false")).leads_to == "/app"
    assert await house.service.acts.is_available(GRACE) is False
    assert 'aria-checked="false"' in (await grace.get("/app")).text


async def test_the_stream_tells_of_the_switch_whoever_turned_it(house: House, grace: Visitor) -> None:
    async with grace.session.get(f"{house.url}/app/events") as stream:

        async def told() -> str:
            while True:
                said = (await stream.content.readuntil(b"\r\n\r\n")).decode()
                if "event: available" in said:
                    return re.findall(r"data: (\w+)", said)[0]

        assert await told() == "true"
        await house.worker(GRACE, False)
        assert await told() == "false"
        await grace.post("/app/available", available="true")
        assert await told() == "true"


async def test_somebody_who_is_no_worker_is_told_so(house: House) -> None:
    await add_person(house.service, "boss", "supervisor")
    async with visiting(house.url) as visitor:
        await visitor.sign_in("boss")
        page, twin = await visitor.get("/app"), await visitor.get("/app.json")
    assert (page.status, twin.status) == (409, 409)
    assert "nobody has made you a worker" in page.text
    assert "nobody has made you a worker" in json.loads(twin.text)["error"]


async def test_the_crm_is_not_needed_to_talk(house: House, grace: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestrator.errors import CrmUnavailable

    sid = await with_grace(house)

    async def down(*_: Any) -> None:
        raise CrmUnavailable("down")

    for name in ("find", "find_by_address", "customers"):
        monkeypatch.setattr(house.service.crm._crm, name, down)
    page = await grace.get(f"/app/c/{sid}")
    assert page.status == 200
    assert "The customer records cannot be reached now." in page.text
    customers = await grace.get("/app/customers")
    assert customers.status == 503
    assert "Conversations work without them." in customers.text


async def test_a_message_that_was_given_up_is_tried_again_and_nothing_else_is(house: House, grace: Visitor) -> None:
    sid = await with_grace(house)
    await house.post("/sandbox/faults", {"errors": {"400": 1.0}}, method="PUT")
    await grace.post(f"/app/c/{sid}/write", body="Are you there?", token="token-0001")

    async def failed() -> Any:
        last = (await found(grace, f"/app/c/{sid}.json"))["messages"][-1]
        return last if last["status"] == "failed" else None

    last = await house.until(failed)
    assert "Try again" in (await grace.get(f"/app/c/{sid}")).text
    await house.post("/sandbox/faults", {}, method="PUT")
    other = next(e["key"] for e in (await house.dump(sid))["effects"] if e["kind"] == "add_participant")
    assert (await grace.post(f"/app/c/{sid}/again", key=other)).status == 409
    assert (await grace.post(f"/app/c/{sid}/again", key=last["key"])).status == 303

    async def is_sent() -> bool:
        return (GRACE, "Are you there?") in await house.said(sid)

    await house.until(is_sent)


async def test_older_messages_are_on_another_page(
    house: House, grace: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestrator.phone import conversation

    sid = await with_grace(house)
    for number in range(6):
        await house.say(MARIA, f"line {number}")

    async def is_told() -> bool:
        return (await found(grace, f"/app/c/{sid}.json"))["messages"][-1]["body"] == "line 5"

    await house.until(is_told)
    monkeypatch.setattr(conversation, "PAGE_SIZE", 4)
    newest = await grace.get(f"/app/c/{sid}")
    assert [f"line {number}</p>" in newest.text for number in (1, 2, 5)] == [False, True, True]
    before = re.search(r'href="\?before=(\d+)"', newest.text)
    assert before is not None
    assert "line 1" in (await grace.get(f"/app/c/{sid}?before={before[1]}")).text
    assert (await grace.get(f"/app/c/{sid}?before=99999999999999999999")).status == 200


async def test_what_makes_it_installable_is_open_and_keeps_nothing_of_anybody(house: House) -> None:
    async with visiting(house.url) as nobody:
        manifest = json.loads((await nobody.get("/app/manifest.webmanifest")).text)
        assert (manifest["scope"], manifest["start_url"]) == ("/app", "/app")
        for icon in manifest["icons"]:
            assert icon["src"] == static(icon["src"].partition("/static/")[2].partition("/")[2])
        assert {icon["purpose"] for icon in manifest["icons"]} == {"any", "maskable"}
        worker = await nobody.get("/app/sw.js")
        assert worker.headers["Service-Worker-Allowed"] == "/app"
        kept = json.loads(worker.text.partition("const FILES = ")[2].partition(";\n")[0])
        assert set(kept) == {static(name) for name in assets() if "/" not in name or name.startswith("phone/")}
        assert (await nobody.get("/app/offline")).status == 200


async def test_mine_is_compared_in_any_letter_case(house: House) -> None:
    sid = await with_grace(house)
    await add_person(house.service, "Grace.H@example.test")
    assert await house.service.reader.read(lambda connection: threads.is_mine(connection, GRACE.upper(), sid))

"""The worker's app over HTTP: what is his, what is not, forms without a script, and the JSON twins."""

import json
import re
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import aiohttp
import pytest

from orchestrator.pages.assets import assets, static
from storage import threads
from tests.e2e.conftest import House
from tests.visitors import Answer, Visitor, add_person, visiting

ADA, GRACE, ALAN = "ada@example.test", "grace@example.test", "alan@example.test"
MARIA, ROBERT, SUSAN = "+15550100001", "+15550100002", "whatsapp:+15550100003"
NOBODYS = "CH" + "0" * 32


@pytest.fixture
async def grace(house: House) -> AsyncIterator[Visitor]:
    async with visiting(house.url) as visitor:
        await visitor.tap(GRACE)
        yield visitor


@pytest.fixture
async def ada(house: House) -> AsyncIterator[Visitor]:
    async with visiting(house.url) as visitor:
        await visitor.tap(ADA)
        yield visitor


async def with_grace(house: House, sender: str = MARIA, body: str = f"{GRACE} please") -> str:
    """A conversation that Grace has joined, with nothing under way any more."""
    sid = await house.say(sender, body)
    await house.state(sid, "with_worker")
    await house.quiet(sid)
    return sid


def token(answer: Answer) -> str:
    """The token of the act that a page offers."""
    found = re.search(r'name="token" value="([^"]+)"', answer.text)
    assert found is not None
    return found[1]


async def found(visitor: Visitor, path: str) -> Any:
    answer = await visitor.get(path)
    assert answer.status == 200, answer.text
    return json.loads(answer.text)


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


async def post_picture(visitor: Visitor, sid: str, content: bytes, drawn: str, body: str = "") -> tuple[int, str]:
    form = aiohttp.FormData({"csrf": visitor.csrf, "token": drawn, "body": body})
    form.add_field("picture", BytesIO(content), filename="shoes.png", content_type="image/png")
    url = f"{visitor.url}/app/c/{sid}/picture"
    async with visitor.session.post(url, data=form, headers={"Origin": visitor.url}, allow_redirects=False) as answer:
        return answer.status, await answer.text()


async def test_a_picture_larger_than_other_forms_is_sent_by_a_form_and_once(house: House, grace: Visitor) -> None:
    sid = await with_grace(house, SUSAN)
    assert f'href="/app/c/{sid}/picture"' in (await grace.get(f"/app/c/{sid}")).text
    drawn = token(await grace.get(f"/app/c/{sid}/picture"))
    content = b"\x89PNG\r\n\x1a\n" + bytes(3 * 1024 * 1024)
    for _twice in range(2):
        assert (await post_picture(grace, sid, content, drawn, "These?"))[0] == 303
    await house.quiet(sid)
    picture, words = (await house.record(sid))["messages"][-2:]
    assert (picture["media"][0]["size"], words["body"]) == (len(content), "These?")


async def test_what_is_no_picture_or_not_for_this_worker_is_refused(house: House, grace: Visitor, ada: Visitor) -> None:
    sid = await with_grace(house)
    before = await house.said(sid)
    for content, says in ((b"<svg/>", "no picture"), (bytes(17 * 1024 * 1024), "too large")):
        status, text = await post_picture(grace, sid, content, "a-token-of-mine")
        assert (status, says in text) == (422, True)
    assert (await grace.post(f"/app/c/{sid}/picture", token="a-token-of-mine")).status == 422
    assert (await post_picture(ada, sid, b"<svg/>", "a-token-of-mine"))[0] == 404
    async with visiting(house.url) as stranger:
        assert (await post_picture(stranger, sid, b"<svg/>", "a-token-of-mine"))[0] in (303, 401)
    assert await house.said(sid) == before


async def test_a_message_is_sent_by_a_form_and_its_repetition_is_not(house: House, grace: Visitor) -> None:
    sid = await with_grace(house)
    drawn = token(await grace.get(f"/app/c/{sid}"))
    for _ in range(2):
        answer = await grace.post(f"/app/c/{sid}/write", body="Good morning", token=drawn)
        assert (answer.status, answer.leads_to) == (303, f"/app/c/{sid}")
    await house.quiet(sid)
    assert (await house.said(sid)).count((GRACE, "Good morning")) == 1
    last = (await found(grace, f"/app/c/{sid}.json"))["messages"][-1]
    assert (last["author"], last["side"], last["body"]) == (GRACE, "worker", "Good morning")


async def test_a_script_is_told_what_came_of_it(house: House, grace: Visitor) -> None:
    sid = await with_grace(house)
    form = {"csrf": grace.csrf, "body": "Hello", "token": "token-of-a-script"}
    answer = await grace.ask("POST", f"/app/c/{sid}/write", form, Origin=house.url, X_Fragment="post")
    assert (answer.status, json.loads(answer.text)) == (200, {"location": f"/app/c/{sid}"})
    refused = await grace.ask("POST", f"/app/c/{sid}/write", form | {"body": " "}, Origin=house.url, X_Fragment="post")
    assert (refused.status, json.loads(refused.text)) == (422, {"error": "Write the message first."})


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"body": "x" * 1601, "token": "token-0001"}, 422),
        ({"body": "a\x00b", "token": "token-0001"}, 422),
        ({"body": "no token"}, 422),
    ],
)
async def test_a_message_that_cannot_be_sent_is_refused(
    house: House, grace: Visitor, fields: dict[str, str], status: int
) -> None:
    sid = await with_grace(house)
    before = await house.said(sid)
    assert (await grace.post(f"/app/c/{sid}/write", **fields)).status == status
    await house.quiet(sid)
    assert await house.said(sid) == before


async def test_a_conversation_is_handed_to_a_colleague_with_a_note(house: House, grace: Visitor, ada: Visitor) -> None:
    sid = await with_grace(house)
    form = await grace.get(f"/app/c/{sid}/hand-over")
    assert re.findall(r'value="worker:([^"]+)"', form.text) == [ADA, ALAN]
    sent = {"to": f"worker:{ADA}", "note": "Wants a refund.", "token": token(form)}
    assert (await grace.post(f"/app/c/{sid}/hand-over", **sent)).leads_to == "/app?done=handed"

    async def is_adas() -> bool:
        return await house.identities(sid) == [ADA] and bool((await found(ada, "/app.json"))["conversations"])

    await house.until(is_adas)
    assert (await grace.get(f"/app/c/{sid}")).status == 404
    (note,) = (await found(ada, f"/app/c/{sid}.json"))["notes"]
    assert (note["author"], note["body"]) == (GRACE, "Wants a refund.")
    assert "Wants a refund." not in str(await house.said(sid))


async def test_a_long_note_goes_with_the_conversation_whole(house: House, grace: Visitor, ada: Visitor) -> None:
    sid = await with_grace(house)
    note = "Wants a refund. " * 100
    sent = {"to": f"worker:{ADA}", "note": note, "token": "token-0001"}
    assert (await grace.post(f"/app/c/{sid}/hand-over", **sent)).leads_to == "/app?done=handed"

    async def is_adas() -> bool:
        return await house.identities(sid) == [ADA]

    await house.until(is_adas)
    assert [one["body"] for one in (await found(ada, f"/app/c/{sid}.json"))["notes"]] == [note.strip()]
    assert (await ada.post(f"/app/c/{sid}/close", note=note, token="token-0002")).leads_to == "/app?done=closed"


@pytest.mark.parametrize(
    ("to", "state"), [("queue", "with_worker"), ("bot", "awaiting_choice"), ("flex", "with_worker")]
)
async def test_a_conversation_goes_to_the_queue_the_assistant_or_flex(
    house: House, grace: Visitor, to: str, state: str
) -> None:
    sid = await with_grace(house)
    await grace.post(f"/app/c/{sid}/hand-over", to=to, note="", token="token-0001")

    async def is_gone() -> bool:
        return GRACE not in await house.identities(sid)

    await house.until(is_gone)
    await house.state(sid, state)


async def test_nobody_is_handed_to_whom_the_form_did_not_offer(house: House, grace: Visitor) -> None:
    sid = await with_grace(house)
    assert (await grace.post(f"/app/c/{sid}/hand-over", to="moon", token="token-0001")).status == 422
    assert (await grace.post(f"/app/c/{sid}/hand-over", to="worker:eve@example.test", token="token-0002")).status == 404


async def test_each_form_has_a_twin_that_says_what_may_be_chosen(house: House, grace: Visitor) -> None:
    sid = await with_grace(house)
    handing = await found(grace, f"/app/c/{sid}/hand-over.json")
    adas, alans, *others = handing["choices"]
    assert adas == {"to": f"worker:{ADA}", "identity": ADA, "name": "Ada", "available": True}
    assert (alans["to"], alans["available"]) == (f"worker:{ALAN}", False)
    assert [one["to"] for one in others] == ["queue", "bot", "flex"]
    assert (handing["is_open"], handing["note_max"]) == (True, 2000)
    offered = re.findall(r'name="to" value="([^"]+)"', (await grace.get(f"/app/c/{sid}/hand-over")).text)
    assert offered == [one["to"] for one in handing["choices"]]
    closing = await found(grace, f"/app/c/{sid}/close.json")
    assert closing == {"conversation_sid": sid, "name": "Maria Sanchez", "is_open": True, "note_max": 2000}
    replies = await found(grace, f"/app/c/{sid}/replies.json")
    first = replies["groups"][0]["templates"][0]["content"]
    assert (first, replies["body_max"]) == ("Hello Maria Sanchez, this is Grace. How can I help you today?", 1600)
    picture = await found(grace, f"/app/c/{sid}/picture.json")
    assert (picture["max_bytes"], "image/png" in picture["types"]) == (5 * 1024 * 1024, True)
    other = await with_grace(house, SUSAN)
    assert (await found(grace, f"/app/c/{other}/picture.json"))["max_bytes"] == 16 * 1024 * 1024


async def test_the_forms_of_a_conversation_that_is_not_mine_have_no_twins(
    house: House, grace: Visitor, ada: Visitor
) -> None:
    sid = await with_grace(house)
    for form in ("hand-over", "close", "replies", "picture", "template"):
        theirs, nobodys = [await ada.get(f"/app/c/{one}/{form}.json") for one in (sid, NOBODYS)]
        assert (theirs.status, theirs.text) == (404, nobodys.text), form
        async with visiting(house.url) as stranger:
            assert (await stranger.get(f"/app/c/{sid}/{form}.json")).status == 401


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

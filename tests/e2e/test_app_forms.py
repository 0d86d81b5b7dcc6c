"""The forms of the worker's app over HTTP, without a script and with: messages, pictures, handing over."""

import json
import re
from io import BytesIO

import aiohttp
import pytest

from tests.e2e.conftest import House
from tests.e2e.phone import ADA, ALAN, GRACE, NOBODYS, SUSAN, found, token, with_grace
from tests.visitors import Visitor, visiting


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


async def test_who_hands_over_without_a_note_is_told_of_none(house: House, grace: Visitor) -> None:
    sid = await with_grace(house)
    handed = await grace.post(f"/app/c/{sid}/hand-over", to="queue", note=" ", token="token-0001")
    said = (await grace.get(str(handed.leads_to))).text
    assert ("Handed over." in said, "Your note" in said) == (True, False)


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

"""The template picker over HTTP: offered where WhatsApp takes nothing else, sent once, and nothing typed is lost."""

import json
import re
from collections.abc import AsyncIterator
from html import unescape

import pytest

from orchestrator.sandbox import seeds
from tests.e2e.conftest import House
from tests.e2e.doors import CREDENTIALS, WORKSPACE
from tests.e2e.phone import ADA, GRACE, SUSAN, found, token, with_grace
from tests.e2e.test_window import TEMPLATE, TEMPLATES, a_day_passes
from tests.visitors import SECRET, Visitor, add_person, visiting

HELLO = seeds.TEMPLATES["hello"][0]
FILLED = {"template": "hello", "gap-1": "Susan", "gap-2": "Grace"}


@pytest.fixture
async def grace(bare_house: House) -> AsyncIterator[Visitor]:
    async with visiting(bare_house.url) as visitor:
        yield visitor


async def closed(house: House, grace: Visitor, **variables: str) -> str:
    """A WhatsApp conversation of Grace's whose customer was last heard of a day ago."""
    await house.start(**variables)
    await grace.tap(GRACE)
    sid = await with_grace(house, SUSAN)
    await a_day_passes(house, sid)
    return sid


async def sent(house: House, sid: str) -> list[tuple[str, str]]:
    """The templates Twilio was given, with what stands in their gaps."""
    await house.quiet(sid)
    forms = [
        entry["form"] for entry in await house.ledger() if "ContentSid" in entry["form"] and entry["status"] == 201
    ]
    return [(form["ContentSid"], form["ContentVariables"]) for form in forms]


async def test_it_is_offered_where_the_window_is_closed_and_only_there(bare_house: House, grace: Visitor) -> None:
    sid = await closed(bare_house, grace)
    other = await with_grace(bare_house, "+15550100001")
    for one, is_closed in ((sid, True), (other, False)):
        page = (await grace.get(f"/app/c/{one}")).text
        assert (f'href="/app/c/{one}/template"' in page, '<div id="writing" hidden>' in page) == (is_closed, is_closed)
        assert (await found(grace, f"/app/c/{one}.json"))["is_window_closed"] is is_closed
    await bare_house.say(SUSAN, "Here I am", channel="whatsapp")

    async def is_open() -> bool:
        return not (await found(grace, f"/app/c/{sid}.json"))["is_window_closed"]

    await bare_house.until(is_open)
    assert f'href="/app/c/{sid}/template"' not in (await grace.get(f"/app/c/{sid}")).text


async def test_its_twin_says_what_may_be_chosen_with_both_names(bare_house: House, grace: Visitor) -> None:
    sid = await closed(bare_house, grace)
    told = await found(grace, f"/app/c/{sid}/template.json")
    assert told["is_window_closed"] is True
    hello, order = told["templates"]
    assert (hello["name"], hello["text"]) == ("hello", "Hello {{1}}, this is {{2}}. Do you have a moment?")
    assert [gap["value"] for gap in hello["gaps"]] == ["Susan Leclerc", "Grace"]
    assert [gap["value"] for gap in order["gaps"]] == ["Susan Leclerc", "", ""]
    page = await grace.get(f"/app/c/{sid}/template")
    assert f'href="/app/c/{sid}/template.json"' in page.text


async def test_it_is_sent_once_and_stands_in_the_thread_at_once(bare_house: House, grace: Visitor) -> None:
    sid = await closed(bare_house, grace)
    await bare_house.post("/sandbox/faults", {"errors": {"429": 1}}, "PUT")
    drawn = token(await grace.get(f"/app/c/{sid}/template"))
    for _twice in range(2):
        answer = await grace.post(f"/app/c/{sid}/template", **FILLED, token=drawn)
        assert (answer.status, answer.leads_to) == (303, f"/app/c/{sid}")
    last = (await found(grace, f"/app/c/{sid}.json"))["messages"][-1]
    assert (last["author"], last["body"], last["status"]) == (GRACE, "[hello] Susan, Grace", "sending")
    await grace.post(f"/app/c/{sid}/template", **FILLED | {"gap-1": "Sue"}, token="another-token")
    await bare_house.post("/sandbox/faults", {}, "PUT")
    assert await sent(bare_house, sid) == [
        (HELLO, '{"1":"Susan","2":"Grace"}'),
        (HELLO, '{"1":"Sue","2":"Grace"}'),
    ]

    async def is_delivered() -> bool:
        last = (await found(grace, f"/app/c/{sid}.json"))["messages"][-1]
        return bool((last["body"], last["status"]) == ("[hello] Sue, Grace", "delivered"))

    await bare_house.until(is_delivered)


@pytest.mark.parametrize(
    ("fields", "status", "says"),
    [
        ({"gap-2": " "}, 422, "Fill in gap 2 (worker name)."),
        ({"gap-2": "x" * 1024}, 422, "This is too long for a template: 1,024 characters are the most."),
        ({"gap-2": "a\x00b"}, 422, "This text holds a NUL character. Write it again."),
        ({"token": ""}, 422, "The form is incomplete; reload the page and try again."),
        ({"template": "other"}, 404, "There is no such template any more. Choose another one."),
    ],
)
async def test_what_is_wrong_is_said_and_what_was_typed_stays(
    bare_house: House, grace: Visitor, fields: dict[str, str], status: int, says: str
) -> None:
    sid = await closed(bare_house, grace)
    typed = FILLED | {"gap-1": "<Süsan>", "token": "token-0001"} | fields
    answer = await grace.post(f"/app/c/{sid}/template", **typed)
    assert (answer.status, answer.problem) == (status, says)
    if "template" not in fields:
        assert 'value="<Süsan>"' in unescape(answer.text)
        assert "<Süsan>" not in answer.text
    script = await grace.ask(
        "POST", f"/app/c/{sid}/template", typed | {"csrf": grace.csrf}, Origin=grace.url, X_Fragment="post"
    )
    assert (script.status, json.loads(script.text)) == (status, {"error": says})
    assert await sent(bare_house, sid) == []


async def test_lines_become_one_for_whatsapp_takes_no_other(bare_house: House, grace: Visitor) -> None:
    sid = await closed(bare_house, grace)
    await grace.post(f"/app/c/{sid}/template", **FILLED | {"gap-1": "Susan\r\nLeclerc"}, token="token-0001")
    assert await sent(bare_house, sid) == [(HELLO, '{"1":"Susan Leclerc","2":"Grace"}')]


async def test_one_whose_text_nobody_tells_is_sent_all_the_same(bare_house: House, grace: Visitor) -> None:
    sid = await closed(bare_house, grace, **TEMPLATES)
    page = await grace.get(f"/app/c/{sid}/template")
    assert "Twilio does not say now what it reads." in page.text
    (one,) = (await found(grace, f"/app/c/{sid}/template.json"))["templates"]
    assert one == {"name": "order_ready", "text": None, "gaps": []}
    fields = {"template": "order_ready", "values": "Susan\n\n A-7 ", "token": token(page)}
    assert (await grace.post(f"/app/c/{sid}/template", **fields)).status == 303
    assert await sent(bare_house, sid) == [(TEMPLATE, '{"1":"Susan","2":"A-7"}')]


async def test_without_any_it_says_what_an_administrator_must_set(bare_house: House) -> None:
    await bare_house.start(**CREDENTIALS, TWILIO_API_URL=bare_house.sandbox.url, **WORKSPACE)
    await add_person(bare_house.service, ADA)
    async with visiting(bare_house.url) as ada:
        await ada.sign_in(ADA, SECRET)
        sid = await bare_house.say(SUSAN, f"{ADA} please")
        await bare_house.state(sid, "with_worker")
        page = await ada.get(f"/app/c/{sid}/template")
        assert re.search(r'id="none">No template is set up here\..*WHATSAPP_TEMPLATES=order_ready=HX', page.text)
        assert (await found(ada, f"/app/c/{sid}/template.json"))["templates"] == []


async def test_nobody_elses_conversation_takes_one(bare_house: House, grace: Visitor) -> None:
    sid = await closed(bare_house, grace)
    async with visiting(bare_house.url) as ada:
        await ada.tap(ADA)
        for path in (f"/app/c/{sid}/template", f"/app/c/{sid}/template.json"):
            assert (await ada.get(path)).status == 404
        assert (await ada.post(f"/app/c/{sid}/template", **FILLED, token="token-0001")).status == 404
    assert await sent(bare_house, sid) == []

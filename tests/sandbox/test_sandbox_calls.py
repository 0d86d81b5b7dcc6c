"""A call that waits for what somebody presses: each answer leads on to the next choice, and it ends once."""

from typing import Any

import pytest
from aiohttp import web
from parties import Control, Service

CALLER = "+15550100001"
MENU = """<Response><Say>Welcome.</Say><Gather action="{url}/choice"><Say>Press 1.</Say></Gather>
<Say>Nothing was pressed.</Say></Response>"""
DIAL = (
    """<Response><Dial action="{url}/ended" callerId="+15550100999"><Number>+15550100555</Number></Dial></Response>"""
)


@pytest.fixture
def speaks(service: Service) -> Service:
    """A service with a menu, behind which a worker is rung."""
    documents = {"/voice": MENU, "/choice": DIAL, "/ended": "<Response><Say>Goodbye.</Say><Hangup/></Response>"}
    for path, document in documents.items():
        text = document.format(url=service.url)
        service.answers[path] = lambda text=text: web.Response(text=text, content_type="text/xml")  # type: ignore[misc]
    return service


async def begun(control: Control) -> Any:
    status, call = await control.call("POST", "/sandbox/calls", {"from": CALLER})
    assert status == 201
    return call


async def go_on(control: Control, call: Any, **act: Any) -> Any:
    return await control.call("POST", f"/sandbox/calls/{call['call_sid']}", act)


def statuses(service: Service) -> list[str]:
    """What the status callback was told."""
    return [heard.form["CallDuration"] for heard in service.heard if heard.path == "/voice/status"]


async def test_a_key_a_telephone_that_is_taken_and_the_end(control: Control, speaks: Service) -> None:
    call = await begun(control)
    assert (call["said"], call["waits_for"]) == (["Welcome.", "Press 1."], "digits")
    _, call = await go_on(control, call, press="1")
    assert (call["waits_for"], call["dialed"][0]["to"]) == ("dial", "+15550100555")
    assert speaks.heard[-1].form["Digits"] == "1"
    _, call = await go_on(control, call, dial="completed")
    assert (call["said"][-1], call["waits_for"], call["error"]) == ("Goodbye.", None, None)
    ended = next(heard.form for heard in speaks.heard if heard.path == "/ended")
    assert (ended["DialCallStatus"], ended["DialCallDuration"]) == ("completed", "60")
    assert statuses(speaks) == ["65"]
    assert (await go_on(control, call, press="1"))[0] == 404


async def test_nothing_is_pressed_and_what_stands_behind_the_menu_is_heard(control: Control, speaks: Service) -> None:
    _, call = await go_on(control, await begun(control), press=None)
    assert (call["said"][-1], call["waits_for"]) == ("Nothing was pressed.", None)
    assert statuses(speaks) == ["5"]


async def test_whoever_hangs_up_is_told_of_once(control: Control, speaks: Service) -> None:
    call = await begun(control)
    assert (await go_on(control, call, hang_up=True))[1]["waits_for"] is None
    assert (await go_on(control, call, hang_up=True))[0] == 404
    assert statuses(speaks) == ["5"]


@pytest.mark.parametrize(
    "act",
    [
        {},
        {"press": "1", "hang_up": True},
        {"press": ""},
        {"press": "a"},
        {"press": 1},
        {"press": "1" * 33},
        {"hang_up": False},
        {"dial": "completed"},
        {"dial": "ringing"},
        {"digits": "1"},
    ],
    ids=str,
)
async def test_what_cannot_be_done_now_is_refused_and_the_call_waits_on(
    control: Control, speaks: Service, act: dict[str, Any]
) -> None:
    call = await begun(control)
    heard = len(speaks.heard)
    status, refusal = await go_on(control, call, **act)
    assert (status, bool(refusal["error"])) == (400, True)
    assert len(speaks.heard) == heard
    assert (await go_on(control, call, press="1"))[1]["waits_for"] == "dial"


@pytest.mark.parametrize("path", ["CA" + "0" * 32, "x", "%00"])
async def test_a_call_nobody_knows_is_not_found(control: Control, path: str) -> None:
    assert (await control.call("POST", f"/sandbox/calls/{path}", {"press": "1"}))[0] == 404


async def test_a_reset_forgets_who_is_calling(control: Control, speaks: Service) -> None:
    call = await begun(control)
    await control.call("POST", "/sandbox/reset", {})
    assert (await go_on(control, call, press="1"))[0] == 404
    assert statuses(speaks) == []


async def test_a_call_that_was_left_lying_makes_room_for_new_ones(control: Control, speaks: Service) -> None:
    first = await begun(control)
    last = [await begun(control) for _ in range(100)][-1]
    assert (await go_on(control, first, press="1"))[0] == 404
    assert (await go_on(control, last, press="1"))[0] == 200

"""The control API's calls: one whose caller acts by a script, and one that waits for what somebody presses."""

from dataclasses import dataclass

from aiohttp import web

from orchestrator.sandbox import calling, seeds
from orchestrator.sandbox.calling import DIAL_STATUSES
from orchestrator.sandbox.control_requests import fields_of
from orchestrator.sandbox.errors import BadInput, not_found
from orchestrator.sandbox.inputs import Fields
from orchestrator.sandbox.records import Call
from orchestrator.sandbox.sandbox import Sandbox, sandbox_of
from orchestrator.sandbox.world import new_sid

_DIGITS = frozenset("0123456789*#")
_DIGITS_MAX = 32
_TALK_S = 60
_KEPT = 100


def add_routes(app: web.Application) -> None:
    """Add the routes of this module."""
    app.router.add_post("/sandbox/call", by_script)
    app.router.add_post("/sandbox/calls", begin)
    app.router.add_post("/sandbox/calls/{call}", go_on)


@dataclass(slots=True)
class _Script:
    """What a caller does. `digits`: what he presses at each <Gather>, None for nothing; `hangs_up`: he leaves at the
    first one he has no digits for; `dial`: how a <Dial> ends, after `duration_s`."""

    digits: list[str | None]
    hangs_up: bool
    dial: str
    duration_s: int


async def by_script(request: web.Request) -> web.Response:
    """A customer calls; what he heard, when the call is over."""
    fields, sandbox = await fields_of(request), sandbox_of(request)
    fields.only("from", "to", "digits", "hang_up", "dial", "duration")
    call, script = _call_of(fields), _script_of(fields)
    await calling.ring(sandbox, call)
    while call.waiting is not None:
        await _as_written(sandbox, call, script)
    return web.json_response(call.shape(), status=201)


async def _as_written(sandbox: Sandbox, call: Call, script: _Script) -> None:
    if call.waits_for == "dial":
        await calling.end_dial(sandbox, call, script.dial, script.duration_s)
    elif not script.digits and script.hangs_up:
        await calling.hang_up(sandbox, call)
    else:
        await calling.press(sandbox, call, script.digits.pop(0) if script.digits else None)


async def begin(request: web.Request) -> web.Response:
    """A customer calls; what he hears up to his first choice."""
    fields, sandbox = await fields_of(request), sandbox_of(request)
    fields.only("from", "to")
    call = _call_of(fields)
    # Who walks away from a call leaves it here; the oldest are forgotten, as if the line had died.
    while len(sandbox.calls) >= _KEPT:
        sandbox.calls.pop(next(iter(sandbox.calls)))
    sandbox.calls[call.sid] = call
    await calling.ring(sandbox, call)
    return _told(sandbox, call, 201)


async def go_on(request: web.Request) -> web.Response:
    """Somebody presses something (`press`, null for nothing), takes the call or not (`dial`), or leaves (`hang_up`);
    what is heard then, up to the next choice."""
    fields, sandbox = await fields_of(request), sandbox_of(request)
    fields.only("press", "dial", "hang_up")
    if len(fields.values) != 1:
        raise BadInput("one of press, dial and hang_up is expected")
    call = sandbox.calls.get(request.match_info["call"])
    if call is None:
        raise not_found(request.match_info["call"])
    await _as_wanted(sandbox, call, fields)
    return _told(sandbox, call, 200)


async def _as_wanted(sandbox: Sandbox, call: Call, fields: Fields) -> None:
    if "hang_up" in fields.values:
        if not fields.flag("hang_up"):
            raise BadInput("hang_up must be true")
        await calling.hang_up(sandbox, call)
    elif "dial" in fields.values:
        status = _dial_status(fields)
        _must_wait_for(call, "dial")
        await calling.end_dial(sandbox, call, status, _TALK_S)
    else:
        pressed = _pressed(fields)
        _must_wait_for(call, "digits")
        await calling.press(sandbox, call, pressed)


def _must_wait_for(call: Call, what: str) -> None:
    if call.waits_for != what:
        raise BadInput(f"the call does not wait for {what} now")


def _told(sandbox: Sandbox, call: Call, status: int) -> web.Response:
    if call.is_over:
        sandbox.calls.pop(call.sid, None)
    return web.json_response(call.shape(), status=status)


def _call_of(fields: Fields) -> Call:
    return Call(new_sid("CA"), fields.text("from"), fields.optional_text("to") or seeds.NUMBERS["sms"])


def _script_of(fields: Fields) -> _Script:
    digits = fields.items("digits")
    if not all(pressed is None or (isinstance(pressed, str) and pressed) for pressed in digits):
        raise BadInput("digits must be strings, or null where nothing is pressed")
    duration = fields.values.get("duration", _TALK_S)
    if type(duration) is not int or not 0 <= duration <= 86_400:
        raise BadInput("duration must be seconds from 0 to 86400")
    return _Script(digits, "hang_up" in fields.values and fields.flag("hang_up"), _dial_status(fields), duration)


def _dial_status(fields: Fields) -> str:
    status = fields.optional_text("dial") or "completed"
    if status not in DIAL_STATUSES:
        raise BadInput(f"dial must be one of {', '.join(DIAL_STATUSES)}")
    return status


def _pressed(fields: Fields) -> str | None:
    pressed = fields.optional_text("press")
    if pressed is not None and not (0 < len(pressed) <= _DIGITS_MAX and _DIGITS.issuperset(pressed)):
        raise BadInput(f"press must be at most {_DIGITS_MAX} of 0 to 9, * and #, or null")
    return pressed

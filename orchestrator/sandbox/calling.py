"""Calls: the sandbox rings, and follows what it is told in TwiML, as Twilio does with a caller who acts by a script.

Played are <Say>, <Pause>, <Gather>, <Redirect>, <Dial> and <Hangup>, in order; a document that <Gather> or <Dial> leads
to takes the place of the one before. What is no TwiML, or no 200, is the error tone that a caller would hear. (Twilio
Docs, "TwiML for Programmable Voice".)
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from orchestrator.sandbox import seeds
from orchestrator.sandbox.errors import BadInput
from orchestrator.sandbox.inputs import Fields
from orchestrator.sandbox.sandbox import Sandbox
from orchestrator.sandbox.world import new_sid

DIAL_STATUSES = ("completed", "busy", "no-answer", "failed", "canceled")
_DOCUMENTS_MAX = 20
Document = Iterator[ElementTree.Element]


class _HungUp(Exception):
    """The call is over."""


@dataclass(slots=True)
class Call:
    """A call, what its caller does, and what he hears. `digits`: what he presses at each <Gather>, None for nothing;
    `hangs_up`: he leaves at the first one he has no digits for; `dial`: how a <Dial> ends, after `duration_s`."""

    caller: str
    called: str
    digits: list[str | None]
    hangs_up: bool
    dial: str
    duration_s: int
    sid: str = field(default_factory=lambda: new_sid("CA"))
    said: list[str] = field(default_factory=list)
    dialed: list[dict[str, str | None]] = field(default_factory=list)
    error: str | None = None

    def shape(self) -> dict[str, Any]:
        """The call as the control API tells it."""
        return {"call_sid": self.sid, "said": self.said, "dialed": self.dialed, "error": self.error}


def call_of(fields: Fields) -> Call:
    """A call as the control API is asked for it."""
    fields.only("from", "to", "digits", "hang_up", "dial", "duration")
    digits = fields.items("digits")
    if not all(pressed is None or (isinstance(pressed, str) and pressed) for pressed in digits):
        raise BadInput("digits must be strings, or null where nothing is pressed")
    dial, duration = fields.optional_text("dial") or "completed", fields.values.get("duration", 60)
    if dial not in DIAL_STATUSES:
        raise BadInput(f"dial must be one of {', '.join(DIAL_STATUSES)}")
    if type(duration) is not int or not 0 <= duration <= 86_400:
        raise BadInput("duration must be seconds from 0 to 86400")
    called, hangs_up = fields.optional_text("to") or seeds.NUMBERS["sms"], "hang_up" in fields.values
    return Call(fields.text("from"), called, digits, hangs_up and fields.flag("hang_up"), dial, duration)


async def play(sandbox: Sandbox, call: Call) -> None:
    """Ring, do what the caller does, and tell the status callback when it is over."""
    targets = sandbox.webhooks.targets.voice
    if not targets.url or targets.application_sid:
        call.error = "nobody answers: the number has no voice URL, or an application's"
        return
    document = await _asked(sandbox, call, targets.url, {"CallStatus": "ringing"})
    try:
        for _ in range(_DOCUMENTS_MAX):
            document = await _played(sandbox, call, document)
    except _HungUp:
        pass
    talked = call.duration_s if call.dialed and call.dial == "completed" else 0
    told = {"CallStatus": "completed", "CallDuration": str(talked + 5)}
    if targets.status_callback:
        await sandbox.webhooks.voice(targets.status_callback, _pairs(call, told))


async def _played(sandbox: Sandbox, call: Call, document: Document) -> Document:
    """Do what a document says, until it leads to another. Raises _HungUp at its end."""
    for verb in document:
        match verb.tag:
            case "Say":
                call.said.append(verb.text or "")
            case "Gather":
                call.said += [said.text or "" for said in verb.iter("Say")]
                pressed = _pressed(call)
                if pressed is not None:
                    return await _asked(sandbox, call, verb.attrib["action"], {"Digits": pressed})
            case "Redirect":
                return await _asked(sandbox, call, verb.text or "", {})
            case "Dial":
                return await _asked(sandbox, call, verb.attrib["action"], _dialed(call, verb))
            case "Pause":
                pass
            case _:
                raise _HungUp
    raise _HungUp


def _pressed(call: Call) -> str | None:
    if call.digits:
        return call.digits.pop(0)
    if call.hangs_up:
        raise _HungUp
    return None


def _dialed(call: Call, verb: ElementTree.Element) -> dict[str, str]:
    """Ring whom a <Dial> names; what its action is told."""
    for noun in verb:
        call.dialed.append({"noun": noun.tag, "to": noun.text, "caller_id": verb.get("callerId")})
    told = {"DialCallSid": new_sid("CA"), "DialCallStatus": call.dial}
    return told | ({"DialCallDuration": str(call.duration_s)} if call.dial == "completed" else {})


async def _asked(sandbox: Sandbox, call: Call, url: str, told: dict[str, str]) -> Document:
    """Ask for the next document."""
    status, body = await sandbox.webhooks.voice(url, _pairs(call, {"CallStatus": "in-progress"} | told))
    try:
        # The service is the one that this sandbox was started for.
        root = ElementTree.fromstring(body) if status == 200 else None  # noqa: S314
    except ElementTree.ParseError:
        root = None
    if root is None or root.tag != "Response":
        call.error = f"{url} was answered {status}, and not with TwiML"
        return iter(())
    return iter(root)


def _pairs(call: Call, told: dict[str, str]) -> list[tuple[str, str]]:
    """The form of a voice webhook."""
    common = {
        "CallSid": call.sid,
        "AccountSid": seeds.ACCOUNT_SID,
        "From": call.caller,
        "To": call.called,
        "Direction": "inbound",
        "ApiVersion": "2010-04-01",
    }
    return list((common | told).items())

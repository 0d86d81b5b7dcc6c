"""Calls: the sandbox rings, follows what it is told in TwiML, as Twilio does, and waits where somebody has a choice.

Played are <Say>, <Pause>, <Gather>, <Redirect>, <Dial> and <Hangup>, in order; a document that <Gather> or <Dial> leads
to takes the place of the one before. What is no TwiML, or no 200, is the error tone that a caller would hear. (Twilio
Docs, "TwiML for Programmable Voice".)
"""

from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree

from orchestrator.sandbox import seeds
from orchestrator.sandbox.records import Call
from orchestrator.sandbox.sandbox import Sandbox
from orchestrator.sandbox.world import new_sid

DIAL_STATUSES: Final = ("completed", "busy", "no-answer", "failed", "canceled")
_DOCUMENTS_MAX = 20


async def ring(sandbox: Sandbox, call: Call) -> None:
    """Begin a call, up to the first choice."""
    targets = sandbox.webhooks.targets.voice
    if not targets.url or targets.application_sid:
        call.error = "nobody answers: the number has no voice URL, or an application's"
        call.is_over = True
        return
    await _go_to(sandbox, call, targets.url, {"CallStatus": "ringing"})


async def press(sandbox: Sandbox, call: Call, digits: str | None) -> None:
    """The caller presses something at a <Gather>, or nothing: what stands behind it follows then."""
    assert call.waiting is not None
    action, call.waiting = call.waiting.attrib["action"], None
    if digits is None:
        await _play_on(sandbox, call)
    else:
        await _go_to(sandbox, call, action, {"Digits": digits})


async def end_dial(sandbox: Sandbox, call: Call, status: str, duration_s: int) -> None:
    """Whoever is rung talks for so long, or does not take the call."""
    assert call.waiting is not None
    action, call.waiting = call.waiting.attrib["action"], None
    told = {"DialCallSid": new_sid("CA"), "DialCallStatus": status}
    if status == "completed":
        call.talked_s = duration_s
        told["DialCallDuration"] = str(duration_s)
    await _go_to(sandbox, call, action, told)


async def hang_up(sandbox: Sandbox, call: Call) -> None:
    """The call is over, once; the status callback is told."""
    call.waiting = None
    if call.is_over:
        return
    call.is_over = True
    callback = sandbox.webhooks.targets.voice.status_callback
    if callback:
        told = {"CallStatus": "completed", "CallDuration": str(call.talked_s + 5)}
        await sandbox.webhooks.voice(callback, _pairs(call, told))


async def _go_to(sandbox: Sandbox, call: Call, url: str, told: dict[str, str]) -> None:
    """Do what another document says."""
    call.documents += 1
    if call.documents > _DOCUMENTS_MAX:
        await hang_up(sandbox, call)
        return
    call.document = await _asked(sandbox, call, url, told)
    await _play_on(sandbox, call)


async def _play_on(sandbox: Sandbox, call: Call) -> None:
    """Do what is left of a document, up to a choice, another document or the end."""
    for verb in call.document if not call.is_over else ():
        match verb.tag:
            case "Say":
                call.said.append(verb.text or "")
            case "Pause":
                pass
            case "Redirect":
                return await _go_to(sandbox, call, verb.text or "", {})
            case "Gather":
                call.said += [said.text or "" for said in verb.iter("Say")]
                call.waiting = verb
                return None
            case "Dial":
                rung = [{"noun": noun.tag, "to": noun.text, "caller_id": verb.get("callerId")} for noun in verb]
                call.dialed += rung
                call.waiting = verb
                return None
            case _:
                break
    return await hang_up(sandbox, call)


async def _asked(sandbox: Sandbox, call: Call, url: str, told: dict[str, str]) -> Iterator[ElementTree.Element]:
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

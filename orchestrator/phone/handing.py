"""Handing a conversation over, to a colleague, the queue, the assistant or Flex, and closing it."""

import secrets
from dataclasses import asdict, dataclass
from typing import Any, Final

import structlog
from aiohttp import web

from orchestrator import asking
from orchestrator.callbacks import name_of
from orchestrator.errors import EffectError
from orchestrator.pages.rendering import answer_json, render
from orchestrator.pages.words import line
from orchestrator.phone.conversation import leave_note, own_conversation
from orchestrator.phone.desk import REASON_MAX, Desk, Refused, done, field, token_of
from orchestrator.phone.views import customer_name
from states.conversation import Conversation

log = structlog.get_logger()
COLLEAGUE: Final = "worker:"
NO_REASON: Final = "No note was left."


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody a conversation can be handed to. `available`: None where TaskRouter does not say."""

    identity: str
    name: str
    available: bool | None


async def hand_over_form(desk: Desk) -> web.StreamResponse:
    """Whom to: colleagues, those who are available first, the queue, or the assistant."""
    conversation = await own_conversation(desk)
    return render(
        desk.request,
        "phone/hand_over.html",
        sid=conversation.sid,
        name=customer_name(conversation),
        colleagues=await _colleagues(desk),
        has_flex=desk.service.acts.has_flex,
        act_token=secrets.token_urlsafe(16),
    )


async def hand_over_twin(desk: Desk) -> web.StreamResponse:
    """/app/c/{sid}/hand-over.json: what may be given as `to`, and of each colleague what the form says of him."""
    conversation = await own_conversation(desk)
    colleagues = [{"to": COLLEAGUE + one.identity} | asdict(one) for one in await _colleagues(desk)]
    others = ["queue", "bot", *(["flex"] if desk.service.acts.has_flex else [])]
    return answer_json(_form_json(conversation) | {"choices": [*colleagues, *({"to": to} for to in others)]})


async def hand_over(desk: Desk) -> web.StreamResponse:
    """Hand it over. The note is the reason, and stays with the conversation, whole, for who comes next."""
    sid = await desk.own(desk.request.match_info["sid"])
    token = await token_of(desk.request)
    to = await field(desk.request, "to", 300, "Choose whom to hand the conversation to.")
    note = await field(desk.request, "note", REASON_MAX)
    await _hand(desk, sid, to, _reason(note, NO_REASON), token)
    if note:
        await leave_note(desk, sid, note)
    return done(desk.request, f"/app?done={'handed' if note else 'passed'}")


async def _hand(desk: Desk, sid: str, to: str, reason: str, token: str) -> None:
    acts = desk.service.acts
    if to == "queue":
        await acts.hand_to_queue(sid, desk.person, reason, token)
    elif to == "bot":
        await acts.hand_to_bot(sid, desk.person, reason, token)
    elif to == "flex":
        await acts.hand_to_flex(sid, desk.person, reason, token)
    elif to.startswith(COLLEAGUE):
        await acts.hand_to_worker(sid, desk.person, to.removeprefix(COLLEAGUE), reason, token)
    else:
        raise Refused(422, "Choose a colleague, the queue or the assistant.")


async def close_form(desk: Desk) -> web.StreamResponse:
    """Whether to close, asked once."""
    conversation = await own_conversation(desk)
    name, token = customer_name(conversation), secrets.token_urlsafe(16)
    return render(desk.request, "phone/close.html", sid=conversation.sid, name=name, act_token=token)


async def close_twin(desk: Desk) -> web.StreamResponse:
    """/app/c/{sid}/close.json."""
    return answer_json(_form_json(await own_conversation(desk)))


async def close(desk: Desk) -> web.StreamResponse:
    """Close it for good."""
    sid = await desk.own(desk.request.match_info["sid"])
    reason = _reason(await field(desk.request, "note", REASON_MAX), "The worker closed it.")
    await desk.service.acts.close(sid, desk.person, reason, await token_of(desk.request))
    return done(desk.request, "/app?done=closed")


def _form_json(conversation: Conversation) -> dict[str, Any]:
    """What both forms are about. A conversation that is closed is neither closed nor handed over."""
    return {
        "conversation_sid": conversation.sid,
        "name": customer_name(conversation),
        "is_open": conversation.state != "closed",
        "note_max": REASON_MAX,
    }


def _reason(note: str, otherwise: str) -> str:
    """A note as the audit log keeps it, which takes fewer characters."""
    return line(note, asking.REASON_MAX) or otherwise


async def _colleagues(desk: Desk) -> list[Colleague]:
    """Everybody else who works here, by name; where TaskRouter answers, those who are available first."""
    directory = desk.service.directory
    free: set[str] | None = None
    try:
        free = {worker.identity.casefold() for worker in await directory.available()}
    except EffectError as error:
        log.warning("availability_unknown", reason=type(error).__name__)
    others = [
        worker.identity for worker in directory.everyone() if worker.identity.casefold() != desk.identity.casefold()
    ]
    found = [Colleague(who, name_of(who), None if free is None else who.casefold() in free) for who in others]
    return sorted(found, key=lambda one: (not one.available, one.name, one.identity))

"""What Twilio asks during a call, and what it is answered: the menu, the choice, the end of what was put through.

A caller hears every answer, so each is a calm sentence, whatever happened; what cannot be stored now is told again by
the status callback at the end of the call, which is answered 503 then. Asked is the store, and for a second each the
CRM (who calls) and TaskRouter (whether the worker is there). (Twilio Docs, "TwiML Voice: request parameters".)
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
from aiohttp import web

from orchestrator.answering import answered
from orchestrator.bodies import Form
from orchestrator.errors import CrmUnavailable, EffectError, MalformedWebhook
from orchestrator.looker import CALL
from orchestrator.people.rights import TWILIO, used_by
from orchestrator.ports import Worker
from orchestrator.service import SERVICE, Service
from orchestrator.verified import verified_form
from orchestrator.voice import callers, calls, twiml, words
from states.calls import ENDED, Call, Outcome
from states.customers import Customer
from storage.failpoints import reached
from storage.unit import Unit

log = structlog.get_logger()

# Twilio waits 15 s for a document; nobody wants to hear silence for as long.
STORE_LIMIT_S = 4.0
LOOK_UP_LIMIT_S = 1.0
TALK = "1"
_OUTCOMES: Final[dict[str, Outcome]] = {
    "completed": "answered",
    "answered": "answered",
    "no-answer": "no_answer",
    "busy": "busy",
    "failed": "failed",
    "canceled": "canceled",
}
_FINAL: Final = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})

T = TypeVar("T")


class _NotKept(Exception):
    """The store did not take it."""


async def voice(request: web.Request) -> web.Response:
    """Somebody calls: his choice, where there is one."""
    form, service = await _form(request), request.app[SERVICE]
    call = _told(form)
    if not callers.can_be_written_to(call.caller):
        return _answer(twiml.goodbye(words.NUMBER_HIDDEN, words.ENGLISH))
    customer = await _customer(service, call.caller)
    language, owner = (
        words.language_of(customer, service.settings.bot_languages),
        None if customer is None else customer.worker,
    )
    customer_id = None if customer is None else customer.customer_id
    sender = callers.sender(call.caller, call.called, service.settings.proxy_numbers)
    among = callers.pairs(call.caller, sender)

    def work(unit: Unit) -> Call:
        last = callers.last_worker(unit, call.caller, customer_id, service.settings.last_worker_days)
        identity = callers.same_worker(unit, among, last, owner)
        begun = Call(call.call_sid, call.caller, call.called, identity, language)
        return calls.begin(unit, begun) if identity is not None else calls.over(unit, begun, "text")

    try:
        kept = await _commit(service, call, work)
    except _NotKept:
        return _answer(twiml.goodbye(words.TROUBLE, language))
    if kept.identity is None:
        return _answer(twiml.goodbye(words.NOBODY_YET, kept.language))
    return _answer(twiml.menu(kept, service.settings.public_url))


async def choice(request: web.Request) -> web.Response:
    """He chose, or said nothing, which is going on by text."""
    form, service = await _form(request), request.app[SERVICE]
    call, wants_to_talk = _told(form), form.get("Digits") == TALK
    try:
        known = await _commit(service, call, lambda unit: calls.stored(unit, call.call_sid)) or call
        worker = await _worker(service, known.identity) if wants_to_talk else None
        kept = await _commit(service, call, lambda unit: _chosen(unit, known, wants_to_talk, worker))
    except _NotKept:
        return _answer(twiml.goodbye(words.TROUBLE, words.ENGLISH))
    if kept.outcome is None and worker is not None and worker.rings_at is not None:
        return _answer(twiml.through(kept, worker.rings_at, service.settings.public_url))
    is_away = kept.outcome in ("away", "unreachable")
    return _answer(twiml.goodbye(words.AWAY if is_away else words.BY_TEXT, kept.language, kept.identity))


def _chosen(unit: Unit, call: Call, wants_to_talk: bool, worker: Worker | None) -> Call:
    if not wants_to_talk or call.identity is None:
        return calls.over(unit, call, "text")
    if worker is None or not worker.available:
        return calls.over(unit, call, "away")
    if worker.rings_at is None:
        return calls.over(unit, call, "unreachable")
    return calls.put_through(unit, call)


async def ended(request: web.Request) -> web.Response:
    """What was put through has ended, or was never taken."""
    form, service = await _form(request), request.app[SERVICE]
    call, outcome = _told(form), _OUTCOMES.get(form.get("DialCallStatus", ""), "failed")
    duration_s = form.integer("DialCallDuration", needed=False) or 0
    try:
        kept = await _commit(service, call, lambda unit: calls.over(unit, call, outcome, duration_s))
    except _NotKept:
        return _answer(twiml.hang_up() if outcome in ENDED else twiml.goodbye(words.TROUBLE, words.ENGLISH))
    if kept.outcome in ENDED:
        return _answer(twiml.hang_up())
    return _answer(twiml.goodbye(words.NOT_TAKEN, kept.language))


async def status(request: web.Request) -> web.Response:
    """The call is over for the caller. Nobody hears the answer: 204 once it is durable, else 503."""
    form, service = await _form(request), request.app[SERVICE]
    call, is_final = _told(form), form.need("CallStatus") in _FINAL
    is_ours = form.get("ParentCallSid") is None and form.get("Direction", "inbound") == "inbound"
    if not (is_final and is_ours and callers.can_be_written_to(call.caller)):
        return web.Response(status=204)
    duration_s = form.integer("CallDuration", needed=False) or 0
    try:
        await _commit(service, call, lambda unit: calls.left(unit, call, duration_s))
    except _NotKept as error:
        raise web.HTTPServiceUnavailable(headers={"Retry-After": "5"}) from error
    return web.Response(status=204)


def _told(form: Form) -> Call:
    """The call a request is about, as far as every request tells it."""
    call_sid = form.sid("CallSid")
    if not call_sid.startswith(CALL):
        raise MalformedWebhook("CallSid is no call's")
    return Call(call_sid, form.get("From", ""), form.need("To"))


async def _customer(service: Service, caller: str) -> Customer | None:
    """Who calls, if the CRM knows it in time."""
    try:
        async with asyncio.timeout(LOOK_UP_LIMIT_S):
            return await service.crm.find_by_address(caller)
    except (TimeoutError, CrmUnavailable):
        return None


async def _worker(service: Service, identity: str | None) -> Worker | None:
    """The worker as TaskRouter has him now, or as it was last heard."""
    if identity is None:
        return None
    try:
        async with asyncio.timeout(LOOK_UP_LIMIT_S):
            return await service.directory.find(identity)
    except (TimeoutError, EffectError):
        return service.directory.known(identity)


async def _commit(service: Service, call: Call, work: Callable[[Unit], T]) -> T:
    """Have the store do this; what falls due of it is a hint to the looker."""
    deadline = asyncio.get_running_loop().time() + STORE_LIMIT_S
    try:
        done = await service.writer.run(work, calls.about(call.call_sid, call.caller), deadline)
    except Exception as error:
        # Whatever it is, the caller must not hear an error tone.
        log.error("call_not_stored", call_sid=call.call_sid, error=type(error).__name__, reason=str(error))
        raise _NotKept from error
    reached("answer")
    service.intake.on_due(service.writer.now())
    return done


async def _form(request: web.Request) -> Form:
    settings = request.app[SERVICE].settings
    return await verified_form(request, settings.public_url, settings.twilio_account_sid, settings.signing_tokens)


def _answer(document: str) -> web.Response:
    return web.Response(text=document, content_type="text/xml")


def routes() -> list[web.RouteDef]:
    """The routes Twilio calls during a call."""
    handlers: dict[str, Callable[[web.Request], Awaitable[web.Response]]] = {
        "/voice": voice,
        "/voice/choice": choice,
        "/voice/ended": ended,
        "/voice/status": status,
    }
    return [web.post(path, used_by(TWILIO, answered(path, handler))) for path, handler in handlers.items()]

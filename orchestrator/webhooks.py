"""What Twilio tells us, and what we answer: pre-action and post-action webhooks, routing, TaskRouter events.

Twilio holds the customer's message until a pre-action webhook is answered, and throws it away on a 4xx or 5xx, so those
handlers wait for the store alone (and a second for a new conversation's name), and a store that cannot commit is no
reason to refuse. Every other 200 means: it is durable. (Twilio Docs, "Conversations Webhooks".)
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection

import structlog
from aiohttp import web

from orchestrator import callbacks
from orchestrator.answering import Handler, answered
from orchestrator.bodies import Form
from orchestrator.intake import Expected
from orchestrator.people.rights import TWILIO, used_by
from orchestrator.service import SERVICE, WORKERS, Service
from orchestrator.taking import Report, key_of
from orchestrator.told import fact_of, receipt_of
from orchestrator.verified import verified_form
from states.roles import is_channel_address
from storage import conversations
from storage.errors import StorageError
from storage.failpoints import reached

log = structlog.get_logger()

# Twilio waits five seconds; a store that has not committed by then has not. Longer than the database's own patience
# with a lock (storage.engine.BUSY_TIMEOUT_S), so that a lock that ends in time costs nobody his answer.
PRE_LIMIT_S = 1.8
POST_LIMIT_S = 4.0
NAME_LIMIT_S = 1.0


async def pre_event(request: web.Request) -> web.Response:
    """Let the action happen, having noted that there will be something to look for."""
    service = request.app[SERVICE]
    form = await _form(request)
    deadline = _in(PRE_LIMIT_S)
    expected, answer = await _announced(form, service)
    if expected is None:
        return web.json_response(answer)
    try:
        await service.intake.expect(expected, deadline)
    except Exception as error:
        # Whatever it is, a refusal would throw the customer's message away.
        told = {"error": type(error).__name__, "reason": str(error)}
        log.error("pre_event_not_stored", conversation_sid=expected.conversation_sid, **told)
        return web.json_response({})
    return web.json_response(answer)


async def _announced(form: Form, service: Service) -> tuple[Expected | None, dict[str, str]]:
    """What a pre-action event announces, and the fields to change."""
    match form.need("EventType"):
        case "onConversationAdd":
            return await _new_conversation(form, service)
        case "onMessageAdd":
            return _new_message(form, service), {}
        case _:
            return None, {}


async def _new_conversation(form: Form, service: Service) -> tuple[Expected | None, dict[str, str]]:
    address = form.get("MessagingBinding.Address")
    if address is None:
        return None, {}
    name = await service.crm.name_within(address, NAME_LIMIT_S)
    named = None if name is None else name[:256]
    expected = Expected(
        service_sid=form.sid("ChatServiceSid", needed=False),
        address=address,
        proxy_address=form.get("MessagingBinding.ProxyAddress"),
        friendly_name=named,
    )
    return expected, {} if named is None else {"friendly_name": named}


def _new_message(form: Form, service: Service) -> Expected | None:
    sid = form.sid("ConversationSid")
    author = form.need("Author")
    if not is_channel_address(author) and (author == "system" or service.directory.known(author) is not None):
        return None
    return Expected(conversation_sid=sid, service_sid=form.sid("ChatServiceSid", needed=False))


async def post_event(request: web.Request) -> web.Response:
    """Take a fact in; 200 once it is durable."""
    service = request.app[SERVICE]
    deadline = _in(POST_LIMIT_S)
    work = _accepted(await _form(request), service, deadline)
    if work is not None:
        await _commit(work)
    reached("answer")
    return web.Response()


def _accepted(form: Form, service: Service, deadline: float) -> Awaitable[object] | None:
    """The taking in of what is told, to be waited for; None where there is nothing to remember."""
    kind = form.need("EventType")
    fact = fact_of(kind, form)
    if fact is not None:
        sid = form.sid("ConversationSid")
        scope = form.sid("ChatServiceSid", needed=False)
        return service.intake.accept(Report(sid, key_of(fact, sid), fact, scope), deadline)
    if kind == "onConversationStateUpdated":
        sid, state = form.sid("ConversationSid"), form.need("StateTo")
        told = f"{kind}/{sid}/{state}/{form.get('StateUpdated', '')}"[:128]
        return service.intake.note(told, kind, sid, deadline)
    if kind == "onDeliveryUpdated":
        return _delivery(kind, form, service, deadline)
    return None


def _delivery(kind: str, form: Form, service: Service, deadline: float) -> Awaitable[object]:
    sid, status = form.sid("ConversationSid"), form.need("Status")
    name = form.sid("DeliveryReceiptSid", needed=False) or form.sid("MessageSid")
    key, receipt = f"{kind}/{name}/{status}"[:128], receipt_of(form)
    if receipt is None:
        return service.intake.note(key, kind, sid, deadline)
    return service.intake.deliver(receipt, key, deadline)


async def routing(request: web.Request) -> web.Response:
    """Frontline's custom routing: our own machine routes, so that it was told is all there is to note."""
    service = request.app[SERVICE]
    deadline = _in(POST_LIMIT_S)
    form = await _form(request)
    sid = form.sid("ConversationSid")
    await _commit(service.intake.note(f"routing/{sid}", "routing", sid, deadline))
    return web.Response()


async def taskrouter_event(request: web.Request) -> web.Response:
    """Somebody's availability or attributes changed: a hint to look, never the truth."""
    service = request.app[SERVICE]
    form = await _form(request)
    if form.need("EventType").startswith("worker."):
        service.writer.tell(WORKERS)
    return web.Response(status=204, content_type="application/json")


def _callback(answer: Callable[[Form, Service], Awaitable[tuple[int, object]]]) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        status, body = await answer(await _form(request), request.app[SERVICE])
        return web.json_response(body, status=status)

    return handler


async def _form(request: web.Request) -> Form:
    settings = request.app[SERVICE].settings
    return await verified_form(request, settings.public_url, settings.twilio_account_sid, settings.signing_tokens)


async def _taken(service: Service, address: str) -> Collection[str]:
    """Our senders that are in an open conversation with this customer."""
    try:
        return await service.reader.read(lambda connection: conversations.open_senders(connection, address))
    except StorageError as error:
        log.error("senders_not_read", error=type(error).__name__, reason=str(error))
        raise web.HTTPServiceUnavailable(headers={"Retry-After": "5"}) from error


def _in(seconds: float) -> float:
    """That long from now, by the loop's clock."""
    return asyncio.get_running_loop().time() + seconds


async def _commit(work: Awaitable[object]) -> None:
    """Wait for the store as long as Twilio waits for us; what is handed over is committed even if we say 503."""
    try:
        await work
    except (TimeoutError, StorageError) as error:
        log.error("webhook_not_stored", error=type(error).__name__, reason=str(error))
        raise web.HTTPServiceUnavailable(headers={"Retry-After": "5"}) from error


def routes() -> list[web.RouteDef]:
    """The routes Twilio calls."""
    handlers: dict[str, Handler] = {
        "/pre-event": pre_event,
        "/post-event": post_event,
        "/routing": routing,
        "/taskrouter-event": taskrouter_event,
        "/crm": _callback(lambda form, service: callbacks.crm(form, service.crm)),
        "/outbound": _callback(
            lambda form, service: callbacks.outbound(
                form, service.crm, service.settings.proxy_numbers, lambda address: _taken(service, address)
            )
        ),
        "/templates": _callback(lambda form, service: callbacks.templates(form, service.crm)),
    }
    return [web.post(path, used_by(TWILIO, answered(path, handler))) for path, handler in handlers.items()]

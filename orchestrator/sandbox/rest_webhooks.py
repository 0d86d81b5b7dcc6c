"""Webhooks of one conversation, for post-action events (Twilio Docs, "Conversation Scoped Webhook Resource")."""

from dataclasses import dataclass

from aiohttp import web

from orchestrator.sandbox import rules
from orchestrator.sandbox.delivery import POST_EVENTS, Scoped
from orchestrator.sandbox.errors import TwilioError, bad_parameter, not_found
from orchestrator.sandbox.forms import Form
from orchestrator.sandbox.paging import page_of
from orchestrator.sandbox.rest import Call, Reply, add_route
from orchestrator.sandbox.rest_conversations import conversation_of
from orchestrator.sandbox.shapes import Shape
from orchestrator.sandbox.world import new_sid

MOST = 5
_WEBHOOKS = "/v1/Conversations/{conversation}/Webhooks"
_URL, _METHOD, _FILTERS = "Configuration.Url", "Configuration.Method", "Configuration.Filters"
_NOT_SIMULATED = ("Configuration.Triggers", "Configuration.FlowSid", "Configuration.ReplayAfter")


@dataclass(frozen=True, slots=True)
class _Numbered:
    ordinal: int
    webhook: Scoped


def add_routes(app: web.Application) -> None:
    """Add the routes of this module."""
    add_route(app, "GET", _WEBHOOKS, listed)
    add_route(app, "POST", _WEBHOOKS, create)
    add_route(app, "GET", _WEBHOOKS + "/{webhook}", fetch)
    add_route(app, "POST", _WEBHOOKS + "/{webhook}", update)
    add_route(app, "DELETE", _WEBHOOKS + "/{webhook}", delete)


def listed(call: Call) -> Reply:
    """`GET …/Webhooks`."""
    query = call.query()
    page = page_of(
        [_Numbered(*row) for row in enumerate(_there(call))],
        lambda it: (0, it.ordinal),
        lambda it: _shape(it.webhook, call),
        "webhooks",
        call.url,
        query,
        max_size=MOST,
    )
    return Reply(200, page)


def create(call: Call) -> Reply:
    """`POST …/Webhooks`: an address on the web and the post-action events it wants."""
    form = _form(call, "Target", "Configuration.ReplayAfter")
    if form.require("Target") != "webhook":
        raise bad_parameter("Target must be webhook; others are not simulated by the sandbox")
    form.require(_URL)
    if not form.all(_FILTERS):
        raise TwilioError(50370, "Configuration.Filters are missing")
    there, now = _there(call), call.sandbox.world.now()
    if len(there) >= MOST:
        raise TwilioError(50361, f"A conversation has at most {MOST} webhooks")
    made = Scoped(new_sid("WH"), now, now)
    _set(made, form)
    there.append(made)
    return Reply(201, _shape(made, call))


def fetch(call: Call) -> Reply:
    """`GET …/Webhooks/{WH}`."""
    call.query()
    return Reply(200, _shape(_named(call), call))


def update(call: Call) -> Reply:
    """`POST …/Webhooks/{WH}`: what is named is replaced."""
    form, found = _form(call), _named(call)
    form.require_any()
    _set(found, form)
    found.updated = call.sandbox.world.now()
    return Reply(200, _shape(found, call))


def delete(call: Call) -> Reply:
    """`DELETE …/Webhooks/{WH}`."""
    call.form()
    _there(call).remove(_named(call))
    return Reply(204)


def _there(call: Call) -> list[Scoped]:
    return call.sandbox.webhooks.scoped.setdefault(conversation_of(call).sid, [])


def _named(call: Call) -> Scoped:
    found = next((it for it in _there(call) if it.sid == call.named("webhook")), None)
    if found is None:
        raise not_found(call.request.path)
    return found


def _form(call: Call, *names: str) -> Form:
    form = call.form(_URL, _METHOD, *_NOT_SIMULATED, *names, arrays=(_FILTERS,))
    form.refuse(*_NOT_SIMULATED)
    return form


def _set(webhook: Scoped, form: Form) -> None:
    """Take over what the form names, all or nothing."""
    url, filters = form.get(_URL), tuple(form.all(_FILTERS))
    if url is not None and not rules.is_web_url(url):
        raise bad_parameter(f"{_URL} is no URL of http or https")
    unknown = sorted(set(filters) - POST_EVENTS)
    if unknown:
        raise TwilioError(50365, f"Invalid filter: {', '.join(unknown)[:200]}")
    webhook.method = form.choice(_METHOD, ("get", "post")) or webhook.method
    webhook.url, webhook.filters = url or webhook.url, filters or webhook.filters


def _shape(it: Scoped, call: Call) -> Shape:
    conversation_sid = conversation_of(call).sid
    return call.place.service() | {
        "sid": it.sid,
        "account_sid": call.sandbox.account.sid,
        "conversation_sid": conversation_sid,
        "target": "webhook",
        "configuration": {"url": it.url, "method": it.method, "filters": list(it.filters)},
        "date_created": rules.rest_date(it.created),
        "date_updated": rules.rest_date(it.updated),
        "url": f"{call.place.root}/Conversations/{conversation_sid}/Webhooks/{it.sid}",
    }

"""Webhooks of one conversation, for post-action events (Twilio Docs, "Conversation Scoped Webhook Resource")."""

from dataclasses import dataclass

from aiohttp import web

from orchestrator.sandbox import rules
from orchestrator.sandbox.delivery import POST_EVENTS, Scoped
from orchestrator.sandbox.errors import TwilioError, bad_parameter
from orchestrator.sandbox.paging import page_of
from orchestrator.sandbox.rest import Call, Reply, add_route
from orchestrator.sandbox.rest_conversations import conversation_of
from orchestrator.sandbox.shapes import Place, Shape
from orchestrator.sandbox.world import new_sid

MOST = 5


@dataclass(frozen=True, slots=True)
class _Numbered:
    ordinal: int
    webhook: Scoped


def add_routes(app: web.Application) -> None:
    """Add the routes of this module."""
    add_route(app, "GET", "/v1/Conversations/{conversation}/Webhooks", listed)
    add_route(app, "POST", "/v1/Conversations/{conversation}/Webhooks", create)


def listed(call: Call) -> Reply:
    """`GET …/Webhooks`."""
    query, sid = call.query(), conversation_of(call).sid
    there = [_Numbered(*row) for row in enumerate(call.sandbox.webhooks.scoped.get(sid, []))]
    page = page_of(
        there,
        lambda it: (0, it.ordinal),
        lambda it: _shape(it.webhook, sid, call.place, call.sandbox.account.sid),
        "webhooks",
        call.url,
        query,
        max_size=MOST,
    )
    return Reply(200, page)


def create(call: Call) -> Reply:
    """`POST …/Webhooks`: an address on the web, by POST."""
    form = call.form("Target", "Configuration.Url", "Configuration.Method", arrays=("Configuration.Filters",))
    if form.require("Target") != "webhook":
        raise bad_parameter("Target must be webhook; others are not simulated by the sandbox")
    url, filters = form.require("Configuration.Url"), tuple(form.all("Configuration.Filters"))
    if not rules.is_web_url(url):
        raise bad_parameter("Configuration.Url is no URL of http or https")
    if not filters or set(filters) - POST_EVENTS:
        raise bad_parameter("Configuration.Filters must name post-action events")
    form.choice("Configuration.Method", ("post",))
    conversation = conversation_of(call)
    there = call.sandbox.webhooks.scoped.setdefault(conversation.sid, [])
    if len(there) >= MOST:
        raise TwilioError(50361, f"A conversation has at most {MOST} webhooks")
    made = Scoped(new_sid("WH"), url, filters)
    there.append(made)
    return Reply(201, _shape(made, conversation.sid, call.place, call.sandbox.account.sid))


def _shape(it: Scoped, conversation_sid: str, place: Place, account_sid: str) -> Shape:
    return {
        "sid": it.sid,
        "account_sid": account_sid,
        "conversation_sid": conversation_sid,
        "target": "webhook",
        "configuration": {"url": it.url, "method": "post", "filters": list(it.filters)},
        "date_created": None,
        "date_updated": None,
        "url": f"{place.root}/Conversations/{conversation_sid}/Webhooks/{it.sid}",
    }

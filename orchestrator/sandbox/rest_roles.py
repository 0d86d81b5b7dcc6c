"""Roles of the chat service: there is one, which everybody has, to be read and not changed."""

from aiohttp import web

from orchestrator.sandbox import rules, seeds
from orchestrator.sandbox.errors import not_found
from orchestrator.sandbox.paging import page_of
from orchestrator.sandbox.rest import Call, Reply, add_route
from orchestrator.sandbox.shapes import Shape

_PERMISSIONS = ("sendMessage", "leaveConversation", "editOwnMessage", "deleteOwnMessage")


def add_routes(app: web.Application) -> None:
    """Add the routes of this module."""
    add_route(app, "GET", "/v1/Roles", listed)
    add_route(app, "GET", "/v1/Roles/{role}", fetch)


def listed(call: Call) -> Reply:
    """`GET /Roles`."""
    page = page_of([call], lambda _: (0, 0), _shape, "roles", call.url, call.query(), max_size=50)
    return Reply(200, page)


def fetch(call: Call) -> Reply:
    """`GET /Roles/{RL}`."""
    call.query()
    if call.named("role") != seeds.ROLE_SID:
        raise not_found(call.request.path)
    return Reply(200, _shape(call))


def _shape(call: Call) -> Shape:
    made = rules.rest_date(call.sandbox.world.workforce.created)
    return {
        "sid": seeds.ROLE_SID,
        "account_sid": call.sandbox.account.sid,
        "chat_service_sid": seeds.CHAT_SERVICE_SID,
        "friendly_name": "Everybody",
        "type": "conversation",
        "permissions": list(_PERMISSIONS),
        "date_created": made,
        "date_updated": made,
        "url": f"{call.place.root}/Roles/{seeds.ROLE_SID}",
    }

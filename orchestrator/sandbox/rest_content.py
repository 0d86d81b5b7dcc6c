"""The Content API: what approved templates say. There are those of the seeds; nobody makes others here."""

from aiohttp import web

from orchestrator.sandbox import rules, seeds
from orchestrator.sandbox.errors import not_found
from orchestrator.sandbox.rest import Call, Reply, add_route

_BY_SID = {sid: (name, body, samples) for name, (sid, body, samples) in seeds.TEMPLATES.items()}


def add_routes(app: web.Application) -> None:
    """Add the routes of this module."""
    add_route(app, "GET", "/v1/Content/{content}", fetch, scoped=False)


def fetch(call: Call) -> Reply:
    """`GET /Content/{HX}`."""
    call.query()
    sid = call.named("content")
    if sid not in _BY_SID:
        raise not_found(call.request.path)
    name, body, samples = _BY_SID[sid]
    made = rules.rest_date(call.sandbox.world.now())
    return Reply(
        200,
        {
            "sid": sid,
            "account_sid": call.sandbox.account.sid,
            "friendly_name": name,
            "language": "en",
            "variables": samples,
            "types": {"twilio/text": {"body": body}},
            "date_created": made,
            "date_updated": made,
            "url": call.url,
            "links": {
                "approval_create": f"{call.url}/ApprovalRequests/whatsapp",
                "approval_fetch": f"{call.url}/ApprovalRequests",
            },
        },
    )

"""What happened in the workspace, for whoever missed a callback (TaskRouter, "Event Resource")."""

import re
from datetime import timedelta

from aiohttp import web

from orchestrator.sandbox import rules, seeds
from orchestrator.sandbox.errors import not_found
from orchestrator.sandbox.forms import Form
from orchestrator.sandbox.paging import page_of
from orchestrator.sandbox.rest import Call, Reply
from orchestrator.sandbox.rest_workspace import MAX_PAGE, add_workspace_route
from orchestrator.sandbox.shapes import Shape
from orchestrator.sandbox.workforce import Happened

_MINUTES = 15
_OF_TASKS = ("ReservationSid", "TaskQueueSid", "TaskSid", "WorkflowSid", "TaskChannel")
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def add_routes(app: web.Application) -> None:
    """Add the routes of this module."""
    add_workspace_route(app, "GET", "/Events", listed)
    add_workspace_route(app, "GET", "/Events/{event}", fetch)


def listed(call: Call) -> Reply:
    """`GET …/Events`, the newest first: of the last quarter of an hour, unless it is said otherwise."""
    query = call.query("StartDate", "EndDate", "Minutes", "EventType", "WorkerSid", "Sid", *_OF_TASKS)
    minutes, start, end = query.number("Minutes"), query.date("StartDate"), query.date("EndDate")
    if start is None:
        start = call.sandbox.world.now() - timedelta(minutes=_MINUTES if minutes is None else minutes)
    page = page_of(
        [it for it in call.sandbox.happened if it.at >= start and (end is None or it.at <= end) and _wanted(it, query)],
        lambda it: (0, it.ordinal),
        lambda it: _shape(it, call),
        "events",
        call.url,
        query,
        max_size=MAX_PAGE,
        descending=True,
    )
    return Reply(200, page)


def fetch(call: Call) -> Reply:
    """`GET …/Events/{EV}`."""
    call.query()
    found = next((it for it in call.sandbox.happened if it.sid == call.named("event")), None)
    if found is None:
        raise not_found(call.request.path)
    return Reply(200, _shape(found, call))


def _wanted(it: Happened, query: Form) -> bool:
    told = {"EventType": it.told["EventType"], "WorkerSid": it.told["WorkerSid"], "Sid": it.sid}
    return all(query.get(name) in (None, value) for name, value in told.items()) and not set(_OF_TASKS) & set(query)


def _shape(it: Happened, call: Call) -> Shape:
    """An event; its data is what the callback tells of worker and workspace, in lower case."""
    told, workspace = it.told, call.place.workspace
    return {
        "sid": it.sid,
        "account_sid": seeds.ACCOUNT_SID,
        "workspace_sid": seeds.WORKSPACE_SID,
        "event_type": told["EventType"],
        "event_date": rules.rest_date(it.at),
        "event_date_ms": int(it.at.timestamp() * 1000),
        "event_data": {
            _CAPITAL.sub("_", name).lower(): value
            for name, value in told.items()
            if name.startswith("Work") and value is not None
        },
        "description": told["EventDescription"],
        "actor_sid": seeds.WORKSPACE_SID,
        "actor_type": "workspace",
        "actor_url": workspace,
        "resource_sid": told["ResourceSid"],
        "resource_type": told["ResourceType"],
        "resource_url": f"{workspace}/Workers/{told['WorkerSid']}",
        "source": "twilio",
        "source_ip_address": None,
        "url": f"{workspace}/Events/{it.sid}",
    }

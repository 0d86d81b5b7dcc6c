"""Workers of TaskRouter's REST API."""

from aiohttp import web

from orchestrator.sandbox import rules, seeds
from orchestrator.sandbox.errors import TwilioError
from orchestrator.sandbox.forms import Form
from orchestrator.sandbox.paging import Rank, page_of
from orchestrator.sandbox.records import Worker
from orchestrator.sandbox.rest import Call, Reply
from orchestrator.sandbox.rest_workspace import MAX_PAGE, add_workspace_route, available_of
from orchestrator.sandbox.shapes_taskrouter import worker_channel_shape, worker_shape

_ORDERINGS = ("DateStatusChanged:asc", "DateStatusChanged:desc")


def add_routes(app: web.Application) -> None:
    """Add the routes of this module."""
    add_workspace_route(app, "POST", "/Workers", create)
    add_workspace_route(app, "GET", "/Workers", listed)
    add_workspace_route(app, "GET", "/Workers/{worker}", fetch)
    add_workspace_route(app, "POST", "/Workers/{worker}", update)
    add_workspace_route(app, "DELETE", "/Workers/{worker}", delete)
    add_workspace_route(app, "GET", "/Workers/{worker}/Channels", channels)


def create(call: Call) -> Reply:
    """`POST …/Workers`."""
    form = call.form("FriendlyName", "ActivitySid", "Attributes")
    workforce, name = call.sandbox.world.workforce, form.require("FriendlyName")
    activity_sid = form.sid("ActivitySid", "WA") or workforce.settings.default_activity_sid
    attributes = form.attributes(rules.CONVERSATION_ATTRIBUTES) or "{}"
    event = workforce.add(name, activity_sid, attributes)
    call.sandbox.tell_workers([event])
    return _worker_reply(call, 201, event.worker)


def listed(call: Call) -> Reply:
    """`GET …/Workers`: `Available` is true, 1 or yes; any other value lists those who are not available."""
    query = call.query(
        "ActivityName",
        "ActivitySid",
        "Available",
        "FriendlyName",
        "TargetWorkersExpression",
        "TaskQueueName",
        "TaskQueueSid",
        "Ordering",
    )
    query.refuse("TargetWorkersExpression")
    ordering = query.choice("Ordering", _ORDERINGS)
    shown = call.sandbox.switches.listed_worker_attributes
    page = page_of(
        [worker for worker in call.sandbox.world.workforce.workers.values() if _matches(worker, query)],
        _rank_by_status_change if ordering else _rank_by_age,
        lambda worker: worker_shape(worker, call.place, shown),
        "workers",
        call.url,
        query,
        max_size=MAX_PAGE,
        descending=ordering == _ORDERINGS[1],
    )
    return Reply(200, page)


def fetch(call: Call) -> Reply:
    """`GET …/Workers/{WK}`."""
    call.query()
    return _worker_reply(call, 200, _worker(call))


def update(call: Call) -> Reply:
    """`POST …/Workers/{WK}`: `Attributes` replaces the whole document."""
    form = call.form("ActivitySid", "Attributes", "FriendlyName", "RejectPendingReservations")
    form.require_any()
    form.flag("RejectPendingReservations")
    worker = _worker(call)
    _check_version(call, worker)
    happened = call.sandbox.world.workforce.change(
        worker,
        activity_sid=form.sid("ActivitySid", "WA"),
        attributes=form.attributes(rules.CONVERSATION_ATTRIBUTES),
        identity=form.get("FriendlyName"),
    )
    call.sandbox.tell_workers(happened)
    return _worker_reply(call, 200, worker)


def delete(call: Call) -> Reply:
    """`DELETE …/Workers/{WK}`."""
    call.form()
    worker = _worker(call)
    _check_version(call, worker)
    call.sandbox.tell_workers([call.sandbox.world.workforce.remove(worker)])
    return Reply(204)


def channels(call: Call) -> Reply:
    """`GET …/Workers/{WK}/Channels`: one, and it is free, for there are no tasks."""
    page = page_of(
        [_worker(call)],
        lambda worker: (0, worker.ordinal),
        lambda worker: worker_channel_shape(worker, call.place),
        "channels",
        call.url,
        call.query(),
        max_size=MAX_PAGE,
    )
    return Reply(200, page)


def _worker(call: Call) -> Worker:
    return call.sandbox.world.workforce.worker(call.named("worker"))


def _worker_reply(call: Call, status: int, worker: Worker) -> Reply:
    headers = {"ETag": str(worker.version)} if call.sandbox.switches.worker_etags else {}
    return Reply(status, worker_shape(worker, call.place), headers)


def _check_version(call: Call, worker: Worker) -> None:
    """Refuse a write based on an older version, where workers have versions to the outside."""
    wanted = call.request.headers.get("If-Match")
    if call.sandbox.switches.worker_etags and wanted not in (None, "*", str(worker.version)):
        raise TwilioError(20412, "The worker has changed since")


def _matches(worker: Worker, query: Form) -> bool:
    available = available_of(query)
    return (
        query.get("ActivityName") in (None, worker.activity.friendly_name)
        and query.sid("ActivitySid", "WA") in (None, worker.activity.sid)
        and query.get("FriendlyName") in (None, worker.friendly_name)
        and query.get("TaskQueueName") in (None, seeds.TASK_QUEUE_NAME)
        and query.sid("TaskQueueSid", "WQ") in (None, seeds.TASK_QUEUE_SID)
        and available in (None, worker.activity.available)
    )


def _rank_by_age(worker: Worker) -> Rank:
    return 0, worker.ordinal


def _rank_by_status_change(worker: Worker) -> Rank:
    return int(worker.status_changed.timestamp() * 1000), worker.ordinal

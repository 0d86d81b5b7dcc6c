"""TaskRouter's REST API around the workers: the workspace, its one queue, its activities."""

from aiohttp import web

from orchestrator.sandbox import rules, seeds
from orchestrator.sandbox.errors import bad_parameter, not_found
from orchestrator.sandbox.forms import Form
from orchestrator.sandbox.paging import page_of
from orchestrator.sandbox.rest import Call, Handler, Reply, add_route
from orchestrator.sandbox.shapes_taskrouter import activity_shape, task_queue_shape, workspace_shape

MAX_PAGE = 1000
_YES = ("true", "1", "yes")


def add_routes(app: web.Application) -> None:
    """Add the routes of this module."""
    add_route(app, "GET", "/v1/Workspaces", listed, scoped=False)
    add_workspace_route(app, "GET", "", fetch)
    add_workspace_route(app, "POST", "", update)
    add_workspace_route(app, "GET", "/TaskQueues", task_queues)
    add_workspace_route(app, "GET", "/TaskQueues/{queue}", task_queue)
    add_workspace_route(app, "GET", "/Activities", activities)
    add_workspace_route(app, "GET", "/Activities/{activity}", activity)


def add_workspace_route(app: web.Application, method: str, path: str, handler: Handler) -> None:
    """Serve `handler` below the one workspace there is; any other is not found."""

    def inside(call: Call) -> Reply:
        if call.named("workspace") != seeds.WORKSPACE_SID:
            raise not_found(call.request.path)
        return handler(call)

    add_route(app, method, "/v1/Workspaces/{workspace}" + path, inside, scoped=False)


def task_queues(call: Call) -> Reply:
    """`GET …/TaskQueues`: the one queue, when the filters let it through."""
    query = call.query("FriendlyName", "EvaluateWorkerAttributes", "WorkerSid", "Ordering")
    query.refuse("EvaluateWorkerAttributes")
    query.choice("Ordering", ("DateUpdated:asc", "DateUpdated:desc"))
    workforce, worker_sid = call.sandbox.world.workforce, query.sid("WorkerSid", "WK")
    found = query.get("FriendlyName") in (None, seeds.TASK_QUEUE_NAME)
    if worker_sid is not None and worker_sid not in workforce.workers:
        found = False
    page = page_of(
        [workforce] if found else [],
        lambda _: (0, 0),
        lambda workforce: task_queue_shape(workforce, call.place),
        "task_queues",
        call.url,
        query,
        max_size=MAX_PAGE,
    )
    return Reply(200, page)


def task_queue(call: Call) -> Reply:
    """`GET …/TaskQueues/{WQ}`."""
    call.query()
    if call.named("queue") != seeds.TASK_QUEUE_SID:
        raise not_found(call.request.path)
    return Reply(200, task_queue_shape(call.sandbox.world.workforce, call.place))


def activities(call: Call) -> Reply:
    """`GET …/Activities`."""
    query = call.query("FriendlyName", "Available")
    workforce, name, available = call.sandbox.world.workforce, query.get("FriendlyName"), available_of(query)
    found = [
        activity
        for activity in workforce.activities.values()
        if name in (None, activity.friendly_name) and available in (None, activity.available)
    ]
    page = page_of(
        found,
        lambda activity: (0, activity.ordinal),
        lambda activity: activity_shape(activity, workforce, call.place),
        "activities",
        call.url,
        query,
        max_size=MAX_PAGE,
    )
    return Reply(200, page)


def activity(call: Call) -> Reply:
    """`GET …/Activities/{WA}`."""
    call.query()
    workforce = call.sandbox.world.workforce
    found = workforce.activities.get(call.named("activity"))
    if found is None:
        raise not_found(call.request.path)
    return Reply(200, activity_shape(found, workforce, call.place))


def listed(call: Call) -> Reply:
    """`GET /Workspaces`: the one there is, when the filter lets it through."""
    query, workforce = call.query("FriendlyName"), call.sandbox.world.workforce
    found = query.get("FriendlyName") in (None, workforce.settings.friendly_name)
    page = page_of(
        [workforce] if found else [],
        lambda _: (0, 0),
        lambda workforce: workspace_shape(workforce, call.place),
        "workspaces",
        call.url,
        query,
        max_size=MAX_PAGE,
    )
    return Reply(200, page)


def fetch(call: Call) -> Reply:
    """`GET /Workspaces/{WS}`."""
    call.query()
    return Reply(200, workspace_shape(call.sandbox.world.workforce, call.place))


def update(call: Call) -> Reply:
    """`POST /Workspaces/{WS}`: an empty `EventCallbackUrl` sends no events."""
    form = call.form(
        "DefaultActivitySid",
        "EventCallbackUrl",
        "EventsFilter",
        "FriendlyName",
        "MultiTaskEnabled",
        "TimeoutActivitySid",
        "PrioritizeQueueOrder",
    )
    form.require_any()
    workforce, url = call.sandbox.world.workforce, form.get("EventCallbackUrl")
    if url and not rules.is_web_url(url):
        raise bad_parameter("EventCallbackUrl is no URL of http or https")
    changes = {
        "friendly_name": form.name("FriendlyName"),
        "event_callback_url": url,
        "events_filter": form.get("EventsFilter"),
        "multi_task_enabled": form.flag("MultiTaskEnabled"),
        "prioritize_queue_order": form.choice("PrioritizeQueueOrder", ("FIFO", "LIFO")),
        "default_activity_sid": _activity_sid(call, form, "DefaultActivitySid"),
        "timeout_activity_sid": _activity_sid(call, form, "TimeoutActivitySid"),
    }
    for field, value in changes.items():
        if value is not None:
            setattr(workforce.settings, field, value)
    return Reply(200, workspace_shape(workforce, call.place))


def _activity_sid(call: Call, form: Form, name: str) -> str | None:
    sid = form.get(name)
    return None if sid is None else call.sandbox.world.workforce.activity(sid).sid


def available_of(query: Form) -> bool | None:
    """What `Available` asks for: true, 1 and yes mean available, any other value means not."""
    value = query.get("Available")
    return None if value is None else value.lower() in _YES

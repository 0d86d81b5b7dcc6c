"""TaskRouter's records as the REST API shows them: exactly the fields of Twilio's OpenAPI document."""

from orchestrator.sandbox import seeds
from orchestrator.sandbox.records import Activity, Worker
from orchestrator.sandbox.rules import rest_date
from orchestrator.sandbox.shapes import Place, Shape, below
from orchestrator.sandbox.workforce import Workforce


def worker_shape(worker: Worker, place: Place, show_attributes: bool = True) -> Shape:
    """A worker; lists may hide the attributes behind null."""
    url = f"{place.workspace}/Workers/{worker.sid}"
    return {
        "sid": worker.sid,
        "account_sid": seeds.ACCOUNT_SID,
        "workspace_sid": seeds.WORKSPACE_SID,
        "friendly_name": worker.friendly_name,
        "activity_sid": worker.activity.sid,
        "activity_name": worker.activity.friendly_name,
        "available": worker.activity.available,
        "attributes": worker.attributes if show_attributes else None,
        "date_created": rest_date(worker.created),
        "date_updated": rest_date(worker.updated),
        "date_status_changed": rest_date(worker.status_changed),
        "url": url,
        "links": {
            "activity": f"{place.workspace}/Activities/{worker.activity.sid}",
            "workspace": place.workspace,
            "statistics": f"{place.workspace}/Workers/Statistics",
            **below(url, channels="Channels", worker_statistics="Statistics", reservations="Reservations"),
        },
    }


def worker_channel_shape(worker: Worker, place: Place) -> Shape:
    """What a worker can take at a time, of the one kind of task there is."""
    sid = "WC" + worker.sid[2:]
    return {
        "sid": sid,
        "account_sid": seeds.ACCOUNT_SID,
        "workspace_sid": seeds.WORKSPACE_SID,
        "worker_sid": worker.sid,
        "task_channel_sid": seeds.TASK_CHANNEL_SID,
        "task_channel_unique_name": "default",
        "assigned_tasks": 0,
        "available": worker.activity.available,
        "available_capacity_percentage": 100,
        "configured_capacity": 1,
        "date_created": rest_date(worker.created),
        "date_updated": rest_date(worker.updated),
        "url": f"{place.workspace}/Workers/{worker.sid}/Channels/{sid}",
    }


def task_queue_shape(workforce: Workforce, place: Place) -> Shape:
    """The one queue, of which every worker is."""
    url = f"{place.workspace}/TaskQueues/{seeds.TASK_QUEUE_SID}"
    return {
        "sid": seeds.TASK_QUEUE_SID,
        "account_sid": seeds.ACCOUNT_SID,
        "workspace_sid": seeds.WORKSPACE_SID,
        "friendly_name": seeds.TASK_QUEUE_NAME,
        "target_workers": seeds.TARGET_WORKERS,
        "task_order": "FIFO",
        "max_reserved_workers": 1,
        "assignment_activity_sid": None,
        "assignment_activity_name": None,
        "reservation_activity_sid": None,
        "reservation_activity_name": None,
        "date_created": rest_date(workforce.created),
        "date_updated": rest_date(workforce.created),
        "url": url,
        "links": {"workspace": place.workspace, **below(url, statistics="Statistics")},
    }


def activity_shape(activity: Activity, workforce: Workforce, place: Place) -> Shape:
    """An activity."""
    return {
        "sid": activity.sid,
        "account_sid": seeds.ACCOUNT_SID,
        "workspace_sid": seeds.WORKSPACE_SID,
        "friendly_name": activity.friendly_name,
        "available": activity.available,
        "date_created": rest_date(workforce.created),
        "date_updated": rest_date(workforce.created),
        "url": f"{place.workspace}/Activities/{activity.sid}",
        "links": {"workspace": place.workspace},
    }


def workspace_shape(workforce: Workforce, place: Place) -> Shape:
    """The workspace and its settings."""
    settings = workforce.settings
    names = {sid: activity.friendly_name for sid, activity in workforce.activities.items()}
    return {
        "sid": seeds.WORKSPACE_SID,
        "account_sid": seeds.ACCOUNT_SID,
        "friendly_name": settings.friendly_name,
        "event_callback_url": settings.event_callback_url,
        "events_filter": settings.events_filter or None,
        "multi_task_enabled": settings.multi_task_enabled,
        "prioritize_queue_order": settings.prioritize_queue_order,
        "default_activity_sid": settings.default_activity_sid,
        "default_activity_name": names[settings.default_activity_sid],
        "timeout_activity_sid": settings.timeout_activity_sid,
        "timeout_activity_name": names[settings.timeout_activity_sid],
        "date_created": rest_date(workforce.created),
        "date_updated": rest_date(workforce.created),
        "url": place.workspace,
        "links": below(
            place.workspace,
            activities="Activities",
            events="Events",
            task_channels="TaskChannels",
            task_queues="TaskQueues",
            tasks="Tasks",
            workers="Workers",
            workflows="Workflows",
        ),
    }

"""Workers, queues and activities through the official client."""

from datetime import UTC, datetime
from typing import Any

import pytest
from asking import refused
from twilio.rest import Client

from orchestrator.sandbox import seeds
from orchestrator.sandbox.server import Running


def workspace(client: Client) -> Any:
    return client.taskrouter.v1.workspaces(seeds.WORKSPACE_SID)


async def test_workers_are_listed_by_availability_name_and_queue(client: Client) -> None:
    workers = workspace(client).workers

    async def listed(**wanted: Any) -> list[str]:
        return [worker.friendly_name for worker in await workers.list_async(page_size=1, **wanted)]

    assert await listed() == ["ada@example.test", "grace@example.test", "alan@example.test"]
    assert await listed(available="true") == ["ada@example.test", "grace@example.test"]
    assert await listed(available="anything else") == ["alan@example.test"]
    assert await listed(friendly_name="ada@example.test") == ["ada@example.test"]
    assert await listed(task_queue_sid=seeds.TASK_QUEUE_SID, available="1") == [
        "ada@example.test",
        "grace@example.test",
    ]
    assert await listed(task_queue_sid="WQ" + "0" * 32) == []
    assert await listed(activity_name="Unavailable") == ["alan@example.test"]


async def test_workers_are_ordered_by_their_last_change_of_activity(client: Client) -> None:
    workers = workspace(client).workers
    ada = (await workers.list_async(friendly_name="ada@example.test"))[0]
    await ada.update_async(activity_sid=seeds.OFFLINE_SID)
    up = [w.friendly_name for w in await workers.list_async(ordering="DateStatusChanged:asc", page_size=1)]
    down = [w.friendly_name for w in await workers.list_async(ordering="DateStatusChanged:desc", page_size=2)]
    assert up[-1] == down[0] == "ada@example.test"
    assert up == down[::-1]


async def test_a_worker_lives_from_creation_to_deletion(client: Client) -> None:
    workers = workspace(client).workers
    made = await workers.create_async(friendly_name="new@example.test", attributes='{"skills":["cards"]}')
    assert (made.available, made.activity_name, made.attributes) == (False, "Offline", '{"skills":["cards"]}')
    changed = await workers(made.sid).update_async(activity_sid=seeds.AVAILABLE_SID)
    assert (changed.available, changed.attributes) == (True, '{"skills":["cards"]}')
    assert changed.date_status_changed >= made.date_status_changed
    assert {"channels", "activity", "workspace", "statistics"} <= set(changed.links)
    await workers(made.sid).update_async(attributes='{"lastAcceptedTaskTime":1}')
    assert (await workers(made.sid).fetch_async()).attributes == '{"lastAcceptedTaskTime":1}'
    assert await workers(made.sid).delete_async()
    assert await refused(workers(made.sid).fetch_async()) == (404, 20404)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"friendly_name": "ADA@example.test"}, 409),
        ({"friendly_name": "w" * 65}, 400),
        ({"friendly_name": "w", "attributes": "[1"}, 400),
        ({"friendly_name": "w", "activity_sid": "WA" + "0" * 32}, 400),
    ],
)
async def test_a_worker_is_refused(client: Client, fields: dict[str, str], status: int) -> None:
    assert (await refused(workspace(client).workers.create_async(**fields)))[0] == status


async def test_a_workers_version_is_honoured_where_it_is_switched_on(client: Client, sandbox: Running) -> None:
    worker = (await workspace(client).workers.list_async())[0]
    await worker.update_async(attributes='{"a":1}', if_match="old")
    sandbox.sandbox.switches.worker_etags = True
    fetched = await workspace(client).workers(worker.sid).fetch_with_http_info_async()
    tag = fetched.headers["Etag"]
    await worker.update_async(attributes='{"a":2}', if_match=tag)
    assert await refused(worker.update_async(attributes='{"a":3}', if_match=tag)) == (412, 20412)


async def test_listed_workers_hide_their_attributes_where_it_is_switched_on(client: Client, sandbox: Running) -> None:
    workers = workspace(client).workers
    assert [worker.attributes for worker in await workers.list_async()] == ["{}"] * 3
    sandbox.sandbox.switches.listed_worker_attributes = False
    listed = await workers.list_async()
    assert [worker.attributes for worker in listed] == [None] * 3
    assert (await workers(listed[0].sid).fetch_async()).attributes == "{}"


async def test_queue_activities_and_workspace_are_read(client: Client) -> None:
    (queue,) = await workspace(client).task_queues.list_async()
    assert queue.sid == seeds.TASK_QUEUE_SID
    assert (await workspace(client).task_queues(queue.sid).fetch_async()).target_workers == "1==1"
    assert await workspace(client).task_queues.list_async(friendly_name="Nobody") == []
    activities = await workspace(client).activities.list_async()
    assert [(a.friendly_name, a.available) for a in activities] == [
        ("Offline", False),
        ("Available", True),
        ("Unavailable", False),
    ]
    assert [a.friendly_name for a in await workspace(client).activities.list_async(available="true")] == ["Available"]
    assert (await workspace(client).activities(activities[0].sid).fetch_async()).friendly_name == "Offline"
    (found,) = await client.taskrouter.v1.workspaces.list_async(friendly_name=seeds.WORKSPACE_NAME)
    assert found.sid == seeds.WORKSPACE_SID
    assert await client.taskrouter.v1.workspaces.list_async(friendly_name="Another") == []
    assert (await workspace(client).fetch_async()).event_callback_url.endswith("/taskrouter-event")
    changed = await workspace(client).update_async(events_filter="worker.created", friendly_name="Hub")
    assert (changed.events_filter, changed.friendly_name) == ("worker.created", "Hub")


async def test_a_workers_capacity_is_read(client: Client) -> None:
    worker = (await workspace(client).workers.list_async())[0]
    (channel,) = await workspace(client).workers(worker.sid).worker_channels.list_async()
    assert (channel.worker_sid, channel.configured_capacity, channel.assigned_tasks) == (worker.sid, 1, 0)
    assert channel.available is True


async def test_what_happened_to_workers_is_read_after_the_fact(client: Client) -> None:
    await workspace(client).update_async(events_filter="worker.deleted")
    made = await workspace(client).workers.create_async(friendly_name="new@example.test")
    await workspace(client).workers(made.sid).update_async(activity_sid=seeds.AVAILABLE_SID)
    events = workspace(client).events
    changed, created = await events.list_async(worker_sid=made.sid, page_size=1)
    assert (created.event_type, changed.event_type) == ("worker.created", "worker.activity.update")
    assert (changed.resource_type, changed.resource_sid) == ("worker", made.sid)
    data = changed.event_data
    assert (data["worker_name"], data["worker_activity_name"]) == ("new@example.test", "Available")
    assert data["worker_previous_activity_sid"] == seeds.OFFLINE_SID
    assert (await events(changed.sid).fetch_async()).event_date_ms == changed.event_date_ms
    assert [found.sid for found in await events.list_async(event_type="worker.created")] == [created.sid]
    assert await events.list_async(minutes=0) == []
    assert await events.list_async(end_date=datetime(2026, 1, 1, tzinfo=UTC)) == []
    assert len(await events.list_async(start_date=datetime(2026, 1, 1, tzinfo=UTC))) == 2
    assert await events.list_async(task_sid="WT" + "0" * 32) == []
    assert await refused(events("EV" + "0" * 32).fetch_async()) == (404, 20404)

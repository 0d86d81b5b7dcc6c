"""Twilio TaskRouter as the neighbour that knows who works here (Twilio Docs, "TaskRouter API v1")."""

import json
from typing import Any

from orchestrator.adapters.outcomes import PreconditionFailed, calling, json_object, known
from orchestrator.adapters.twilio_client import Connect
from orchestrator.errors import NotProcessed, Rejected
from orchestrator.ports import Worker

LAST_ACCEPTED = "lastAcceptedTaskTime"
"""The worker's attribute that says when he was last assigned: milliseconds since 1970."""

_PAGE = 200
"""Workers in a page: with 5 KB of attributes each they fit into one answer."""

_ACTIVITY_NAMES = {True: "Available", False: "Offline"}
_NO_ACTIVITY = 20404

_WRITES_MAX = 5
_LATEST_MS = 2**53
"""Where JSON numbers stop being exact in JavaScript (RFC 8259, 6), which is what others write them with."""


class TwilioTaskRouter:
    """The `Workers` port over an official client that was built with a `TwilioTransport`.

    queue_sid: the TaskQueue whose workers are "any agent".
    """

    def __init__(self, connect: Connect, workspace_sid: str, queue_sid: str) -> None:
        self._connect = connect
        self._workspace_sid = workspace_sid
        self._queue_sid = queue_sid
        self._activities: dict[bool, str] = {}

    async def everyone(self) -> list[Worker]:
        """All workers of the workspace. A read: harmless twice."""
        with calling():
            records = await (await self._workers()).list_async(page_size=_PAGE)
            return [_worker(record) for record in records]

    async def available(self, queue_sid: str | None = None) -> list[Worker]:
        """The available workers of a queue, the configured one where none is named. A read: harmless twice."""
        with calling():
            workers, queue = await self._workers(), queue_sid or self._queue_sid
            records = await workers.list_async(available="true", task_queue_sid=queue, page_size=_PAGE)
            return [_worker(record) for record in records]

    async def queues(self) -> dict[str, str]:
        """The task queues: name to SID. A read: harmless twice."""
        with calling():
            workspace = (await self._connect()).taskrouter.v1.workspaces(self._workspace_sid)
            records = await workspace.task_queues.list_async(page_size=_PAGE)
            return {known(record.friendly_name, str): known(record.sid, str) for record in records}

    async def fetch(self, worker_sid: str) -> Worker:
        """One worker, attributes shown. A read: harmless twice."""
        with calling():
            return _worker(await (await self._workers())(worker_sid).fetch_async())

    async def _workers(self) -> Any:
        return (await self._connect()).taskrouter.v1.workspaces(self._workspace_sid).workers

    async def set_last_accepted(self, worker_sid: str, at_ms: int) -> None:
        """Set `lastAcceptedTaskTime` to `at_ms` unless it is as late already, leaving other attributes alone.

        Twice: the second finds it set and writes nothing. An update replaces all attributes, so it is made on
        the condition that they are as they were read (If-Match), where Twilio gave an ETag to name that by;
        somebody else's write in between is read and merged, at most five times: then NotProcessed.
        """
        for _ in range(_WRITES_MAX):
            try:
                with calling():
                    await self._raise_last_accepted(worker_sid, at_ms)
            except PreconditionFailed:
                continue
            return
        raise NotProcessed("the worker's attributes kept changing")

    async def set_available(self, worker_sid: str, available: bool) -> None:
        """Switch a worker to the activity "Available" or "Offline", or the first that will do where none is called so.

        Twice: the same activity again.
        """
        with calling():
            activity_sid = (await self._activities_read())[available]
            await (await self._workers())(worker_sid).update_async(activity_sid=activity_sid)

    async def _activities_read(self) -> dict[bool, str]:
        """Which activity to choose, by availability; read once, for an activity's availability never changes."""
        if not self._activities:
            workspace = (await self._connect()).taskrouter.v1.workspaces(self._workspace_sid)
            records = await workspace.activities.list_async(page_size=_PAGE)
            chosen = {available: _activity(records, available, name) for available, name in _ACTIVITY_NAMES.items()}
            self._activities = chosen
        return self._activities

    async def _raise_last_accepted(self, worker_sid: str, at_ms: int) -> None:
        worker = (await self._workers())(worker_sid)
        read = await worker.fetch_with_http_info_async()
        attributes = json_object(read.data.attributes)
        last = _milliseconds(attributes.get(LAST_ACCEPTED))
        if last is None or last < at_ms:
            written = json.dumps(attributes | {LAST_ACCEPTED: at_ms})
            await worker.update_async(attributes=written, **_condition(read.headers))


def _activity(records: list[Any], available: bool, name: str) -> str:
    """The activity of this name, or the first of this availability. Raises Rejected where there is none."""
    fitting = [record for record in records if known(record.available, bool) is available]
    fitting.sort(key=lambda record: record.friendly_name != name)
    if not fitting:
        raise Rejected(f"the workspace has no activity like {name}", 400, _NO_ACTIVITY)
    return known(fitting[0].sid, str)


def _condition(headers: dict[str, str]) -> dict[str, str]:
    """If-Match with the ETag of what was read, whatever letter case its name comes in; nothing without."""
    etags = [value for name, value in headers.items() if name.lower() == "etag"]
    return {"if_match": etags[0]} if etags else {}


def _worker(record: Any) -> Worker:
    """A worker as Twilio has him; in a list it may leave the attributes out, which says nothing of them."""
    return Worker(
        sid=known(record.sid, str),
        identity=known(record.friendly_name, str),
        available=known(record.available, bool),
        last_accepted_task_time=_milliseconds(json_object(record.attributes).get(LAST_ACCEPTED)),
        attributes_shown=record.attributes is not None,
    )


def _milliseconds(value: object) -> int | None:
    """A time another program may have written: an integer, if only in value. What is none counts as unset."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < _LATEST_MS else None

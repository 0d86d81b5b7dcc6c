"""The TaskRouter side of the account: its workspace, one queue, three activities, and the workers."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.sandbox import rules, seeds
from orchestrator.sandbox.changes import Changes
from orchestrator.sandbox.errors import TwilioError, bad_parameter, not_found
from orchestrator.sandbox.records import Activity, Worker


@dataclass(slots=True)
class WorkspaceSettings:
    """What can be set on the workspace. `event_callback_url` empty: no events; `events_filter` empty: all."""

    friendly_name: str = seeds.WORKSPACE_NAME
    event_callback_url: str = ""
    events_filter: str = ""
    multi_task_enabled: bool = True
    prioritize_queue_order: str = "FIFO"
    default_activity_sid: str = seeds.OFFLINE_SID
    timeout_activity_sid: str = seeds.OFFLINE_SID


@dataclass(frozen=True, slots=True)
class WorkerEvent:
    """Something that happened to a worker, for TaskRouter's event callback. `previous` and `in_previous_ms`
    (milliseconds) tell of the activity before, when that changed."""

    type: str
    worker: Worker
    previous: Activity | None = None
    in_previous_ms: int = 0


@dataclass(frozen=True, slots=True)
class Happened:
    """An event as it is kept: when, and the parameters with which the event callback was told, or would have been."""

    sid: str
    ordinal: int
    at: datetime
    told: Mapping[str, str | None]


@dataclass(slots=True)
class Workforce:
    """Who works here. A worker's friendly name is his identity, unique in any letter case."""

    now: Callable[[], datetime]
    next_ordinal: Callable[[], int]
    changes: Changes
    settings: WorkspaceSettings = field(default_factory=WorkspaceSettings)
    activities: dict[str, Activity] = field(init=False, default_factory=dict)
    workers: dict[str, Worker] = field(init=False, default_factory=dict)
    created: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """The seeded workers, with new SIDs; settings are kept for the caller to set."""
        self.created = self.now()
        self.activities = {
            sid: Activity(sid, self.next_ordinal(), name, available) for sid, name, available in seeds.ACTIVITIES
        }
        self.workers.clear()
        for identity, available in seeds.WORKERS:
            self.add(identity, self.activity_for(available).sid)

    def activity(self, sid: str) -> Activity:
        """The activity with this SID."""
        if sid not in self.activities:
            raise bad_parameter(f"ActivitySid {sid[:40]!r} is no activity of this workspace")
        return self.activities[sid]

    def activity_for(self, available: bool) -> Activity:
        """The activity that says so."""
        return self.activities[seeds.AVAILABLE_SID if available else seeds.UNAVAILABLE_SID]

    def worker(self, sid: str) -> Worker:
        """The worker with this SID."""
        if sid not in self.workers:
            raise not_found(f"/Workspaces/{seeds.WORKSPACE_SID}/Workers/{sid}")
        return self.workers[sid]

    def named(self, identity: str) -> Worker | None:
        """The worker with this identity, in any letter case."""
        wanted = identity.casefold()
        return next((w for w in self.workers.values() if w.friendly_name.casefold() == wanted), None)

    def add(self, identity: str, activity_sid: str, attributes: str = "{}") -> WorkerEvent:
        """Create a worker."""
        activity = self.activity(activity_sid)
        self._check_name(identity, None)
        now = self.now()
        worker = Worker(
            "WK" + secrets.token_hex(16), self.next_ordinal(), identity, activity, attributes, now, now, now
        )
        self.workers[worker.sid] = worker
        self.changes.tell("worker", worker.sid)
        return WorkerEvent("worker.created", worker)

    def change(
        self,
        worker: Worker,
        activity_sid: str | None = None,
        attributes: str | None = None,
        identity: str | None = None,
    ) -> Iterator[WorkerEvent]:
        """Change what is given, all or nothing; the events that follow."""
        activity = self.activity(activity_sid) if activity_sid is not None else worker.activity
        if identity is not None:
            self._check_name(identity, worker)
            worker.version += identity != worker.friendly_name
            worker.friendly_name = identity
        events = [*self._set_activity(worker, activity), *self._set_attributes(worker, attributes)]
        worker.updated = self.now()
        self.changes.tell("worker", worker.sid)
        return iter(events)

    def remove(self, worker: Worker) -> WorkerEvent:
        """Delete a worker."""
        del self.workers[worker.sid]
        self.changes.tell("worker", worker.sid)
        return WorkerEvent("worker.deleted", worker)

    def _set_activity(self, worker: Worker, activity: Activity) -> Iterator[WorkerEvent]:
        if activity is worker.activity:
            return
        previous, now = worker.activity, self.now()
        lasted = int((now - worker.status_changed).total_seconds() * 1000)
        worker.activity, worker.status_changed = activity, now
        worker.version += 1
        yield WorkerEvent("worker.activity.update", worker, previous, lasted)

    def _set_attributes(self, worker: Worker, attributes: str | None) -> Iterator[WorkerEvent]:
        if attributes is None or attributes == worker.attributes:
            return
        worker.attributes = attributes
        worker.version += 1
        yield WorkerEvent("worker.attributes.update", worker)

    def _check_name(self, identity: str, worker: Worker | None) -> None:
        if not identity:
            raise bad_parameter("FriendlyName must not be empty")
        rules.name(identity, "FriendlyName", rules.WORKER_NAME_CHARACTERS)
        if self.named(identity) not in (None, worker):
            raise TwilioError(22206, "A worker with this FriendlyName exists in this workspace", 409)

"""The checks of the Twilio account. Every one is a read."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from typing import Any

from orchestrator.adapters.outcomes import NOT_FOUND, calling, json_object
from orchestrator.adapters.twilio_client import Connect
from orchestrator.connecting.resources import WEBHOOKS, address_type, resource_of
from orchestrator.connecting.survey import Difference, scope
from orchestrator.connecting.wanted import senders, wanted
from orchestrator.connecting.words import LABELS
from orchestrator.doctor.findings import DOWN, FAILED, MISCONFIGURED, Finding, ok, skipped, wrong
from orchestrator.doctor.identities import duplicates, fault_of
from orchestrator.errors import EffectError, Held, Rejected
from orchestrator.settings import Settings

CONNECT = "expert-hub twilio connect"
CLOCK_WARNS_S, CLOCK_WRONG_S = 5.0, 30.0
FETCHED_MAX = 50
SHOWN = 3

Check = Callable[[], Awaitable[Finding]]


class Account:
    """The account's checks; `admission` comes first, and without it none of the others says anything."""

    def __init__(self, connect: Connect, settings: Settings) -> None:
        self._connect = connect
        self._settings = settings

    async def admission(self) -> list[Finding]:
        """Whether the credentials are accepted, the account is active, and our clock is Twilio's."""
        sid = self._settings.twilio_account_sid
        try:
            with calling():
                client = await self._connect()
                began = time.time()
                answer = await client.api.v2010.accounts(sid).fetch_with_http_info_async()
                now = (began + time.time()) / 2
        except EffectError as error:
            return [_not_admitted(error)]
        status = answer.data.status
        return [
            ok("credentials", f"accepted for {sid}"),
            ok("account", "active") if status == "active" else wrong("account", f"is {status}", "Twilio's console"),
            clock(now, answer.headers),
        ]

    def checks(self) -> dict[str, Check]:
        """The others by their names, in the order they are told."""
        named: dict[str, Check] = {
            "chat service": self._chat_service,
            "messaging service": self._messaging_service,
            "webhooks": self._webhooks,
        }
        for address in senders(self._settings):
            named[f"sender {address}"] = self._sender(address)
        if self._settings.taskrouter_workspace_sid is None:
            return named | {"workspace": self._no_workspace}
        return named | {"workspace": self._workspace, "queue": self._queue, "workers": self._workers}

    async def _chat_service(self) -> Finding:
        conversations = (await self._connect()).conversations.v1
        with calling():
            sid = (await conversations.configuration().fetch_async()).default_chat_service_sid
            if sid is None:
                return wrong("chat service", "the account has no default one", "Twilio's console: Conversations")
            await conversations.services(sid).fetch_async()
        return ok("chat service", sid)

    async def _messaging_service(self) -> Finding:
        sid = self._settings.messaging_service_sid
        if sid is None:
            return skipped("messaging service", "MESSAGING_SERVICE_SID is not set")
        with calling():
            await (await self._connect()).messaging.v1.services(sid).fetch_async()
        return ok("messaging service", sid)

    async def _webhooks(self) -> Finding:
        service_sid, notes = await scope(self._connect)
        key = f"{WEBHOOKS}/{service_sid}" if service_sid else WEBHOOKS
        if notes:
            return wrong("webhooks", notes[0], "Twilio's console: Conversations, webhooks")
        return await self._as_wanted("webhooks", key, service_sid)

    def _sender(self, address: str) -> Check:
        async def check() -> Finding:
            name = f"sender {address}"
            if address_type(address) == "sms" and not await self._owns(address):
                return wrong(name, "is no number of this account", "PROXY_NUMBERS")
            return await self._as_wanted(name, f"address/{address}")

        return check

    async def _owns(self, number: str) -> bool:
        with calling():
            account = (await self._connect()).api.v2010.accounts(self._settings.twilio_account_sid)
            found = await account.incoming_phone_numbers.list_async(phone_number=number, limit=20)
            return any(each.phone_number == number for each in found)

    async def _no_workspace(self) -> Finding:
        return skipped("workspace", "TASKROUTER_WORKSPACE_SID is not set: customers are told that nobody is there")

    async def _workspace(self) -> Finding:
        return await self._as_wanted("workspace", f"workspace/{self._settings.taskrouter_workspace_sid}")

    async def _queue(self) -> Finding:
        queues = (await self._taskrouter()).task_queues
        wanted_sid = self._settings.taskrouter_queue_sid
        if wanted_sid is None:
            return wrong("queue", "TASKROUTER_QUEUE_SID is not set", "TASKROUTER_QUEUE_SID")
        with calling():
            found = await queues.list_async(page_size=200)
        if any(each.sid == wanted_sid for each in found):
            return ok("queue", wanted_sid)
        there = _some([f"{each.sid} ({each.friendly_name})" for each in found])
        return wrong("queue", f"no {wanted_sid} in this workspace; there: {there}", "TASKROUTER_QUEUE_SID")

    async def _workers(self) -> Finding:
        workers = (await self._taskrouter()).workers
        with calling():
            listed = await workers.list_async(page_size=200)
            hidden = [each for each in listed if each.attributes is None][:FETCHED_MAX]
            fetched = await asyncio.gather(*(workers(each.sid).fetch_async() for each in hidden))
        shown = {each.sid: each.attributes for each in [*listed, *fetched]}
        return of_workers({each.sid: (each.friendly_name, shown[each.sid]) for each in listed})

    async def _taskrouter(self) -> Any:
        return (await self._connect()).taskrouter.v1.workspaces(self._settings.taskrouter_workspace_sid)

    async def _as_wanted(self, check: str, key: str, service_sid: str | None = None) -> Finding:
        """Whether a resource is what `expert-hub twilio connect` would make it."""
        must_be = wanted(self._settings, self._settings.public_url, service_sid)[key]
        resource = resource_of(self._connect, key)
        difference = Difference(resource, await resource.read(), must_be)
        if not difference.changes:
            return ok(check, "as it must be")
        if difference.found is None:
            return wrong(check, "no address configuration: a first message may make no conversation", CONNECT)
        names = ", ".join(LABELS[name] for name in difference.changes)
        return wrong(check, f"not as it must be: {names}", CONNECT)


def clock(now: float, headers: dict[str, str]) -> Finding:
    """How far our clock (seconds since 1970) is from the Date of Twilio's answer, which counts whole seconds."""
    dates = [value for name, value in headers.items() if name.lower() == "date"]
    try:
        theirs = parsedate_to_datetime(dates[0]).timestamp() + 0.5
    except (LookupError, ValueError):
        return skipped("clock", "the answer has no date")
    off_s = abs(now - theirs)
    found = f"{max(off_s - 0.5, 0):.0f} s from Twilio's"
    if off_s < CLOCK_WARNS_S:
        return ok("clock", found)
    mend = "set the clock: timedatectl set-ntp true"
    return Finding("clock", "warning" if off_s < CLOCK_WRONG_S else "wrong", found, mend)


def of_workers(workers: dict[str, tuple[str, str | None]]) -> Finding:
    """What is to be said of the workers: friendly name and attributes by SID."""
    if not workers:
        return wrong("workers", "there are none", "Twilio's console: TaskRouter, workers")
    faults = {sid: fault_of(name, json_object(attributes)) for sid, (name, attributes) in workers.items()}
    told = [f"{sid}: {fault}" for sid, fault in faults.items() if fault]
    told += [f"{name} is more than one worker's" for name in duplicates(name for name, _ in workers.values())]
    if told:
        return wrong("workers", _some(told), "Twilio's console: TaskRouter, workers: friendly name = chat identity")
    return ok("workers", f"{len(workers)}, each reachable under his friendly name")


def refusal(check: str, error: EffectError) -> Finding:
    """What it means that a check's own read failed."""
    if isinstance(error, Rejected):
        mends = {
            "workspace": "TASKROUTER_WORKSPACE_SID",
            "workers": "TASKROUTER_WORKSPACE_SID",
            "queue": "TASKROUTER_WORKSPACE_SID",
            "messaging service": "MESSAGING_SERVICE_SID",
        }
        found = "does not exist in this account" if error.code == NOT_FOUND else f"Twilio refused ({error})"
        return wrong(check, found, mends.get(check))
    if isinstance(error, Held):
        return wrong(check, f"these credentials may not read it ({error})", "Twilio's console: API keys")
    return wrong(check, f"Twilio did not answer ({error})", "try again", DOWN)


def _not_admitted(error: EffectError) -> Finding:
    if isinstance(error, Held) or (isinstance(error, Rejected) and error.code == NOT_FOUND):
        return wrong("credentials", f"refused ({error})", "TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN", MISCONFIGURED)
    code = FAILED if isinstance(error, Rejected) else DOWN
    return wrong("credentials", f"not known: Twilio did not answer ({error})", "the network, or TWILIO_API_URL", code)


def _some(words: list[str]) -> str:
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return "; ".join(words[:SHOWN]) + more

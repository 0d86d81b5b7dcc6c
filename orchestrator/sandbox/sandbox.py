"""The whole sandbox in one object, and what follows from a change: webhooks, receipts, a conversation that wakes up."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from weakref import WeakValueDictionary

from aiohttp import web

from orchestrator.sandbox import events, seeds
from orchestrator.sandbox.accounts import OURS, Account
from orchestrator.sandbox.addresses import Addresses
from orchestrator.sandbox.delivery import Origin, Targets
from orchestrator.sandbox.drafts import Draft
from orchestrator.sandbox.errors import HookRejected
from orchestrator.sandbox.faults import Faults
from orchestrator.sandbox.interactions import Interactions
from orchestrator.sandbox.ledger import Ledger
from orchestrator.sandbox.records import Call, Conversation, Message, Participant, Receipt
from orchestrator.sandbox.webhooks import Webhooks
from orchestrator.sandbox.workforce import Happened, WorkerEvent, WorkspaceSettings
from orchestrator.sandbox.world import World, new_sid

WHATSAPP_WINDOW = timedelta(hours=24)
OUTSIDE_WINDOW = 63016
EVENTS_KEPT = 10_000

API = Origin("API")


@dataclass(slots=True)
class Switches:
    """What Twilio's documents leave open, and either way may be true. `worker_etags`: workers have an ETag and honour
    If-Match; `listed_worker_attributes`: lists of workers show attributes instead of null."""

    worker_etags: bool = False
    listed_worker_attributes: bool = True


@dataclass(slots=True)
class Sandbox:
    """One account, with those it talks to. `service_url` is where its webhooks go until they are set elsewhere;
    `account_status` may be `suspended`; `resets` counts them."""

    world: World
    service_url: str
    account: Account = OURS
    interactions: Interactions = field(init=False, default_factory=Interactions)
    ledger: Ledger = field(init=False)
    webhooks: Webhooks = field(init=False)
    switches: Switches = field(init=False, default_factory=Switches)
    account_status: str = field(init=False, default="active")
    resets: int = field(init=False, default=0)
    addresses: Addresses = field(init=False, default_factory=Addresses)
    calls: dict[str, Call] = field(init=False, default_factory=dict)
    happened: deque[Happened] = field(init=False, default_factory=lambda: deque(maxlen=EVENTS_KEPT))
    _late: set[asyncio.TimerHandle] = field(init=False, default_factory=set)
    _locks: "WeakValueDictionary[tuple[str, str], asyncio.Lock]" = field(
        init=False, default_factory=WeakValueDictionary
    )

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.world.now)
        self.webhooks = Webhooks(Targets.of(self.account, self.service_url), self.ledger, account=self.account)
        self.addresses.seed(self.world.now())
        self.world.workforce.settings = self._workspace_settings()

    @property
    def faults(self) -> Faults:
        """The faults in force."""
        return self.webhooks.faults

    def set_faults(self, faults: Faults) -> None:
        """Put these faults in force, in place of all others."""
        self.webhooks.faults = faults
        self.world.changes.tell("faults")

    async def reset(self) -> None:
        """An empty account: nothing under way, no faults, the recommended filters, the seeded workers."""
        self.resets += 1
        self.forget_late()
        await self.webhooks.forget()
        self.webhooks.targets = Targets.of(self.account, self.service_url)
        self.webhooks.service_targets = Targets.nowhere()
        self.webhooks.scoped.clear()
        self.interactions.all.clear()
        self.calls.clear()
        self.happened.clear()
        self.addresses.seed(self.world.now())
        self.webhooks.faults = Faults()
        self.switches = Switches()
        self.account_status = "active"
        self.ledger.clear()
        self.world.workforce.settings = self._workspace_settings()
        self.world.reset()

    def later(self, delay_s: float, work: Callable[[], None]) -> None:
        """Carry a write out after its client has been cut off."""

        def begin() -> None:
            self._late.discard(handle)
            work()

        handle = asyncio.get_running_loop().call_later(delay_s, begin)
        self._late.add(handle)

    def forget_late(self) -> None:
        """Carry out nothing any more of what was put off."""
        while self._late:
            self._late.pop().cancel()

    @asynccontextmanager
    async def pair_lock(self, address: str, proxy_address: str) -> AsyncIterator[None]:
        """The lock under which this pair looks for its conversation: two first messages make one. Raises HookRejected
        for who still waits at a reset."""
        resets = self.resets
        async with self._locks.setdefault((address, proxy_address), asyncio.Lock()):
            if self.resets != resets:
                raise HookRejected("the account was reset meanwhile")
            yield

    def publish(self, conversation: Conversation, draft: Draft, origin: Origin, told: bool = True) -> Message:
        """Publish a message and let its webhooks (when `told`) and its delivery follow."""
        message = self.world.publish(conversation, draft)
        if told:
            self.webhooks.post("onMessageAdded", origin, conversation.sid, events.message_added(conversation, message))
        self._wake(conversation, origin, told)
        for participant in conversation.channel_participants():
            if participant.sid != message.participant_sid:
                self._carry(conversation, message, participant)
        return message

    def set_state(self, conversation: Conversation, state: str, origin: Origin, reason: str, told: bool = True) -> None:
        """Change the state of a conversation; nothing happens when it has it already."""
        self.world.require_open(conversation)
        if state == conversation.state:
            return
        before = self.world.set_state(conversation, state)
        if told:
            parameters = events.state_updated(conversation, before, reason)
            self.webhooks.post("onConversationStateUpdated", origin, conversation.sid, parameters)

    def ring_timers(self) -> None:
        """Change the states of the conversations whose timers have run out (Twilio Docs, "States and Timers")."""
        for conversation, state in self.world.timed_out():
            self.set_state(conversation, state, API, "TIMER")

    def tell_workers(self, happened: Iterable[WorkerEvent]) -> None:
        """Keep what happened to workers, and send it to TaskRouter's event callback as far as its filter wants it."""
        settings, now = self.world.workforce.settings, self.world.now()
        wanted = {name.strip() for name in settings.events_filter.split(",") if name.strip()}
        for event in happened:
            parameters = events.worker(event, settings.friendly_name, now)
            self.happened.append(Happened(new_sid("EV"), self.world.next_ordinal(), now, parameters))
            if settings.event_callback_url and (not wanted or event.type in wanted):
                self.webhooks.taskrouter(settings.event_callback_url, parameters)

    def _wake(self, conversation: Conversation, origin: Origin, told: bool) -> None:
        if conversation.state == "inactive":
            self.set_state(conversation, "active", origin, "EVENT", told)

    def _carry(self, conversation: Conversation, message: Message, participant: Participant) -> None:
        """Bring a message to a channel participant: sent and delivered, or failed outside WhatsApp's window."""
        now = self.world.now()
        outside = message.content_sid is None and self._outside_window(conversation, participant)
        receipt = Receipt(
            sid=new_sid("DY"),
            ordinal=self.world.next_ordinal(),
            message_sid=message.sid,
            participant_sid=participant.sid,
            channel_message_sid=new_sid("MM" if message.media else "SM"),
            status="failed" if outside else "sent",
            error_code=OUTSIDE_WINDOW if outside else 0,
            created=now,
            updated=now,
        )
        message.receipts[receipt.sid] = receipt
        self._tell_delivery(conversation, receipt)
        if not outside:
            receipt.status = "delivered"
            self._tell_delivery(conversation, receipt)

    def _tell_delivery(self, conversation: Conversation, receipt: Receipt) -> None:
        parameters = events.delivery(conversation, receipt)
        self.webhooks.post("onDeliveryUpdated", API, conversation.sid, parameters)

    def _outside_window(self, conversation: Conversation, participant: Participant) -> bool:
        """Whether WhatsApp takes no free text now: the customer has not written for a day (error 63016)."""
        if not participant.binding or participant.binding.type != "whatsapp":
            return False
        since = self.world.now() - WHATSAPP_WINDOW
        return not any(
            message.participant_sid == participant.sid and message.created > since
            for message in reversed(conversation.messages.values())
        )

    def _workspace_settings(self) -> WorkspaceSettings:
        url = "" if self.account.is_flex else self.service_url.rstrip("/") + "/taskrouter-event"
        return WorkspaceSettings(event_callback_url=url, events_filter=seeds.WORKER_EVENTS)


SANDBOX = web.AppKey("sandbox", Sandbox)
FLEX = web.AppKey("flex", Sandbox)
FLEX_CONTROL = "/sandbox/flex/"


def sandbox_of(request: web.Request) -> Sandbox:
    """The account a request to the control API is about."""
    return request.app[FLEX if request.path.startswith(FLEX_CONTROL) else SANDBOX]

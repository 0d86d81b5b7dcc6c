"""The neighbours as a simulation plays them: one conversation in Twilio, an office of workers, a clock, and the store's
connection without its thread. Nothing here waits and nothing is random."""

# A port's method names all it is told, whether the player cares or not.
# ruff: noqa: ARG002

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from msgspec.structs import replace
from sqlalchemy import Connection

from orchestrator.errors import Gone
from orchestrator.ports import SYSTEM, Listed, Member, Published, Worker
from states.customers import Customer
from states.events import ConversationClosed
from states.facts import Fact, MessagePublished, ParticipantGone, ParticipantPresent
from storage.lanes import Due
from storage.unit import About, Unit

T = TypeVar("T")
CLOSED_CODE = 50377


@dataclass(slots=True)
class PlayedClock:
    """Milliseconds since 1970, where the simulation is."""

    now: int

    def __call__(self) -> int:
        return self.now


@dataclass(slots=True)
class PlayedWriter:
    """Runs each work in a part of one transaction. `started` gathers the effects that were marked running."""

    connection: Connection
    clock: PlayedClock
    started: list[Due] = field(default_factory=list)
    is_shared = False

    def now(self) -> int:
        """The time of the simulation."""
        return self.clock()

    async def run(self, work: Callable[[Unit], T], about: About | None = None, deadline: float | None = None) -> T:
        """The result of `work`; what raises leaves nothing behind."""
        with self.connection.begin_nested():
            unit = Unit(self.connection, self.clock())
            if about is not None:
                unit.read_ahead([about])
            result = work(unit)
            unit.flush()
        self.started += unit.lanes.started
        return result


@dataclass(slots=True)
class PlayedTwilio:
    """One conversation. `lag_ms`: how long its lists are behind."""

    sid: str
    clock: PlayedClock
    lag_ms: int = 0
    next_index: int = 0
    state: str = "active"
    _messages: dict[int, tuple[int, Published]] = field(default_factory=dict)
    _members: dict[str, Member] = field(default_factory=dict)
    _came: dict[str, int] = field(default_factory=dict)

    def happen(self, fact: Fact) -> Fact:
        """Let something happen; the fact as its webhook tells it, a message with its index."""
        match fact:
            case MessagePublished():
                fact = replace(fact, index=self.next_index)
                self._publish(fact.message_sid, fact.author, fact.body, fact.participant_sid)
            case ParticipantPresent():
                who = Member(fact.participant_sid, fact.identity, fact.address, fact.proxy_address)
                self._enter(who)
            case ParticipantGone():
                self._members.pop(fact.participant_sid, None)
            case ConversationClosed():
                self.state = "closed"
        return fact

    def customers_messages(self) -> set[str]:
        """The SIDs of what was not written by us or a worker."""
        channel = {who.participant_sid for who in self._members.values() if who.address}
        return {message.message_sid for _at, message in self._messages.values() if message.participant_sid in channel}

    async def send_message(
        self,
        sid: str,
        body: str,
        key: str,
        service_sid: str | None = None,
        author: str = SYSTEM,
        media_sid: str | None = None,
    ) -> Published:
        """See the port."""
        self._require_open()
        return self._publish(f"IM{self.next_index:032x}", author, body, None, key)

    async def send_template(
        self,
        sid: str,
        content_sid: str,
        variables: dict[str, str],
        key: str,
        service_sid: str | None = None,
        author: str = SYSTEM,
    ) -> Published:
        """See the port."""
        return await self.send_message(sid, content_sid, key, service_sid, author)

    async def find_sent(
        self, sid: str, key: str, after_index: int, service_sid: str | None = None, author: str = SYSTEM
    ) -> Published | None:
        """See the port."""
        return next((message for _at, message in self._messages.values() if message.tag == key), None)

    async def add_participant(self, sid: str, identity: str, service_sid: str | None = None) -> Member:
        """See the port."""
        self._require_open()
        present = next((who for who in self._members.values() if who.identity == identity), None)
        added = present or Member(f"MB{self.next_index + 4096:032x}", identity, None, None)
        self._enter(added)
        return added

    async def remove_participant(self, sid: str, participant_sid: str, service_sid: str | None = None) -> None:
        """See the port."""
        self._members.pop(participant_sid, None)

    async def close_conversation(self, sid: str, service_sid: str | None = None) -> None:
        """See the port."""
        self.state = "closed"

    async def set_friendly_name(self, sid: str, name: str, service_sid: str | None = None) -> None:
        """See the port."""

    async def set_participant_attributes(
        self,
        sid: str,
        participant_sid: str | None,
        address: str | None,
        attributes: dict[str, str],
        service_sid: str | None = None,
    ) -> None:
        """See the port."""

    async def messages(self, sid: str, after_index: int, service_sid: str | None = None) -> list[Published]:
        """See the port."""
        old_enough = self.clock() - self.lag_ms
        return [m for index, (at, m) in sorted(self._messages.items()) if index > after_index and at <= old_enough]

    async def members(self, sid: str, service_sid: str | None = None) -> list[Member]:
        """See the port."""
        old_enough = self.clock() - self.lag_ms
        return [who for sid, who in self._members.items() if self._came[sid] <= old_enough]

    async def has_member(self, sid: str, participant_sid: str, service_sid: str | None = None) -> bool:
        """See the port."""
        return participant_sid in self._members

    async def conversation(self, sid: str, service_sid: str | None = None) -> Listed:
        """See the port."""
        return Listed(self.sid, None, self.state, None, "")

    async def by_address(self, address: str, proxy_address: str | None) -> Listed | None:
        """See the port."""
        return None

    async def created_since(self, since: str) -> list[Listed]:
        """See the port."""
        return []

    def _enter(self, who: Member) -> None:
        self._members[who.participant_sid] = who
        self._came.setdefault(who.participant_sid, self.clock())

    def _publish(
        self, message_sid: str, author: str, body: str, participant_sid: str | None, tag: str | None = None
    ) -> Published:
        message = Published(message_sid, self.next_index, author, body, 0, participant_sid, "", tag)
        self._messages[self.next_index] = self.clock(), message
        self.next_index += 1
        return message

    def _require_open(self) -> None:
        if self.state == "closed":
            raise Gone("the conversation is closed", 400, CLOSED_CODE)


@dataclass(frozen=True, slots=True)
class PlayedOffice:
    """Workers who are all available."""

    workers: tuple[Worker, ...]

    async def everyone(self) -> list[Worker]:
        """See the port."""
        return list(self.workers)

    async def available(self, queue_sid: str | None = None) -> list[Worker]:
        """See the port."""
        return [] if queue_sid else list(self.workers)

    async def queues(self) -> dict[str, str]:
        """See the port."""
        return {}

    async def fetch(self, worker_sid: str) -> Worker:
        """See the port."""
        return next(worker for worker in self.workers if worker.sid == worker_sid)

    async def set_last_accepted(self, worker_sid: str, at_ms: int) -> None:
        """See the port."""

    async def set_available(self, worker_sid: str, available: bool) -> None:
        """See the port."""


class PlayedCrm:
    """A CRM that knows nobody."""

    async def find_by_address(self, address: str) -> Customer | None:
        """See the port."""
        return None

    async def find(self, customer_id: str) -> Customer | None:
        """See the port."""
        return None

    async def customers(self, worker: str, page_size: int, after: str | None, query: str | None) -> list[Customer]:
        """See the port."""
        return []

"""One Protocol per neighbour. Ports speak our dataclasses and raise our errors; only adapters know a vendor's
spelling."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from states.customers import Customer

SYSTEM = "system"
"""The author of what the program says in its own name."""


@dataclass(frozen=True, slots=True)
class Published:
    """A message as the record of the conversation has it. `tag` is the effect key it carries, and true only where the
    author is that effect's: a customer in a chat may tag what he likes."""

    message_sid: str
    index: int
    author: str
    body: str
    media: int
    participant_sid: str | None
    created_at: str
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A participant as the record has him: a channel customer has an address, a chat user an identity."""

    participant_sid: str
    identity: str | None
    address: str | None
    proxy_address: str | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A conversation as the record has it. `state` is Twilio's: active, inactive, closed, initializing."""

    conversation_sid: str
    service_sid: str | None
    state: str
    friendly_name: str | None
    created_at: str


@dataclass(frozen=True, slots=True)
class TemplateText:
    """What an approved template says: its body with `{{gap}}` in it, and a sample of what stands in each gap."""

    body: str
    samples: dict[str, str]


class TemplateTexts(Protocol):
    """The neighbour that knows what approved templates say."""

    async def read(self, content_sid: str) -> TemplateText:
        """What a template says. Raises an `EffectError`."""


class Conversations(Protocol):
    """The neighbour that carries messages. `service_sid` scopes a call to the service the conversation lives in.

    Every method raises an `EffectError` of `orchestrator.errors`, and nothing else, when it did not succeed.
    """

    async def send_message(
        self,
        sid: str,
        body: str,
        key: str,
        service_sid: str | None = None,
        author: str = SYSTEM,
        media_sid: str | None = None,
    ) -> Published:
        """Publish `body`, or else a medium that was kept before, under `author`, tagged with the effect key."""

    async def send_template(
        self,
        sid: str,
        content_sid: str,
        variables: dict[str, str],
        key: str,
        service_sid: str | None = None,
        author: str = SYSTEM,
    ) -> Published:
        """Publish an approved template with its gaps filled, tagged with the effect key."""

    async def find_sent(
        self, sid: str, key: str, after_index: int, service_sid: str | None = None, author: str = SYSTEM
    ) -> Published | None:
        """The message of `author` tagged `key`, looking from the newest back to `after_index` (exclusive)."""

    async def add_participant(self, sid: str, identity: str, service_sid: str | None = None) -> Member:
        """Add a worker; one who is there already is a success."""

    async def remove_participant(self, sid: str, participant_sid: str, service_sid: str | None = None) -> None:
        """Take somebody out; one who is not there is a success."""

    async def close_conversation(self, sid: str, service_sid: str | None = None) -> None:
        """Close the conversation for good; one that is closed or removed already is a success."""

    async def set_friendly_name(self, sid: str, name: str, service_sid: str | None = None) -> None:
        """Name the conversation (at most 256 characters)."""

    async def set_participant_attributes(
        self,
        sid: str,
        participant_sid: str | None,
        address: str | None,
        attributes: dict[str, str],
        service_sid: str | None = None,
    ) -> None:
        """Merge into the participant's attributes, all other keys kept, within 4 KB."""

    async def messages(self, sid: str, after_index: int, service_sid: str | None = None) -> list[Published]:
        """All messages with an index above `after_index`, in the order of index."""

    async def members(self, sid: str, service_sid: str | None = None) -> list[Member]:
        """Everybody who is in the conversation; who came a moment ago may be missing."""

    async def has_member(self, sid: str, participant_sid: str, service_sid: str | None = None) -> bool:
        """Whether this participant is in the conversation at this moment."""

    async def conversation(self, sid: str, service_sid: str | None = None) -> Listed:
        """The conversation itself."""

    async def by_address(self, address: str, proxy_address: str | None) -> Listed | None:
        """The open conversation this customer's address has with the proxy address, if there is one."""

    async def created_since(self, since: str) -> list[Listed]:
        """Open conversations created at or after `since` (ISO 8601, UTC)."""


class Openings(Protocol):
    """The neighbour that carries messages, as whoever starts a conversation needs it. Raises an `EffectError` when it
    did not succeed."""

    async def create(self, unique_name: str, friendly_name: str) -> Listed:
        """An active conversation without anybody in it; the one of this unique name where there is one already, which
        may be closed by now."""

    async def add_participant(self, sid: str, identity: str, service_sid: str | None = None) -> Member:
        """Add somebody by his identity; one who is there already is a success."""

    async def add_address(self, sid: str, address: str, proxy_address: str, service_sid: str | None = None) -> Member:
        """Add a customer by his address; one who is there already is a success. Raises PairTaken where another open
        conversation has this pair."""

    async def by_address(self, address: str, proxy_address: str | None) -> Listed | None:
        """The open conversation this customer's address has with the proxy address, if there is one."""

    async def close_conversation(self, sid: str, service_sid: str | None = None) -> None:
        """Close a conversation for good; one that is closed or removed already is a success."""


@dataclass(frozen=True, slots=True)
class FlexLook:
    """What stands in a conversation in Flex. `messages`: beyond the index asked for, in order, ours among them (they
    carry a tag); `agents`: who is in it; `ended`: it is closed, inactive or gone."""

    messages: Sequence[Published] = ()
    agents: tuple[str, ...] = ()
    ended: bool = False


class Flex(Protocol):
    """Flex, another account, with agents of its own. Every method raises an `EffectError`, and nothing else, when it
    did not succeed; what is closed or gone there is Rejected, for nothing of ours is."""

    async def open(self, unique_name: str, friendly_name: str, event_url: str) -> str:
        """The conversation of this unique name, made where there is none, which tells `event_url` what happens in it;
        its SID."""

    async def post(self, flex_sid: str, author: str, body: str, key: str) -> str:
        """Publish a message there, tagged with a key; its SID."""

    async def posted(self, flex_sid: str) -> dict[str, str]:
        """The keys our messages there carry, each with its message's SID."""

    async def invite(self, flex_sid: str, attributes: dict[str, str]) -> str:
        """Ask for an agent in that conversation: an Interaction; its SID."""

    async def invited(self, flex_sid: str) -> str | None:
        """The Interaction that was asked for in that conversation before, if there is one."""

    async def look(self, flex_sid: str, after_index: int) -> FlexLook:
        """What stands there beyond an index, and who is there."""

    async def close(self, flex_sid: str) -> None:
        """Close the conversation there; one that is closed or removed already is a success."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """What is attached to a message. `size` in bytes."""

    media_sid: str
    content_type: str
    size: int


class Attachments(Protocol):
    """The neighbour that keeps what messages carry. Raises an `EffectError` when it did not succeed."""

    async def of_message(self, sid: str, message_sid: str, service_sid: str | None) -> list[Attachment]:
        """What is attached to a message, in order."""

    async def content(self, sid: str, service_sid: str | None, media_sid: str, limit: int) -> bytes:
        """The bytes of an attachment. Raises Rejected where there are more than `limit`."""

    async def keep(self, sid: str, service_sid: str | None, content: bytes, content_type: str) -> str:
        """Keep what is to be attached to a message; its MediaSid."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A TaskRouter worker. `last_accepted_task_time` in milliseconds; None: the attribute says nothing, or was not
    shown (`attributes_shown` false). `rings_at`: where he takes calls, `+1555…`, `sip:…` or `client:…`."""

    sid: str
    identity: str
    available: bool
    last_accepted_task_time: int | None = None
    attributes_shown: bool = True
    rings_at: str | None = None


class Workers(Protocol):
    """The neighbour that knows who works here. Raises an `EffectError` when it did not succeed."""

    async def everyone(self) -> list[Worker]:
        """All workers of the workspace."""

    async def available(self, queue_sid: str | None = None) -> list[Worker]:
        """The available workers of a task queue, of the configured one where none is named."""

    async def queues(self) -> dict[str, str]:
        """The workspace's task queues: name to SID."""

    async def fetch(self, worker_sid: str) -> Worker:
        """One worker, attributes shown."""

    async def set_last_accepted(self, worker_sid: str, at_ms: int) -> None:
        """Set `lastAcceptedTaskTime` to the later of `at_ms` and what is there, leaving other attributes alone."""

    async def set_available(self, worker_sid: str, available: bool) -> None:
        """Switch a worker to an activity in which he is available, or to one in which he is not."""


@dataclass(frozen=True, slots=True)
class Question:
    """One customer message, as a bot sees it. `tries`: how many messages of this turn it was asked before; `language`:
    the customer's, as a tag, where it is known."""

    conversation_sid: str
    message_sid: str
    author: str
    body: str
    state: str
    tries: int = 0
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a bot says (may be empty only where it routes, asks again or closes) and where the customer goes.

    `identity`: for route email; `queue`: for route queue, a task queue's name or SID; route last is to whom he talked
    to last. `more`: texts after `message`. `choices`: what is offered, and what the bot is told when it is chosen.
    `told`: what it learned of the customer, keys of `bots.contract.TOLD`. `again`: it did not understand and asks once
    more. `closes`: the conversation is over.
    """

    message: str
    route: Literal["no", "agent", "email", "queue", "last", "flex"]
    identity: str | None = None
    more: tuple[str, ...] = ()
    choices: dict[str, str] = field(default_factory=dict)
    queue: str | None = None
    told: dict[str, str] = field(default_factory=dict)
    again: bool = False
    closes: bool = False


class Bot(Protocol):
    """The neighbour that talks until a person does."""

    async def reply(self, question: Question) -> Answer:
        """Answer one message. Raises `BotUnusable` when it is silent, dead or talks nonsense."""


class Crm(Protocol):
    """The neighbour that knows the customers. Raises `CrmUnavailable` when it cannot answer now."""

    async def find_by_address(self, address: str) -> Customer | None:
        """The customer with this address on any channel, whatever its spelling or prefix."""

    async def find(self, customer_id: str) -> Customer | None:
        """The customer with this id, compared as text."""

    async def customers(self, worker: str, page_size: int, after: str | None, query: str | None) -> Sequence[Customer]:
        """Up to `page_size` customers of this worker, after the customer with id `after`, matching `query`. Customers
        are his own where the CRM says who owns whom, and all of them where it says nothing."""

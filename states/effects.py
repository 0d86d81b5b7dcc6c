"""What a decision asks of the world, in the imperative. A class's snake_case name is the effect's kind.

Every effect runs in a lane, one at a time, oldest first; lanes run side by side. So a CRM that is down delays a name
and never a reply, a bot that is still thinking delays no search for a worker, and a reply never overtakes the one
before it.
"""

from dataclasses import dataclass
from typing import ClassVar

from states.names import ConversationSid, MessageSid, ParticipantSid, WorkerSid


@dataclass(frozen=True, slots=True)
class SendMessage:
    """Publish a message. `author`: `system`, or the identity of the worker who wrote it; `media`: the MediaSid of a
    picture, which is published without a body, for channels drop the body beside it."""

    lane: ClassVar[str] = "customer"
    body: str
    author: str = "system"
    media: str | None = None


@dataclass(frozen=True, slots=True)
class SendTemplate:
    """Publish an approved template, which a channel takes when it takes no free text. `content_sid`: the template
    (`HX…`), `name`: what people here call it, `variables`: what stands in its gaps."""

    lane: ClassVar[str] = "customer"
    content_sid: str
    variables: dict[str, str]
    author: str
    name: str

    @property
    def body(self) -> str:
        """What people here read of it: the text itself is Twilio's."""
        filled = ", ".join(self.variables.values())
        return f"[{self.name}] {filled}".rstrip()


@dataclass(frozen=True, slots=True)
class AddParticipant:
    """Add a worker by his identity."""

    lane: ClassVar[str] = "customer"
    identity: str


@dataclass(frozen=True, slots=True)
class RemoveParticipant:
    """Take a worker out of the conversation."""

    lane: ClassVar[str] = "customer"
    participant_sid: ParticipantSid
    identity: str


@dataclass(frozen=True, slots=True)
class CloseConversation:
    """Close the conversation, for good."""

    lane: ClassVar[str] = "customer"


@dataclass(frozen=True, slots=True)
class AskBot:
    """Ask the bot about one customer message. `tries`: how many messages of this turn it was asked before; `language`:
    the customer's, where it is known."""

    lane: ClassVar[str] = "ask"
    message_sid: MessageSid
    author: str
    body: str
    state: str
    turn: int
    tries: int = 0
    language: str | None = None


@dataclass(frozen=True, slots=True)
class FindWorker:
    """Find the worker whose identity is this address. `turn`: the search it belongs to; `quiet`: say nothing if nobody
    has it."""

    lane: ClassVar[str] = "find"
    address: str
    turn: int
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class FindLast:
    """Find the worker the customer knows: his owner, the one he talked to last, or who covers for them. `turn`: the
    search it belongs to; `customer_id`: his, where the CRM has told it."""

    lane: ClassVar[str] = "find"
    turn: int
    address: str | None
    customer_id: str | None = None


@dataclass(frozen=True, slots=True)
class FindLongestIdle:
    """Choose the available worker of the queue who has been idle longest, none of `excluding`. `turn`: the search it
    belongs to; `queue`: its SID or its name, None for the configured one."""

    lane: ClassVar[str] = "find"
    turn: int
    excluding: tuple[str, ...] = ()
    queue: str | None = None


@dataclass(frozen=True, slots=True)
class FindCustomer:
    """Ask the CRM who writes from this address (`+1555…`, `whatsapp:+1555…`, or a chat identity)."""

    lane: ClassVar[str] = "side"
    address: str


@dataclass(frozen=True, slots=True)
class SetFriendlyName:
    """Name the conversation after its customer."""

    lane: ClassVar[str] = "side"
    name: str


@dataclass(frozen=True, slots=True)
class SetParticipantAttributes:
    """Merge what the CRM knows into the customer participant's attributes. Without a SID he is found by address."""

    lane: ClassVar[str] = "side"
    participant_sid: ParticipantSid | None
    address: str | None
    attributes: dict[str, str]


@dataclass(frozen=True, slots=True)
class SetWorkerAttributes:
    """Set a worker's lastAcceptedTaskTime (milliseconds since 1970), leaving his other attributes alone."""

    lane: ClassVar[str] = "worker"
    worker_sid: WorkerSid
    last_accepted_task_time: int


Effect = (
    SendMessage
    | SendTemplate
    | AddParticipant
    | RemoveParticipant
    | CloseConversation
    | AskBot
    | FindWorker
    | FindLast
    | FindLongestIdle
    | FindCustomer
    | SetFriendlyName
    | SetParticipantAttributes
    | SetWorkerAttributes
)


def lane_of(effect: Effect, conversation_sid: ConversationSid) -> str:
    """The lane of an effect: `CH…/customer`, `…/ask`, `…/find` or `…/side`, or `WK…` for one worker's attributes."""
    if isinstance(effect, SetWorkerAttributes):
        return effect.worker_sid
    return f"{conversation_sid}/{effect.lane}"

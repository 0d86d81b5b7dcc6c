"""What a decision asks of the world, in the imperative. A class's snake_case name is the effect's kind.

Every effect runs in a lane, one at a time, oldest first; lanes run side by side. So a CRM that is down delays a name
and never a reply, a bot that is still thinking delays no search for a worker, and a reply never overtakes the one
before it.
"""

from typing import ClassVar

from states.names import ConversationSid, MessageSid, ParticipantSid, WorkerSid
from states.values import Kind


class SendMessage(Kind, frozen=True):
    """Publish a message. `author`: `system`, or the identity of the worker who wrote it; `media`: the MediaSid of a
    picture, which is published without a body, for channels drop the body beside it."""

    lane: ClassVar[str] = "customer"
    body: str
    author: str = "system"
    media: str | None = None


class SendTemplate(Kind, frozen=True):
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


class AddParticipant(Kind, frozen=True):
    """Add a worker by his identity."""

    lane: ClassVar[str] = "customer"
    identity: str


class RemoveParticipant(Kind, frozen=True):
    """Take a worker out of the conversation."""

    lane: ClassVar[str] = "customer"
    participant_sid: ParticipantSid
    identity: str


class CloseConversation(Kind, frozen=True):
    """Close the conversation, for good."""

    lane: ClassVar[str] = "customer"


class AskBot(Kind, frozen=True):
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


class FindWorker(Kind, frozen=True):
    """Find the worker whose identity is this address. `turn`: the search it belongs to; `quiet`: say nothing if nobody
    has it."""

    lane: ClassVar[str] = "find"
    address: str
    turn: int
    quiet: bool = False


class FindLast(Kind, frozen=True):
    """Find the worker the customer knows: his owner, the one he talked to last, or who covers for them. `turn`: the
    search it belongs to; `customer_id`: his, where the CRM has told it."""

    lane: ClassVar[str] = "find"
    turn: int
    address: str | None
    customer_id: str | None = None


class FindLongestIdle(Kind, frozen=True):
    """Choose the available worker of the queue who has been idle longest, none of `excluding`. `turn`: the search it
    belongs to; `queue`: its SID or its name, None for the configured one."""

    lane: ClassVar[str] = "find"
    turn: int
    excluding: tuple[str, ...] = ()
    queue: str | None = None


class FindCustomer(Kind, frozen=True):
    """Ask the CRM who writes from this address (`+1555…`, `whatsapp:+1555…`, or a chat identity)."""

    lane: ClassVar[str] = "side"
    address: str


class SetFriendlyName(Kind, frozen=True):
    """Name the conversation after its customer."""

    lane: ClassVar[str] = "side"
    name: str


class SetParticipantAttributes(Kind, frozen=True):
    """Merge what the CRM knows into the customer participant's attributes. Without a SID he is found by address."""

    lane: ClassVar[str] = "side"
    participant_sid: ParticipantSid | None
    address: str | None
    attributes: dict[str, str]


class SetWorkerAttributes(Kind, frozen=True):
    """Set a worker's lastAcceptedTaskTime (milliseconds since 1970), leaving his other attributes alone."""

    lane: ClassVar[str] = "worker"
    worker_sid: WorkerSid
    last_accepted_task_time: int


# What goes to Flex, another account: one lane, so that it is in order there, and delays nothing here.


class OpenInFlex(Kind, frozen=True):
    """Make the conversation of a stay in Flex, named after the customer. `stay`: its key."""

    lane: ClassVar[str] = "flex"
    stay: str
    name: str


class CopyToFlex(Kind, frozen=True):
    """Bring the messages up to this index there, and whatever is not the customer's since."""

    lane: ClassVar[str] = "flex"
    stay: str
    flex_sid: str
    upto: int
    name: str


class InviteFlex(Kind, frozen=True):
    """Ask Flex for an agent in that conversation. `attributes`: what the routing there may go by."""

    lane: ClassVar[str] = "flex"
    stay: str
    flex_sid: str
    attributes: dict[str, str]


class RelayToFlex(Kind, frozen=True):
    """Publish the customer's message there. `message_sid`: the one here."""

    lane: ClassVar[str] = "flex"
    stay: str
    flex_sid: str
    author: str
    body: str
    message_sid: MessageSid


class ReadFlex(Kind, frozen=True):
    """See what is new there. `left`: somebody has left."""

    lane: ClassVar[str] = "flex_read"
    flex_sid: str
    left: bool = False


class CloseInFlex(Kind, frozen=True):
    """Close the conversation there, though ours may be closed already."""

    lane: ClassVar[str] = "flex_end"
    flex_sid: str


class LeaveNote(Kind, frozen=True):
    """Note something for the workers, which the customer never sees."""

    lane: ClassVar[str] = "side"
    author: str
    body: str


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
    | OpenInFlex
    | CopyToFlex
    | InviteFlex
    | RelayToFlex
    | ReadFlex
    | CloseInFlex
    | LeaveNote
)


def lane_of(effect: Effect, conversation_sid: ConversationSid) -> str:
    """The lane of an effect: `CH…/customer`, `…/ask`, `…/find` or `…/side`, or `WK…` for one worker's attributes. What
    must be done for a conversation that is closed has a lane of another beginning."""
    if isinstance(effect, SetWorkerAttributes):
        return effect.worker_sid
    if isinstance(effect, CloseInFlex):
        return f"{effect.lane}/{conversation_sid}"
    return f"{conversation_sid}/{effect.lane}"

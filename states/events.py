"""The facts that reach a conversation, in the past tense. A class's snake_case name is its trigger in the table.

An event carries all the machine needs to decide again: who wrote (a customer, by the time it is an event), whether a
route exists at all, which turn of the bot an answer belongs to. Nothing here is Twilio's spelling.
"""

from typing import Literal

from states.calls import Outcome
from states.names import MessageSid, ParticipantSid, WorkerSid
from states.values import Kind

Route = Literal["no", "agent", "email", "queue", "last", "flex"]
Goal = Literal["bot", "agent", "email"]


class ConversationStarted(Kind, frozen=True):
    """Twilio told of a new conversation, with the pair of addresses it joins and the name it has."""

    address: str | None
    proxy_address: str | None
    friendly_name: str | None = None


class CustomerJoined(Kind, frozen=True):
    """A customer is a participant: by an address (a channel) or by an identity (chat)."""

    participant_sid: ParticipantSid
    address: str | None = None
    proxy_address: str | None = None
    identity: str | None = None


class MessageReceived(Kind, frozen=True):
    """A customer wrote. `late`: messages with a higher index were decided before it; `language`: what his words are in,
    where it shows (a tag such as `fr`); `stopped`: whether he has said STOP, where that is not what the snapshot says
    (he may have said it in another conversation)."""

    message_sid: MessageSid
    index: int
    author: str
    body: str
    media: int = 0
    participant_sid: ParticipantSid | None = None
    late: bool = False
    language: str | None = None
    stopped: bool | None = None


class WorkerJoined(Kind, frozen=True):
    """A worker is a participant: Twilio said so."""

    identity: str
    participant_sid: ParticipantSid


class WorkerLeft(Kind, frozen=True):
    """A worker is no longer a participant."""

    participant_sid: ParticipantSid
    identity: str | None = None


class BotReplied(Kind, frozen=True):
    """The bot's answer to one message. `identity` is the address it names when `route` is `email`; `turn` is the turn
    of the bot in which it was asked; `routable` is false where no TaskRouter workspace is configured, `flex` true where
    Flex is.

    `more`: texts after `message`. `choices`: what is offered, and what the bot is told when it is chosen. `queue`: the
    task queue when `route` is `queue`, None for the usual one. `told`: what the bot learned of the customer. `again`:
    it did not understand and asks once more. `closes`: there is nothing more to say.
    """

    message_sid: MessageSid
    message: str
    route: Route
    turn: int
    identity: str | None = None
    routable: bool = True
    more: tuple[str, ...] = ()
    choices: dict[str, str] | None = None
    queue: str | None = None
    told: dict[str, str] | None = None
    again: bool = False
    closes: bool = False
    flex: bool = False


class BotFailed(Kind, frozen=True):
    """The bot was silent, dead or talked nonsense about one message."""

    message_sid: MessageSid
    turn: int
    reason: str
    routable: bool = True


class WorkerFound(Kind, frozen=True):
    """A worker was chosen, and claimed in the same transaction. `at_ms`: his new lastAcceptedTaskTime; `turn`: the
    search he was found in; `considered`: where the customer asked for whom he knows, what became of each candidate."""

    identity: str
    worker_sid: WorkerSid
    at_ms: int
    turn: int
    named: bool = False
    considered: tuple[str, ...] = ()


class NoSuchWorker(Kind, frozen=True):
    """The address belongs to no worker of the workspace. `turn`: the search it was looked for in; `quiet`: the customer
    was already waiting."""

    address: str
    turn: int
    quiet: bool = False


class NobodyAvailable(Kind, frozen=True):
    """No worker of the queue is available now. `turn`: the search that found nobody."""

    turn: int


class LastWorkerAway(Kind, frozen=True):
    """Nobody whom the customer knows is there. `turn`: the search that found nobody; `name`: of whom he would have got;
    `considered`: what became of each candidate."""

    turn: int
    name: str | None = None
    considered: tuple[str, ...] = ()


class CustomerFound(Kind, frozen=True):
    """The CRM knows who writes from this address. `language`: a BCP 47 tag."""

    customer_id: str
    display_name: str
    avatar: str | None = None
    language: str | None = None


class EffectFailed(Kind, frozen=True):
    """An effect was rejected, or its deadline passed. `effect`: its kind; `identity`: of the worker who could not be
    added."""

    key: str
    effect: str
    reason: str
    identity: str | None = None


class CustomerOptedOut(Kind, frozen=True):
    """Twilio takes nothing for this customer any more: he has said STOP to our senders (error 21610)."""

    reason: str = ""


class CustomerOptedIn(Kind, frozen=True):
    """This customer has said START in another of his conversations."""

    address: str


class ConversationClosed(Kind, frozen=True):
    """The conversation is closed or removed; both are final."""

    reason: str = ""


# What people do who are signed in: `by` is the login of whoever did it, `reason` what he said about it.


class WorkerWrote(Kind, frozen=True):
    """A worker wrote to the customer, through us. `media`: the MediaSid of the picture he sends with it."""

    identity: str
    body: str
    by: str = ""
    media: str | None = None


class WorkerSentTemplate(Kind, frozen=True):
    """A worker sent an approved template to the customer, through us. `name`: what people here call it."""

    identity: str
    name: str
    content_sid: str
    variables: dict[str, str]
    by: str = ""


class HandedToWorker(Kind, frozen=True):
    """Somebody gave the customer to this worker, perhaps to himself. He was claimed in the same transaction, unless he
    is there already; `worker_sid`: None where he is no worker of TaskRouter; `at_ms`: his new lastAcceptedTaskTime."""

    identity: str
    worker_sid: WorkerSid | None
    at_ms: int
    by: str = ""
    reason: str = ""


class HandedToQueue(Kind, frozen=True):
    """Somebody gave the customer to whoever is available."""

    by: str = ""
    reason: str = ""


class HandedToBot(Kind, frozen=True):
    """Somebody gave the customer back to the bot."""

    by: str = ""
    reason: str = ""


class CloseAsked(Kind, frozen=True):
    """Somebody wants the conversation closed."""

    by: str = ""
    reason: str = ""


class CallEnded(Kind, frozen=True):
    """The customer called and was put through to the worker `identity`. `duration_s`: how long they talked."""

    call_sid: str
    outcome: Outcome = "answered"
    identity: str | None = None
    duration_s: int = 0
    direction: str = "inbound"


class CallMissed(Kind, frozen=True):
    """The customer called, and nobody talked with him. `identity`: the worker the call was for; `wanted`: he asked for
    this worker, who can be looked for; `language`: what was spoken with him."""

    call_sid: str
    outcome: Outcome
    identity: str | None = None
    wanted: bool = False
    language: str = "en"
    duration_s: int = 0
    direction: str = "inbound"


class HandedToFlex(Kind, frozen=True):
    """Somebody gave the customer to Flex, another account."""

    by: str = ""
    reason: str = ""


# What Flex tells. `stay`: the key of the stay it is about; `flex_sid`: the conversation there.


class FlexOpened(Kind, frozen=True):
    """The stay's conversation is there. `upto`: how far ours was read then."""

    stay: str
    flex_sid: str
    upto: int


class FlexJoined(Kind, frozen=True):
    """Flex has taken the customer: an Interaction brings agents into the conversation."""

    stay: str
    flex_sid: str
    interaction_sid: str


class FlexStirred(Kind, frozen=True):
    """Something happened there. `left`: somebody has left."""

    flex_sid: str
    left: bool = False


class FlexWrote(Kind, frozen=True):
    """An agent wrote there."""

    flex_sid: str
    message_sid: MessageSid
    index: int
    author: str
    body: str
    media: int = 0


class FlexSeen(Kind, frozen=True):
    """Who is there now, and whether it is over there."""

    flex_sid: str
    agents: tuple[str, ...] = ()
    ended: bool = False
    reason: str = ""


class CustomerTransferred(Kind, frozen=True):
    """Flex gave us a customer. `to`: where he goes; `identity`: the worker's, for `email`; `routable`: whether anybody
    can be looked for."""

    key: str
    to: Goal
    identity: str | None = None
    routable: bool = True


Event = (
    ConversationStarted
    | CustomerJoined
    | MessageReceived
    | WorkerJoined
    | WorkerLeft
    | BotReplied
    | BotFailed
    | WorkerFound
    | NoSuchWorker
    | NobodyAvailable
    | LastWorkerAway
    | CustomerFound
    | EffectFailed
    | CustomerOptedOut
    | CustomerOptedIn
    | ConversationClosed
    | WorkerWrote
    | WorkerSentTemplate
    | HandedToWorker
    | HandedToQueue
    | HandedToBot
    | CloseAsked
    | CallEnded
    | CallMissed
    | HandedToFlex
    | FlexOpened
    | FlexJoined
    | FlexStirred
    | FlexWrote
    | FlexSeen
    | CustomerTransferred
)

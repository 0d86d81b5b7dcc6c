"""Conversation, the stored snapshot: everything the machine remembers between two events; and what a decision is."""

from typing import NamedTuple

from states.effects import Effect
from states.names import ConversationSid, ParticipantSid, WorkerSid
from states.values import Value


class Profile(Value, frozen=True):
    """Who the customer is, as the CRM says."""

    customer_id: str
    display_name: str
    avatar: str | None = None


class Present(Value, frozen=True):
    """A worker who is a participant now."""

    identity: str
    participant_sid: ParticipantSid


class Claim(Value, frozen=True):
    """A worker chosen for this conversation whom Twilio has not yet let join. `worker_sid`: None for somebody who took
    it over and is no worker of TaskRouter; `named`: the customer named him."""

    identity: str
    worker_sid: WorkerSid | None
    at_ms: int
    named: bool


FLEX = "flex"
"""The identity of the worker a conversation shows while Flex has its customer."""


class FlexStay(Value, frozen=True):
    """A customer's stay in Flex, another account. `key`: the conversation and the version that asked for it; `sid`: its
    conversation there, empty until it is made; `upto`: the last index that is in the history which went with him;
    `seen`: the last index there that was passed on; `joined`: Flex has him; `agents`: who is in it there;
    `queued_since`: he was in the queue before."""

    key: str
    sid: str = ""
    upto: int = -1
    seen: int = -1
    joined: bool = False
    agents: tuple[str, ...] = ()
    queued_since: int | None = None
    reason: str = ""


class Conversation(Value, frozen=True):
    """One conversation at one version. Times are milliseconds since 1970.

    `turn` counts how often the bot's turn has ended, so that an answer that comes late is known; `asked` counts the
    messages the bot was asked about in this turn; `enriching` is true once the CRM was asked; `gone` keeps the
    participants who left, for their joining may be told after it; `refused` are workers who could not be added.
    `relieved` are those who leave once the claimed worker has joined; `leaving` those whose removal was asked for, who
    serve the customer no more; `withdrawn` are claims nobody wants any more, whose worker may still be let in.
    `language`: what the customer is spoken to in, as a tag, None until it is known; `told`: what the bot learned of
    him, which nobody has checked; `offered`: the choices of the bot's last answer; `queue`: the task queue he is
    looked for or waits in, None for the configured one;
    `silenced` are the addresses of those customers who have said STOP: as long as there are any, nothing is said.
    `flex`: the customer is on his way to another account, or there.
    """

    sid: ConversationSid
    created_at: int
    updated_at: int
    state: str = "greeting"
    version: int = 0
    address: str | None = None
    proxy_address: str | None = None
    customer_sid: ParticipantSid | None = None
    customer: Profile | None = None
    enriching: bool = False
    workers: tuple[Present, ...] = ()
    gone: tuple[ParticipantSid, ...] = ()
    turn: int = 0
    asked: int = 0
    claim: Claim | None = None
    waiting_since: int | None = None
    refused: tuple[str, ...] = ()
    relieved: tuple[ParticipantSid, ...] = ()
    leaving: tuple[Present, ...] = ()
    withdrawn: tuple[Claim, ...] = ()
    language: str | None = None
    told: dict[str, str] | None = None
    offered: dict[str, str] | None = None
    queue: str | None = None
    silenced: tuple[str, ...] = ()
    flex: FlexStay | None = None


class KeyedEffect(NamedTuple):
    """An effect under its idempotency key, `conversation_sid/version/ordinal`: derived, never drawn."""

    key: str
    effect: Effect


class Decision(NamedTuple):
    """What one event led to: the next snapshot, the effects in order, and the row of the table that fired.

    `source` and `dest` are equal where the row changed no state.
    """

    conversation: Conversation
    effects: tuple[KeyedEffect, ...]
    trigger: str
    source: str
    dest: str
    row: str

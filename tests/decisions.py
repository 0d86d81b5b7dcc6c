"""Decisions of a conversation, said shortly: who is in it, what happens to it, what follows."""

from typing import Any

from msgspec.structs import replace

from states.conversation import Conversation, Decision
from states.decide import decide
from states.effects import Effect
from states.events import BotReplied, Event, MessageReceived
from states.names import ConversationSid, MessageSid, ParticipantSid

SID = ConversationSid("CH1")
ADA, ADAS = "ada@example.test", ParticipantSid("MB1")
BOB, BOBS = "bob@example.test", ParticipantSid("MB2")
MARIA, MARIAS = "+15550100001", ParticipantSid("MB9")
FRESH = Conversation(SID, created_at=0, updated_at=0)
AT_BOT = replace(FRESH, state="awaiting_choice", address=MARIA, enriching=True)
ROUTING = replace(AT_BOT, state="routing", turn=1)


def wrote(index: int = 0, body: str = "Hello", **more: Any) -> MessageReceived:
    return MessageReceived(MessageSid(f"IM{index}"), index, MARIA, body, **more)


def replied(index: int = 0, message: str = "Whom?", **more: Any) -> BotReplied:
    fields: dict[str, Any] = {"route": "no", "turn": 0} | more
    return BotReplied(MessageSid(f"IM{index}"), message, **fields)


def after(conversation: Conversation, *events: Event) -> Conversation:
    """The snapshot once all events are decided, one a second."""
    for event in events:
        conversation = decide(conversation, event, conversation.updated_at + 1000).conversation
    return conversation


def effects_of(decision: Decision) -> list[Effect]:
    return [keyed.effect for keyed in decision.effects]


def asked(conversation: Conversation, event: Event) -> list[Effect]:
    """The effects one event leads to."""
    return effects_of(decide(conversation, event, conversation.updated_at + 1000))

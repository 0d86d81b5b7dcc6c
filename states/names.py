"""Names shared by events and effects: the SIDs of Twilio's resources, and a class's name as a trigger or kind."""

import re
from functools import cache
from typing import NewType

ConversationSid = NewType("ConversationSid", str)
ParticipantSid = NewType("ParticipantSid", str)
MessageSid = NewType("MessageSid", str)
WorkerSid = NewType("WorkerSid", str)

_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")


@cache
def snake_case(class_name: str) -> str:
    """`MessageReceived` as `message_received`: what an event triggers, what kind an effect is."""
    return _WORD_START.sub("_", class_name).lower()

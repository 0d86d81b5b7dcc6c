"""Interactions of a Flex account, and the task each makes (Twilio Docs, "Interactions API")."""

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Interaction:
    """One Interaction and its task; `attributes` are the task's, as a string of JSON."""

    sid: str
    channel_sid: str
    task_sid: str
    conversation_sid: str
    attributes: str


@dataclass(slots=True)
class Interactions:
    """All there are, the oldest first."""

    all: list[Interaction] = field(default_factory=list)

    def of(self, conversation_sid: str | None) -> list[Interaction]:
        """Those of a conversation, or all of them."""
        return [it for it in self.all if conversation_sid in (None, it.conversation_sid)]


def task_attributes(about: dict[str, Any], sid: str, channel_sid: str, conversation_sid: str) -> str:
    """A task's attributes: what was asked for, and what Flex adds."""
    ours = {
        "flexInteractionSid": sid,
        "flexInteractionChannelSid": channel_sid,
        "conversationSid": conversation_sid,
        "channelType": "web",
        "initiatedBy": "api",
    }
    return json.dumps(about | ours)

"""Reach: why nothing may be said to a conversation's customer now, if that is so."""

from states.conversation import Conversation
from storage.unit import Unit

STOPPED = "the customer said STOP"
HINDRANCES = (STOPPED,)


def hindrance(unit: Unit, sid: str) -> str | None:
    """Why what was decided is not to be said any more in a conversation: the end of a sentence; None if it may be."""
    stored = unit.peek(sid)
    return None if stored is None else hindrance_in(unit, stored.conversation)


def hindrance_in(unit: Unit, conversation: Conversation) -> str | None:
    """The same of a conversation that was read already."""
    address = conversation.address
    if conversation.silenced or (address is not None and unit.has_stopped(address)):
        return STOPPED
    return None

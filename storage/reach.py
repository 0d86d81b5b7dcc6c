"""Reach: why nothing may be said to a conversation's customer now, if that is so.

WhatsApp takes free text only within 24 hours of the customer's last message to this sender, in whichever conversation
he wrote it (Twilio Docs, "Using WhatsApp with Conversations").
"""

from sqlalchemy import func, select

from states.conversation import Conversation
from storage.schema import conversation as conversations
from storage.schema import history, message
from storage.unit import Unit

STOPPED = "the customer said STOP"
OUTSIDE_WINDOW = "WhatsApp takes free text only within 24 hours of the customer's last message"
HINDRANCES = (STOPPED, OUTSIDE_WINDOW)

WINDOW_MS = 24 * 3600 * 1000


def hindrance(unit: Unit, sid: str, is_template: bool = False) -> str | None:
    """Why what was decided is not to be said any more in a conversation: the end of a sentence; None if it may be.
    `is_template`: it is an approved one, which has no window."""
    stored = unit.peek(sid)
    return None if stored is None else hindrance_in(unit, stored.conversation, is_template)


def hindrance_in(unit: Unit, conversation: Conversation, is_template: bool = False) -> str | None:
    """The same of a conversation that was read already."""
    address = conversation.address
    if any(unit.has_stopped(one) for one in {*conversation.silenced, address} if one is not None):
        return STOPPED
    if not is_template and address is not None and address.lower().startswith("whatsapp:"):
        return None if _is_in_window(unit, conversation, address) else OUTSIDE_WINDOW
    return None


def _is_in_window(unit: Unit, conversation: Conversation, address: str) -> bool:
    since = unit.now - WINDOW_MS
    pair = (conversations.c.address == address, conversations.c.proxy_address == conversation.proxy_address)
    recent = select(conversations.c.sid).where(*pair, conversations.c.updated_at > since)
    sids = {conversation.sid, *unit.connection.execute(recent).scalars()}
    if any(unit.takes_in(sid, "message_received") for sid in sids):
        return True
    decided = select(func.max(history.c.at)).where(
        history.c.conversation_sid.in_(sids), history.c.at > since, history.c.trigger == "message_received"
    )
    # What was answered before the conversation was adopted was decided by nobody, and stands beside our own.
    adopted = select(func.max(message.c.at)).where(
        message.c.conversation_sid.in_(sids), message.c.at > since, message.c.author == address
    )
    return any(unit.connection.execute(query).scalar() is not None for query in (decided, adopted))

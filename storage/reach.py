"""Reach: why nothing may be said to a conversation's customer now, if that is so.

WhatsApp takes free text only within 24 hours of the customer's last message to this sender, in whichever conversation
he wrote it (Twilio Docs, "Using WhatsApp with Conversations").
"""

from collections.abc import Collection

from sqlalchemy import Connection, func, select

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
    if is_template or not has_window(conversation):
        return None
    sids = _recent(unit.connection, conversation, unit.now)
    is_open = any(unit.takes_in(sid, "message_received") for sid in sids)
    return None if is_open or _wrote(unit.connection, conversation, sids, unit.now) else OUTSIDE_WINDOW


def has_window(conversation: Conversation) -> bool:
    """Whether free text is taken for some time only after the customer wrote."""
    return conversation.address is not None and conversation.address.lower().startswith("whatsapp:")


def is_window_closed(connection: Connection, conversation: Conversation, now: int) -> bool:
    """Whether free text is taken no more, by what is committed; `now` in milliseconds since 1970."""
    if not has_window(conversation):
        return False
    return not _wrote(connection, conversation, _recent(connection, conversation, now), now)


def _recent(connection: Connection, conversation: Conversation, now: int) -> set[str]:
    """The conversations of the same two that something happened in since then."""
    pair = (
        conversations.c.address == conversation.address,
        conversations.c.proxy_address == conversation.proxy_address,
    )
    recent = select(conversations.c.sid).where(*pair, conversations.c.updated_at > now - WINDOW_MS)
    return {conversation.sid, *connection.execute(recent).scalars()}


def _wrote(connection: Connection, conversation: Conversation, sids: Collection[str], now: int) -> bool:
    since = now - WINDOW_MS
    decided = select(func.max(history.c.at)).where(
        history.c.conversation_sid.in_(sids), history.c.at > since, history.c.trigger == "message_received"
    )
    # What was answered before the conversation was adopted was decided by nobody, and stands beside our own.
    adopted = select(func.max(message.c.at)).where(
        message.c.conversation_sid.in_(sids), message.c.at > since, message.c.author == conversation.address
    )
    return any(connection.execute(query).scalar() is not None for query in (decided, adopted))

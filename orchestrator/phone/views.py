"""What pages and their JSON twins show of conversations: names, channels, one line, and who wrote it."""

from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec

from orchestrator.addresses import split_prefix
from orchestrator.callbacks import name_of
from orchestrator.pages.words import Clock, line, plural
from states.conversation import Conversation
from storage.threads import Entry, Line

CHANNELS: Final = {"sms": "SMS", "whatsapp": "WhatsApp", "chat": "Chat"}


@dataclass(frozen=True, slots=True)
class Row:
    """One conversation of a list. `is_call`: the preview says what came of a call, and is nobody's text."""

    sid: str
    name: str
    picture: str | None
    channel: str
    state: str
    preview: str
    at: int
    unread: int
    is_call: bool


@dataclass(frozen=True, slots=True)
class Said:
    """A message of a thread as it is shown. `day`: set where a new day begins; `goes_on`: whoever wrote it wrote the
    one before, on the same day."""

    entry: Entry
    who: str
    own: bool
    day: str | None
    goes_on: bool
    key: str


def customer_name(conversation: Conversation) -> str:
    """The customer's name, or what he is reached by where nobody knows it."""
    if conversation.customer is not None:
        return conversation.customer.display_name
    return split_prefix(conversation.address or "")[1] or "Unknown customer"


def channel_of(conversation: Conversation) -> str:
    """The channel the customer writes on: a prefix says which, a bare number is a text message."""
    address = conversation.address or ""
    prefix, _ = split_prefix(address)
    return prefix or ("sms" if address.startswith("+") else "chat")


def row_of(found: Line, identity: str) -> Row:
    """A line of the worker's list."""
    conversation = found.conversation
    return Row(
        sid=conversation.sid,
        name=customer_name(conversation),
        picture=conversation.customer.avatar if conversation.customer else None,
        channel=channel_of(conversation),
        state=conversation.state,
        preview=_preview(found.last, identity),
        at=found.last.at if found.last else conversation.updated_at,
        unread=found.unread,
        is_call=found.last is not None and found.last.kind == "call",
    )


def _preview(entry: Entry | None, identity: str) -> str:
    if entry is None:
        return "No messages yet"
    text = line(entry.body) or (plural(entry.media, "picture").capitalize() if entry.media else "")
    if entry.side == "customer":
        return text
    return f"{'You' if is_own(entry, identity) else author_name(entry)}: {text}"


def is_own(entry: Entry, identity: str) -> bool:
    """Whether this worker wrote it."""
    return entry.side == "worker" and entry.author.casefold() == identity.casefold()


def author_name(entry: Entry) -> str:
    """Who wrote it, by what is known of him: an identity, or an address."""
    if entry.side == "program":
        return "Assistant"
    return name_of(entry.author) if "@" in entry.author else entry.author


def said(entries: list[Entry], conversation: Conversation, identity: str, clock: Clock) -> list[Said]:
    """A thread with its days."""
    found: list[Said] = []
    last: tuple[str, str] | None = None
    for number, entry in enumerate(entries):
        day = clock.day(entry.at)
        found.append(
            Said(
                entry=entry,
                who=customer_name(conversation) if entry.side == "customer" else author_name(entry),
                own=is_own(entry, identity),
                day=day if last is None or day != last[1] else None,
                goes_on=(entry.author, day) == last,
                key=entry.message_sid or entry.key or entry.call_sid or f"waiting-{number}",
            )
        )
        last = entry.author, day
    return found


def entry_json(entry: Entry) -> dict[str, Any]:
    """A message of the JSON twin."""
    return asdict(entry)


def conversation_json(conversation: Conversation) -> dict[str, Any]:
    """What a worker may know of a conversation that is his."""
    return {
        "conversation_sid": conversation.sid,
        "state": conversation.state,
        "version": conversation.version,
        "address": conversation.address,
        "proxy_address": conversation.proxy_address,
        "channel": channel_of(conversation),
        "customer": None if conversation.customer is None else msgspec.structs.asdict(conversation.customer),
        "workers": [worker.identity for worker in conversation.workers],
    }

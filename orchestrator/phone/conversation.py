"""One conversation: its thread, the customer's card, the notes; only for the worker whose it is."""

import asyncio
import secrets
from dataclasses import asdict, dataclass
from typing import Any

from aiohttp import web

from orchestrator.addresses import split_prefix
from orchestrator.callbacks import may_see, name_of
from orchestrator.errors import CrmUnavailable
from orchestrator.pages.rendering import answer_json, is_fragment, render
from orchestrator.pages.words import ZONE_COOKIE, clock_of
from orchestrator.phone.desk import NOT_FOUND, Desk, done, field
from orchestrator.phone.inbox import framed
from orchestrator.phone.views import channel_of, conversation_json, customer_name, entry_json, said
from states.conversation import Conversation
from states.customers import Customer
from storage import notes, threads
from storage.notes import Note
from storage.reach import is_window_closed
from storage.threads import Entry
from storage.unit import Unit

PAGE_SIZE = 60
CARD_LIMIT_S = 2.0
AGAIN_MS = 60_000
_INDEX_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Found:
    """What is stored of a conversation."""

    conversation: Conversation
    entries: list[Entry]
    has_older: bool
    notes: list[Note]
    unread: int
    is_window_closed: bool


@dataclass(frozen=True, slots=True)
class Card:
    """The customer's record. `customer` is None where there is none, or it is another worker's; `is_reachable`: the CRM
    answered."""

    customer: Customer | None = None
    is_reachable: bool = True
    is_anothers: bool = False


async def found(desk: Desk) -> Found:
    """The conversation in the request's path. Raises Refused with 404 where it is not this worker's."""
    sid = desk.request.match_info["sid"]
    before = _index(desk.request.query.get("before", ""))
    now = desk.service.writer.now()

    def read(connection: Any) -> Found | None:
        lines = threads.lines(connection, desk.identity, [sid])
        if not lines:
            return None
        entries, has_older = threads.thread(connection, sid, before, PAGE_SIZE)
        conversation = lines[0].conversation
        is_closed = is_window_closed(connection, conversation, now)
        return Found(conversation, entries, has_older, notes.of(connection, sid), lines[0].unread, is_closed)

    stored = await desk.service.reader.read(read)
    if stored is None:
        raise NOT_FOUND
    return stored


def _index(given: str) -> int | None:
    is_number = given.isascii() and given.isdecimal() and len(given) <= _INDEX_DIGITS
    return int(given) if is_number else None


async def page(desk: Desk) -> web.StreamResponse:
    """/app/c/{sid}. Opening it marks it as seen; its moving part does not, for a page may be open and not looked at."""
    stored = await found(desk)
    card = None
    if not is_fragment(desk.request):
        card = await card_of(desk, stored.conversation)
        if stored.unread:
            await _see(desk, stored.conversation.version)
    clock = clock_of(desk.request.cookies.get(ZONE_COOKIE))
    frame = await framed(desk)
    return render(
        desk.request,
        "phone/conversation.html",
        **frame | {"current": stored.conversation.sid},
        conversation=stored.conversation,
        name=_name(stored.conversation, card),
        address=split_prefix(stored.conversation.address or "")[1],
        channel_type=channel_of(stored.conversation),
        messages=said(stored.entries, stored.conversation, desk.identity, clock),
        is_past="before" in desk.request.query,
        has_older=stored.has_older,
        notes=[(note, name_of(note.author)) for note in stored.notes],
        is_in=desk.identity.casefold() in {w.identity.casefold() for w in stored.conversation.workers},
        is_window_closed=stored.is_window_closed,
        card=card,
        act_token=secrets.token_urlsafe(16),
    )


def _name(conversation: Conversation, card: Card | None) -> str:
    """The customer's name; where a conversation is so new that it does not say, the record may."""
    if conversation.customer is None and card is not None and card.customer is not None:
        return card.customer.display_name
    return customer_name(conversation)


async def twin(desk: Desk) -> web.StreamResponse:
    """/app/c/{sid}.json."""
    stored = await found(desk)
    return answer_json(
        {
            **conversation_json(stored.conversation),
            "unread": stored.unread,
            "is_window_closed": stored.is_window_closed,
            "messages": [entry_json(entry) for entry in stored.entries],
            "has_older": stored.has_older,
            "notes": [asdict(note) for note in stored.notes],
        }
    )


async def seen(desk: Desk) -> web.StreamResponse:
    """He looks at the conversation, up to the version that his page shows."""
    sid = await desk.own(desk.request.match_info["sid"])
    await _see(desk, _index(await field(desk.request, "version", _INDEX_DIGITS)) or 0)
    return done(desk.request, f"/app/c/{sid}")


async def _see(desk: Desk, version: int) -> None:
    sid = desk.request.match_info["sid"]
    await desk.service.writer.run(lambda unit: threads.mark_seen(unit, desk.identity, sid, version))


async def note(desk: Desk) -> web.StreamResponse:
    """Write a private note."""
    sid = await desk.own(desk.request.match_info["sid"])
    body = await field(desk.request, "body", 4000, "Write the note first.")
    await leave_note(desk, sid, body)
    return done(desk.request, f"/app/c/{sid}#about")


async def leave_note(desk: Desk, sid: str, body: str) -> None:
    """Keep a note. The same words again within a minute are a form that was sent twice."""

    def work(unit: Unit) -> None:
        last = notes.of(unit.connection, sid)[-1:]
        is_again = any((one.author, one.body) == (desk.identity, body) for one in last)
        if not (is_again and unit.now - last[0].at < AGAIN_MS):
            notes.add(unit, sid, desk.identity, body, unit.now)

    await desk.service.writer.run(work)


async def card_of(desk: Desk, conversation: Conversation) -> Card:
    """What the CRM knows of the customer, as far as this worker may see it; nobody waits long for it."""
    crm = desk.service.crm
    try:
        async with asyncio.timeout(CARD_LIMIT_S):
            if conversation.customer is not None:
                customer = await crm.find(conversation.customer.customer_id)
            else:
                customer = await crm.find_by_address(conversation.address) if conversation.address else None
    except (CrmUnavailable, TimeoutError):
        return Card(is_reachable=False)
    if customer is not None and not may_see(customer, desk.identity):
        return Card(is_anothers=True)
    return Card(customer)


async def own_conversation(desk: Desk) -> Conversation:
    """The conversation in the path alone. Raises Refused with 404 where it is not this worker's."""
    sid = desk.request.match_info["sid"]
    lines = await desk.service.reader.read(lambda connection: threads.lines(connection, desk.identity, [sid]))
    if not lines:
        raise NOT_FOUND
    return lines[0].conversation

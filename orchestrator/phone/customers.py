"""Customers: a worker's own, found by name or address, with their channels, links and details; and a conversation
started with one of them."""

import asyncio
import secrets
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from aiohttp import web

from orchestrator.addresses import NETWORK_CHANNELS, PHONE_CHANNELS, senders_for
from orchestrator.callbacks import may_see
from orchestrator.feed import Subscription
from orchestrator.pages.rendering import answer_json, render
from orchestrator.phone.desk import NOT_FOUND, Desk, Refused, done, field, token_of
from orchestrator.phone.inbox import framed
from states.customers import Channel, Customer
from storage import threads

PAGE_SIZE = 30
QUERY_MAX = 200
ID_MAX = 128
START_LIMIT_S = 5.0


async def _listed(desk: Desk) -> tuple[list[Customer], str | None, str]:
    """A page of customers, the `after` of the next, and what was searched for."""
    query = desk.request.query
    wanted, after = query.get("q", "").strip()[:QUERY_MAX], query.get("after", "")[:ID_MAX]
    if "\x00" in wanted + after:
        return [], None, ""
    found = list(await desk.service.crm.customers(desk.identity, PAGE_SIZE + 1, after or None, wanted or None))
    page = found[:PAGE_SIZE]
    return page, page[-1].customer_id if len(found) > PAGE_SIZE else None, wanted


async def page(desk: Desk) -> web.StreamResponse:
    """/app/customers."""
    customers, following, wanted = await _listed(desk)
    is_later = "after" in desk.request.query
    context = {"customers": customers, "next_after": following, "wanted": wanted, "is_later_page": is_later}
    return render(desk.request, "phone/customers.html", **await framed(desk) | context)


async def twin(desk: Desk) -> web.StreamResponse:
    """/app/customers.json."""
    customers, following, _ = await _listed(desk)
    return answer_json({"customers": [_json(customer) for customer in customers], "next": following})


async def customer(desk: Desk, customer_id: str) -> Customer:
    """One customer. Raises Refused with 404 for another worker's, as for one who does not exist."""
    if not 0 < len(customer_id) <= ID_MAX or "\x00" in customer_id:
        raise NOT_FOUND
    found = await desk.service.crm.find(customer_id)
    if found is None or not may_see(found, desk.identity):
        raise NOT_FOUND
    return found


async def one(desk: Desk) -> web.StreamResponse:
    """/app/customers/one?id=…"""
    found = await customer(desk, desk.request.query.get("id", ""))
    channels = [(channel, can_start(desk, channel)) for channel in found.channels]
    context = {
        "customer": found,
        "channels": channels,
        "about": replace(found, channels=()),
        "act_token": secrets.token_urlsafe(16),
    }
    return render(desk.request, "phone/customer.html", **await framed(desk) | context)


async def one_twin(desk: Desk) -> web.StreamResponse:
    """/app/customers/one.json?id=…"""
    return answer_json(_json(await customer(desk, desk.request.query.get("id", ""))))


def can_start(desk: Desk, channel: Channel) -> bool:
    """Whether a conversation can be started here: it takes a sender of ours that fits."""
    is_ours = channel.type.strip().lower() in PHONE_CHANNELS | NETWORK_CHANNELS
    return is_ours and bool(senders_for(channel.type, channel.value, desk.service.settings.proxy_numbers))


async def start(desk: Desk) -> web.StreamResponse:
    """Start a conversation, or open the one that the pair has already."""
    customer_id = await field(desk.request, "customer", ID_MAX)
    kind, value = await field(desk.request, "type", 32), await field(desk.request, "value", 300)
    found = await customer(desk, customer_id)
    if not any((channel.type, channel.value.strip()) == (kind, value) for channel in found.channels):
        raise Refused(422, "This customer has no such channel; reload the page and choose again.")
    token = await token_of(desk.request)
    with desk.service.feed.subscribe() as changes:
        sid = await desk.service.acts.start(desk.person, found.customer_id, kind, value, token)
        await _until_mine(desk, sid, changes)
    return done(desk.request, f"/app/c/{sid}")


async def _until_mine(desk: Desk, sid: str, changes: Subscription) -> None:
    """Wait until it is told that the worker is in the conversation, for before it is nothing of his. Nobody waits long:
    it comes into his list by itself."""

    async def is_mine() -> bool:
        return await desk.service.reader.read(lambda connection: threads.is_mine(connection, desk.identity, sid))

    with suppress(TimeoutError):
        async with asyncio.timeout(START_LIMIT_S):
            if not await is_mine():
                async for _change in changes:
                    if await is_mine():
                        return


def _json(found: Customer) -> dict[str, Any]:
    return {name: value for name, value in asdict(found).items() if name != "worker"}

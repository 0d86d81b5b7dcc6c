"""The list: a worker's conversations, the last changed first, and whether he takes new ones."""

from dataclasses import asdict
from typing import Any, Final, Literal

import structlog
from aiohttp import web

from orchestrator.acts import ActRefused
from orchestrator.pages.rendering import answer_json, is_fragment, render
from orchestrator.phone.desk import Desk, done, field
from orchestrator.phone.views import row_of
from storage import threads

log = structlog.get_logger()
PAGE_SIZE = 50
NOT_HERE: Final = 404
# What the page says to who comes back from something he did.
DONE = {
    "handed": "Handed over. Your note stays with the conversation.",
    "passed": "Handed over.",
    "closed": "The conversation is closed.",
    "gone": "That conversation is not yours any more.",
}


async def listed(desk: Desk) -> dict[str, Any]:
    """The list as the request asks for it: `show=closed`, `after` a cursor."""
    query = desk.request.query
    is_closed, after = query.get("show") == "closed", query.get("after") or None
    lines, following = await desk.service.reader.read(
        lambda connection: threads.mine(connection, desk.identity, is_closed, PAGE_SIZE, after)
    )
    rows = [row_of(line, desk.identity) for line in lines]
    unread = sum(row.unread for row in rows)
    return {
        "rows": rows,
        "following": following,
        "is_closed": is_closed,
        "is_later": after is not None,
        "unread": unread,
    }


async def framed(desk: Desk) -> dict[str, Any]:
    """What every page of the app has around it: the list, and the switch, which does not move by itself."""
    available = None if is_fragment(desk.request) else await available_now(desk)
    return await listed(desk) | {"available": available, "current": None}


async def page(desk: Desk) -> web.StreamResponse:
    """/app."""
    toast = DONE.get(desk.request.query.get("done", ""), "")
    return render(desk.request, "phone/inbox.html", toast=toast, **await framed(desk))


async def twin(desk: Desk) -> web.StreamResponse:
    """/app.json."""
    found = await listed(desk)
    return answer_json({"conversations": [asdict(row) for row in found["rows"]], "next": found["following"]})


async def switch(desk: Desk) -> web.StreamResponse:
    """Take new customers, or none: the worker's TaskRouter activity."""
    wanted = await field(desk.request, "available", 5)
    await desk.service.acts.set_available(desk.identity, wanted == "true")
    return done(desk.request, "/app")


async def available_now(desk: Desk) -> bool | Literal["unknown"] | None:
    """Whether he is available, `unknown` where TaskRouter does not say: the page must not guess. None for one who is no
    worker: nobody is routed to him."""
    try:
        return await desk.service.acts.is_available(desk.identity)
    except ActRefused as refusal:
        if refusal.status == NOT_HERE:
            return None
        log.warning("availability_unknown", status=refusal.status)
        return "unknown"

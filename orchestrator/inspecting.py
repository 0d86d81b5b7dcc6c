"""What operators are shown: state dumps, the machine, metrics."""

import re

import structlog
from aiohttp import web

from orchestrator import dumps, metrics
from orchestrator.debug import may_ask
from orchestrator.people.rights import Handler
from orchestrator.service import SERVICE
from states import diagram, drawing
from states.table import STATES
from storage import conversations
from storage.errors import StorageError

log = structlog.get_logger()
PAGE_DEFAULT = 50
PAGE_MAX = 500
_SID = re.compile(r"CH[0-9a-fA-F]{32}")


def for_operators(handler: Handler) -> Handler:
    """Answer nobody else, and 503 where the database cannot be read."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if not may_ask(request, request.app[SERVICE].settings):
            raise web.HTTPUnauthorized(text="")
        try:
            return await handler(request)
        except StorageError as error:
            log.warning("debug_not_read", reason=str(error))
            return _refused("the database cannot be read now; try again later", 503)

    return answer


async def list_conversations(request: web.Request) -> web.Response:
    """Summaries, newest first."""
    service = request.app[SERVICE]
    state = request.query.get("state") or None
    if state is not None and state not in STATES:
        return _refused(f"state must be one of {', '.join(STATES)}")
    limit = request.query.get("limit") or str(PAGE_DEFAULT)
    if not limit.isascii() or not limit.isdecimal() or len(limit) > 9 or not 1 <= int(limit) <= PAGE_MAX:
        return _refused(f"limit must be a whole number from 1 to {PAGE_MAX}")
    after = request.query.get("after") or None
    if after is not None and not (after.isascii() and after.isdecimal() and len(after) < 18):
        return _refused("after must be the `next` of an earlier page")
    cursor = None if after is None else int(after)
    found, following = await service.reader.read(lambda conn: conversations.page(conn, state, int(limit), cursor))
    return web.json_response(
        {
            "conversations": [dumps.summary(each) for each in found],
            "next": None if following is None else str(following),
        }
    )


async def show_conversation(request: web.Request) -> web.Response:
    """The state dump of one conversation."""
    service = request.app[SERVICE]
    sid = request.match_info["sid"]
    if _SID.fullmatch(sid) is None:
        return _refused("no such conversation", 404)
    found = await service.reader.read(lambda conn: conversations.dump(conn, sid))
    if found is None:
        return _refused("no such conversation", 404)
    return web.json_response(dumps.full(found, service.writer.now()))


async def show_machine(request: web.Request) -> web.Response:
    """The table, as JSON, Mermaid or a picture."""
    match request.query.get("format", "json"):
        case "json":
            return web.json_response(diagram.as_json())
        case "mermaid":
            return web.Response(text=diagram.as_mermaid(), content_type="text/plain")
        case "svg":
            return web.Response(text=drawing.as_svg(), content_type="image/svg+xml")
        case _:
            return _refused("format must be json, mermaid or svg")


async def show_metrics(request: web.Request) -> web.Response:
    """Prometheus text."""
    service = request.app[SERVICE]
    counts = await service.reader.read(conversations.count_by_state)
    for state in STATES:
        metrics.CONVERSATIONS.labels(state=state).set(counts.get(state, 0))
    return web.Response(body=metrics.exposition(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


def _refused(reason: str, status: int = 400) -> web.Response:
    return web.json_response({"error": reason}, status=status)

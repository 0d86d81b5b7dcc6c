"""The routes for people and programs: state dumps, the machine, health, metrics.

Who may ask: the bearer of ADMIN_TOKEN, or, without one, whoever asks over loopback and through no proxy.
"""

import hmac
import re
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from orchestrator import dumps, metrics
from orchestrator.nearby import is_local
from orchestrator.people.rights import EVERYBODY, OPERATOR, used_by
from orchestrator.service import SERVICE, Service
from orchestrator.settings import Settings
from states import diagram, drawing
from states.table import STATES
from storage import conversations
from storage.errors import StorageError

log = structlog.get_logger()
PAGE_DEFAULT = 50
PAGE_MAX = 500
_SID = re.compile(r"CH[0-9a-fA-F]{32}")


def may_ask(request: web.Request, settings: Settings) -> bool:
    """Whether the request comes from an operator."""
    if settings.admin_token is not None:
        given = request.headers.get("Authorization", "")
        wanted = f"Bearer {settings.admin_token.get_secret_value()}"
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())
    return is_local(request, settings.public_url)


def _operator(request: web.Request) -> Service:
    service = request.app[SERVICE]
    if not may_ask(request, service.settings):
        raise web.HTTPUnauthorized(text="")
    return service


async def list_conversations(request: web.Request) -> web.Response:
    """Summaries, newest first."""
    service = _operator(request)
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
            "conversations": [dumps.summary(conversation) for conversation in found],
            "next": None if following is None else str(following),
        }
    )


async def show_conversation(request: web.Request) -> web.Response:
    """The state dump of one conversation."""
    service = _operator(request)
    sid = request.match_info["sid"]
    if _SID.fullmatch(sid) is None:
        return _refused("no such conversation", 404)
    found = await service.reader.read(lambda conn: conversations.dump(conn, sid))
    if found is None:
        return _refused("no such conversation", 404)
    return web.json_response(dumps.full(found, service.writer.now()))


async def show_machine(request: web.Request) -> web.Response:
    """The table, as JSON, Mermaid or a picture."""
    _operator(request)
    match request.query.get("format", "json"):
        case "json":
            return web.json_response(diagram.as_json())
        case "mermaid":
            return web.Response(text=diagram.as_mermaid(), content_type="text/plain")
        case "svg":
            return web.Response(text=drawing.as_svg(), content_type="image/svg+xml")
        case _:
            return _refused("format must be json, mermaid or svg")


def _refused(reason: str, status: int = 400) -> web.Response:
    return web.json_response({"error": reason}, status=status)


async def healthz(_request: web.Request) -> web.Response:
    """The process lives."""
    return web.Response(text="ok\n")


async def readyz(request: web.Request) -> web.Response:
    """Webhooks can be accepted; what hinders it is told to operators only."""
    service = request.app[SERVICE]
    reason = await service.hindrance()
    status = 200 if reason is None else 503
    if service.settings.admin_token is not None and may_ask(request, service.settings):
        return web.json_response({"ready": reason is None, "reason": reason}, status=status)
    return web.Response(text="ready\n" if reason is None else "not ready\n", status=status)


async def show_metrics(request: web.Request) -> web.Response:
    """Prometheus text."""
    service = _operator(request)
    counts = await service.reader.read(conversations.count_by_state)
    for state in STATES:
        metrics.CONVERSATIONS.labels(state=state).set(counts.get(state, 0))
    return web.Response(body=metrics.exposition(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


Handler = Callable[[web.Request], Awaitable[web.Response]]


def _reading(handler: Handler) -> Handler:
    """503 where the database cannot be read."""

    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except StorageError as error:
            log.warning("debug_not_read", reason=str(error))
            return _refused("the database cannot be read now; try again later", 503)

    return answer


def routes() -> list[web.RouteDef]:
    """The routes for people and programs."""
    return [
        web.get("/debug/conversations", used_by(OPERATOR, _reading(list_conversations))),
        web.get("/debug/conversations/{sid}", used_by(OPERATOR, _reading(show_conversation))),
        web.get("/debug/machine", used_by(OPERATOR, show_machine)),
        web.get("/healthz", used_by(EVERYBODY, healthz)),
        web.get("/readyz", used_by(EVERYBODY, readyz)),
        web.get("/metrics", used_by(OPERATOR, _reading(show_metrics))),
    ]

"""The routes of the workbench, each with the right it needs, and what is said where one cannot be answered."""

from collections.abc import Awaitable, Callable, Iterable

import structlog
from aiohttp import web

from orchestrator import pages
from orchestrator.console import acting, board, conversation, records
from orchestrator.console.asking import BadAsk
from orchestrator.console.board import OVERVIEWS
from orchestrator.console.overview import Overviews
from orchestrator.pages.live import live
from orchestrator.people.guarding import open_to
from orchestrator.people.rights import REPAIR, STEP_IN, WATCH, Right
from storage.errors import StorageError

log = structlog.get_logger()
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SID = "{sid:CH[0-9a-fA-F]{32}}"


async def _watch_all(request: web.Request) -> web.StreamResponse:
    """Every change, for who may see them all."""

    async def all_of_them(sids: frozenset[str]) -> Iterable[str]:
        return sids

    return await live(request, all_of_them, about="console")


async def _watch_one(request: web.Request) -> web.StreamResponse:
    """The changes of one conversation."""
    sid = request.match_info["sid"]

    async def this_one(sids: frozenset[str]) -> Iterable[str]:
        return sids & {sid}

    return await live(request, this_one, about=sid)


def _told(handler: Handler) -> Handler:
    """Say what cannot be answered as a page, or to programs as JSON."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except BadAsk as error:
            return _problem(request, 400, "That cannot be shown", str(error))
        except web.HTTPNotFound as error:
            return _problem(request, 404, "Nothing here", error.text or "")
        except StorageError as error:
            log.warning("console_not_read", reason=str(error))
            return _problem(request, 503, "Not now", "The database does not answer. Try again in a moment.")

    return answer


def _problem(request: web.Request, status: int, title: str, text: str) -> web.Response:
    if request.path.endswith(".json"):
        return pages.answer_json({"error": text}, status)
    return pages.problem(request, status, title, text)


def routes() -> list[web.RouteDef]:
    """Pages, their twins, the streams they live on, and the forms."""

    def get(path: str, handler: Handler, right: Right = WATCH) -> web.RouteDef:
        return web.get(path, open_to(right, _told(handler)))

    def post(path: str, handler: Handler, right: Right) -> web.RouteDef:
        return web.post(path, open_to(right, _told(handler)))

    return [
        get("/console", board.show),
        get("/console.json", board.show_json),
        get("/console/live", _watch_all),
        get("/console/audit", records.show_audit),
        get("/console/audit.json", records.show_audit_json),
        get("/console/machine", records.show_machine),
        get("/console/machine.json", records.show_machine_json),
        get(f"/console/c/{SID}", conversation.show),
        get(f"/console/c/{SID}.json", conversation.show_json),
        get(f"/console/c/{SID}/live", _watch_one),
        post(f"/console/c/{SID}/act", acting.act, STEP_IN),
        post(f"/console/c/{SID}/repair", acting.repair, REPAIR),
    ]


def attach(app: web.Application) -> None:
    """Let the application have what the board keeps for a moment."""
    app[OVERVIEWS] = Overviews()

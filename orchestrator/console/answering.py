"""How the workbench answers: what cannot be shown is said as a page, or to programs as JSON; and its streams."""

from collections.abc import Iterable

import structlog
from aiohttp import web

from orchestrator.console.asking import BadAsk
from orchestrator.pages.live import live
from orchestrator.pages.rendering import answer_json, problem
from orchestrator.people.rights import Handler
from storage.errors import StorageError

log = structlog.get_logger()


async def watch_all(request: web.Request) -> web.StreamResponse:
    """Every change, for who may see them all."""

    async def all_of_them(sids: frozenset[str]) -> Iterable[str]:
        return sids

    return await live(request, all_of_them, about="console")


async def watch_one(request: web.Request) -> web.StreamResponse:
    """The changes of one conversation."""
    sid = request.match_info["sid"]

    async def this_one(sids: frozenset[str]) -> Iterable[str]:
        return sids & {sid}

    return await live(request, this_one, about=sid)


async def nowhere(_request: web.Request) -> web.StreamResponse:
    """An address that is none."""
    raise web.HTTPNotFound(text="There is no such page.")


def telling(handler: Handler) -> Handler:
    """Say what cannot be answered."""

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
        return answer_json({"error": text}, status)
    return problem(request, status, title, text)

"""The guard of every route for people: who asks, whether he may, and whether a page of ours asked for him."""

from collections.abc import Iterable
from urllib.parse import urlencode

import structlog
from aiohttp import web

from orchestrator.people import sessions
from orchestrator.people.origins import carries_token, is_from_us
from orchestrator.people.rights import Handler, Right, right_of, used_by
from storage.errors import StorageError

log = structlog.get_logger()
_SAFE = ("GET", "HEAD", "OPTIONS")


class RightMissing(Exception):
    """Some routes do not say who may use them; the text names them."""


def open_to(right: Right, handler: Handler) -> Handler:
    """Let only those people use a handler whom the right names; it finds them in `request[PERSON]`.

    Not signed in: a page leads to the sign-in, everything else is 401. Without the right: 403. What changes something
    must come from a page of ours and carry its token, as the form field `csrf` or the header `X-CSRF-Token`: else 403.
    Where the handler, or the guard, finds that the database does not answer: 503.
    """
    assert right.roles, f"no person has the right {right.name!r}; say `used_by` where a route checks by itself"

    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            response = await _refusal(request, right) or await handler(request)
        except StorageError as error:
            log.warning("page_without_store", error=type(error).__name__, reason=str(error))
            response = _told(request, 503, "The database does not answer.", "Please try again in a moment.")
        if not response.prepared:
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return used_by(right, guarded)


def csrf_of(request: web.Request) -> str:
    """The token that forms and scripts of a page send back; empty on a page for nobody in particular."""
    token = request.get(sessions.TOKEN)
    return "" if token is None else sessions.form_token(token)


async def _refusal(request: web.Request, right: Right) -> web.Response | None:
    """The answer to somebody who may not; None to whoever may. Raises StorageError."""
    person = await sessions.who(request)
    if person is None:
        return _sign_in_first(request)
    if person.role not in right.roles:
        log.info("right_refused", person=person.id, right=right.name)
        return _told(request, 403, "This page is not for you.", "Your role does not include it.")
    if request.method not in _SAFE and not (
        is_from_us(request) and await carries_token(request, request[sessions.TOKEN])
    ):
        log.warning("forgery_refused", person=person.id)
        return _told(request, 403, "Nothing was changed.", "Please reload the page and try again.")
    return None


def _sign_in_first(request: web.Request) -> web.Response:
    if not _is_page(request):
        return _told(request, 401, "You are not signed in.", "Please sign in and try again.")
    return web.Response(status=303, headers={"Location": f"/signin?{urlencode({'next': request.raw_path})}"})


def _is_page(request: web.Request) -> bool:
    """Whether a browser means to show what it asks for: no script, picture or stream, no program that reads JSON."""
    accepts, asks_for = request.headers.get("Accept", "*/*"), request.headers.get("Sec-Fetch-Dest", "document")
    is_json = request.path.endswith(".json") or request.query.get("format") == "json"
    # What the app's service worker passes on is for nothing any more; a browser still says first that it wants HTML.
    is_passed_on = asks_for == "empty" and accepts.startswith("text/html")
    return (
        request.method in ("GET", "HEAD")
        and (asks_for == "document" or is_passed_on)
        and not is_json
        and not accepts.startswith(("application/json", "text/event-stream"))
    )


def _told(request: web.Request, status: int, what: str, advice: str) -> web.Response:
    """A refusal, as a page for a person and as JSON for a program."""
    if "text/html" not in request.headers.get("Accept", ""):
        return web.json_response({"error": f"{what} {advice}"}, status=status)
    from orchestrator.pages.rendering import render

    return render(request, "people/refused.html", status, what=what, advice=advice)


def require_rights(app: web.Application) -> None:
    """See to it that every route says who may use it. A folder served by `web.static` cannot: give it a handler.
    Raises RightMissing."""
    missing = sorted(_without_right(app.router.routes()))
    if missing:
        raise RightMissing(
            f"these routes do not say who may use them: {', '.join(missing)}; wrap their handlers in `open_to` or"
            " `used_by`"
        )


def _without_right(routes: Iterable[web.AbstractRoute]) -> set[str]:
    return {
        f"{route.method} {route.resource.canonical if route.resource else '?'}"
        for route in routes
        if right_of(route.handler) is None
    }

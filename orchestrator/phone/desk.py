"""The desk a handler works at: who serves, under which identity, and the service he serves with.

Every handler of /app takes one. What an act refuses, what is not the worker's own and what cannot be read now become
answers here: a page for a reader, JSON for a script or a twin.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog
from aiohttp import web

from orchestrator.acts import ActRefused
from orchestrator.errors import CrmUnavailable
from orchestrator.pages.rendering import answer_json, is_fragment, problem
from orchestrator.people.rights import PERSON, Person
from orchestrator.people.rights import Handler as RequestHandler
from orchestrator.service import SERVICE, Service
from storage import threads
from storage.errors import StorageError

log = structlog.get_logger()
BODY_MAX: Final = 1600  # characters; the most that Twilio's channels take
REASON_MAX: Final = 2000
TITLES: Final = {403: "Not allowed", 404: "Not found", 409: "This cannot be done now", 503: "Try again in a moment"}


@dataclass(frozen=True, slots=True)
class Desk:
    """`identity`: the TaskRouter worker the person is."""

    request: web.Request
    service: Service
    person: Person
    identity: str

    async def own(self, sid: str) -> str:
        """The SID, where the conversation is this worker's; else Refused with 404, whether it exists or not."""
        if not await self.service.reader.read(lambda connection: threads.is_mine(connection, self.identity, sid)):
            raise NOT_FOUND
        return sid


class Refused(Exception):
    """What was asked cannot be had; the text is for the person."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


NOT_FOUND: Final = Refused(404, "There is nothing of yours at this address.")
Handler = Callable[[Desk], Awaitable[web.StreamResponse]]


def serving(handler: Handler) -> RequestHandler:
    """What answers a request of somebody who serves customers."""

    async def answer(request: web.Request) -> web.StreamResponse:
        person = request[PERSON]
        if person.identity is None:
            return refused(
                request, 409, "You are signed in, but nobody has made you a worker: ask for an identity of TaskRouter."
            )
        try:
            return await handler(Desk(request, request.app[SERVICE], person, person.identity))
        except (ActRefused, Refused) as refusal:
            return refused(request, refusal.status, str(refusal))
        except CrmUnavailable:
            return refused(request, 503, "The customer records cannot be reached now. Conversations work without them.")
        except StorageError as error:
            log.warning("app_not_read", reason=str(error))
            return refused(request, 503, "The database cannot be reached now. Nothing was changed.")

    return answer


async def nowhere(_desk: Desk) -> web.StreamResponse:
    """An address that is none."""
    raise NOT_FOUND


def refused(request: web.Request, status: int, text: str) -> web.Response:
    """The refusal in the form that was asked for."""
    if is_script(request) or request.path.endswith(".json"):
        return answer_json({"error": text}, status)
    return problem(request, status, TITLES.get(status, "That did not work"), text, home="/app")


def is_script(request: web.Request) -> bool:
    """Whether a script of ours sends this, which wants to know what came of it and stays where it is."""
    return request.method == "POST" and is_fragment(request)


def done(request: web.Request, where: str) -> web.StreamResponse:
    """What was asked is done: a reader goes on to a page (303), a script is told which."""
    if is_script(request):
        return answer_json({"location": where})
    return web.Response(status=303, headers={"Location": where, "Cache-Control": "no-store"})


async def field(request: web.Request, name: str, limit: int, required: str = "") -> str:
    """A field of the form posted, without spaces around; `required`: what to say where it is empty. Raises Refused with
    422."""
    given = (await request.post()).get(name, "")
    text = given.strip() if isinstance(given, str) else ""
    if "\x00" in text:
        raise Refused(422, "The text holds a character that cannot be stored.")
    if len(text) > limit:
        raise Refused(422, f"The text is too long: {len(text)} characters, and {limit} are the most.")
    if required and not text:
        raise Refused(422, required)
    return text


async def token_of(request: web.Request) -> str:
    """What tells one act from its repetition: drawn by the page, sent with the form."""
    return await field(request, "token", 100, "The form is incomplete; reload the page and try again.")

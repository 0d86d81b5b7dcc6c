"""The stream a page lives on: server-sent events over the feed of commits.

It says that something changed and never what: the page asks again, so rights are checked where they always are. Events:
`hello` once, `change` with {"sids": [...]} (null: read again whatever is shown), `tick` when nothing happened for a
while, so that a page knows a dead connection from a quiet one, what a page is told beside that, `over` once the reader
is signed in no more, and `elsewhere` to the oldest stream of somebody who opens too many: browsers grant a site few
connections, and pages need some of them.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from orchestrator.pages.leaving import Doorkeeper
from orchestrator.people.rights import PERSON
from orchestrator.people.sessions import TOKEN
from orchestrator.service import SERVICE
from storage.errors import StorageError

log = structlog.get_logger()
TICK_S: Final = 15.0
# Then the browser comes again, and whether it may is looked at anew.
LIFE_S: Final = 1800.0
STREAMS_MAX: Final = 4
# How long a browser waits before it comes again, in milliseconds.
RETRY_MS: Final = 1000
# Ours is `tick`, which a page can hear; the library's would only cost.
_NEVER_S: Final = 86_400.0
# The second asks nginx not to hold back what comes.
_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "X-Accel-Buffering": "no"}
Relevant = Callable[[frozenset[str]], Awaitable[Iterable[str]]]


@dataclass(frozen=True, slots=True)
class Said:
    """What a page is told beside the changes: an event of its own, with its data as JSON."""

    event: str
    data: object


@dataclass(slots=True, eq=False)
class Stream:
    """One open stream. `end`: why it ends, `elsewhere`, `over` or `shutdown`, once it must; `token`: the sign-in's."""

    end: "asyncio.Future[str]"
    about: str
    token: str


@dataclass(slots=True)
class Streams:
    """The open streams of this process, by person, the oldest first."""

    _of: dict[int, list[Stream]] = field(default_factory=dict)
    _ended: bool = False

    @contextmanager
    def admitted(self, person_id: int, about: str, token: str) -> Iterator[Stream]:
        """A stream while it is open; the oldest of somebody who has too many ends."""
        stream = Stream(asyncio.get_running_loop().create_future(), about, token)
        if self._ended:
            stream.end.set_result("shutdown")
        theirs = self._of.setdefault(person_id, [])
        theirs.append(stream)
        for old in theirs[:-STREAMS_MAX]:
            _end(old, "elsewhere")
        try:
            yield stream
        finally:
            theirs.remove(stream)
            if not theirs:
                self._of.pop(person_id, None)

    def is_watching(self, person_id: int, about: str) -> bool:
        """Whether somebody has a stream open about this, or about everything of his (an empty `about`)."""
        return any(stream.about in ("", about) and not stream.end.done() for stream in self._of.get(person_id, ()))

    def tokens(self) -> set[str]:
        """The sign-ins that have a stream open."""
        return {stream.token for stream in self._all()}

    def end_of(self, tokens: Collection[str]) -> None:
        """End the streams of these sign-ins, which are over."""
        for stream in self._all():
            if stream.token in tokens:
                _end(stream, "over")

    def end_all(self) -> None:
        """End every stream, and each that comes yet: the service stops."""
        self._ended = True
        for stream in self._all():
            _end(stream, "shutdown")

    def _all(self) -> list[Stream]:
        return [stream for theirs in self._of.values() for stream in theirs]


STREAMS: Final = web.AppKey("streams", Streams)
DOORKEEPER: Final = web.AppKey("doorkeeper", Doorkeeper)


def attach(app: web.Application) -> None:
    """Let the application have streams, which end when it begins to stop and so hold nothing up."""
    streams = app[STREAMS] = Streams()
    doorkeeper = app[DOORKEEPER] = Doorkeeper(streams.tokens, streams.end_of)

    async def end_all(_app: web.Application) -> None:
        streams.end_all()
        await doorkeeper.rest()
        await asyncio.sleep(0)

    app.on_shutdown.append(end_all)


async def live(
    request: web.Request, relevant: Relevant, about: str = "", beside: AsyncIterator[Said] | None = None
) -> web.StreamResponse:
    """Tell a page when to ask again, until either side leaves. `relevant` gives those of the changed conversations that
    matter to it; `about` is the conversation it shows, empty for a list of all that are the reader's; `beside` never
    ends."""
    service = request.app[SERVICE]
    with (
        service.feed.subscribe(request.headers.get("Last-Event-ID")) as changes,
        request.app[STREAMS].admitted(request[PERSON].id, about, request[TOKEN]) as stream,
    ):
        request.app[DOORKEEPER].look_after(service)
        async with sse_response(request, ping_interval=_NEVER_S, headers=_HEADERS) as to:
            # The browser leaving, or no longer reading, is how a stream usually ends.
            with suppress(ConnectionResetError, TimeoutError):
                await to.send("", event="hello", retry=RETRY_MS)
                sources: list[AsyncIterator[Any]] = [aiter(changes), *([] if beside is None else [beside])]
                await _pump(to, sources, relevant, stream)
    return to


async def _pump(to: EventSourceResponse, sources: list[AsyncIterator[Any]], relevant: Relevant, stream: Stream) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + LIFE_S
    following = {_next(source): source for source in sources}
    try:
        while loop.time() < until:
            either: set[asyncio.Future[Any]] = {*following, stream.end}
            await asyncio.wait(either, timeout=TICK_S, return_when=asyncio.FIRST_COMPLETED)
            if stream.end.done():
                await to.send("", event=stream.end.result())
                return
            happened = [one for one in following if one.done()]
            if not happened:
                await to.send("", event="tick")
            for one in happened:
                source = following.pop(one)
                if one.result() is None:
                    return
                await _tell(to, one.result(), relevant)
                following[_next(source)] = source
    finally:
        for one in following:
            one.cancel()


def _next(source: AsyncIterator[Any]) -> "asyncio.Future[Any]":
    return asyncio.ensure_future(anext(source, None))


async def _tell(to: EventSourceResponse, change: Any, relevant: Relevant) -> None:
    """Pass a change on, unless nothing of it is for this page. What cannot be looked up may matter."""
    if isinstance(change, Said):
        await to.send(json.dumps(change.data), event=change.event)
        return
    sids: list[str] | None = None
    if change.sids is not None:
        try:
            sids = sorted(await relevant(change.sids))
        except StorageError as error:
            log.warning("relevance_unknown", reason=str(error))
        if sids == []:
            return
    await to.send(json.dumps({"sids": sids}), id=change.id, event="change")


def _end(stream: Stream, why: str) -> None:
    if not stream.end.done():
        stream.end.set_result(why)

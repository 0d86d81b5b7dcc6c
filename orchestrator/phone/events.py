"""The stream of /app: it tells of the worker's conversations, of those he just lost, for they leave his list, and
whether he is available, whoever changed that."""

from collections.abc import AsyncIterator, Iterable

from aiohttp import web

from orchestrator.pages.live import Said, live
from orchestrator.phone.desk import Desk
from orchestrator.phone.inbox import available_now
from storage import threads


async def events(desk: Desk) -> web.StreamResponse:
    """/app/events."""
    known = set(await desk.service.reader.read(lambda connection: threads.his(connection, desk.identity)))

    async def relevant(sids: frozenset[str]) -> Iterable[str]:
        now = await desk.service.reader.read(lambda connection: threads.his(connection, desk.identity, sids))
        before = known & sids
        known.difference_update(sids)
        known.update(now)
        return now | before

    return await live(desk.request, relevant, beside=_availability(desk))


async def _availability(desk: Desk) -> AsyncIterator[Said]:
    """First as TaskRouter has it now, for it may have changed while a page was without its stream."""
    await available_now(desk)
    async for is_available in desk.service.directory.availability(desk.identity):
        yield Said("available", is_available)

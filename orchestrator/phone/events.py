"""The stream of /app: it tells of the worker's conversations, and of those he just lost, for they leave his list."""

from collections.abc import Iterable

from aiohttp import web

from orchestrator.pages.live import live
from orchestrator.phone.desk import Desk
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

    return await live(desk.request, relevant)

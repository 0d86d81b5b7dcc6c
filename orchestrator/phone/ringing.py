"""Ringing: whoever has a customer waiting, and no page open that would tell him, is rung after the commit.

It listens to the feed like a page does, so it sees what any replica committed. Two replicas may both ring: browsers
show one notification for a conversation, and none where the app is open.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import suppress

import structlog
from aiohttp import web

from orchestrator.pages.live import STREAMS, Streams
from orchestrator.phone.push import PUSH, Push
from orchestrator.service import SERVICE, Service
from storage import subscriptions
from storage.errors import StorageError
from storage.subscriptions import Unseen

log = structlog.get_logger()
# What is older was rung for by who ran before us, or is no news.
NEWS_MS = 60_000
AT_ONCE = 8
REST_S = 5.0
ASK_EVERY_S = 60.0
REMEMBERED_MAX = 10_000


class Ringer:
    """Rings once for each customer's message, at most `AT_ONCE` browsers at a time."""

    def __init__(self, service: Service, streams: Streams, push: Push) -> None:
        self._service = service
        self._streams = streams
        self._push = push
        self._rung: dict[tuple[int, str], int] = {}
        self._room = asyncio.Semaphore(AT_ONCE)
        self._rings: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled, or the feed ends. Nobody listens to the feed before there is somebody to ring."""
        await self._somebody()
        with self._service.feed.subscribe() as changes:
            async for change in changes:
                try:
                    await self._look(change.sids)
                except StorageError as error:
                    log.warning("nobody_rung", reason=str(error))
                    await asyncio.sleep(REST_S)

    async def _somebody(self) -> None:
        while not await self._is_somebody_subscribed():
            with suppress(TimeoutError):
                # Another replica may have heard of the first.
                await asyncio.wait_for(self._push.subscribed.wait(), ASK_EVERY_S)

    async def _is_somebody_subscribed(self) -> bool:
        try:
            return await self._service.reader.read(subscriptions.is_any)
        except StorageError as error:
            log.warning("nobody_rung", reason=str(error))
            return False

    async def close(self) -> None:
        """Let nothing go on ringing."""
        for ring in self._rings:
            ring.cancel()
        await asyncio.gather(*self._rings, return_exceptions=True)

    async def _look(self, sids: Collection[str] | None) -> None:
        unseen = await self._service.reader.read(lambda connection: subscriptions.unseen(connection, sids))
        wanted = [one for one in unseen if self._is_news(one)]
        if not wanted:
            return
        people = {one.person_id for one in wanted}
        places = await self._service.reader.read(lambda connection: subscriptions.of(connection, people))
        for one in wanted:
            for place in places:
                if place.person_id == one.person_id:
                    self._start(place, one.sid)

    def _is_news(self, one: Unseen) -> bool:
        key = (one.person_id, one.sid)
        if self._rung.get(key, 0) >= one.version:
            return False
        self._rung[key] = one.version
        if len(self._rung) > REMEMBERED_MAX:
            del self._rung[next(iter(self._rung))]
        is_fresh = self._service.writer.now() - one.at < NEWS_MS
        return is_fresh and not self._streams.is_watching(one.person_id, one.sid)

    def _start(self, place: subscriptions.Subscription, sid: str) -> None:
        ring = asyncio.create_task(self._ring(place, sid))
        self._rings.add(ring)
        ring.add_done_callback(self._rings.discard)

    async def _ring(self, place: subscriptions.Subscription, sid: str) -> None:
        async with self._room:
            try:
                await self._push.ring(self._service, place, sid)
            except StorageError as error:
                log.warning("subscription_not_removed", reason=str(error))


def attach(app: web.Application) -> None:
    """Ring while the application runs. It starts after the service and ends before it."""
    app[PUSH] = Push()

    async def ringing(app: web.Application) -> AsyncIterator[None]:
        ringer = Ringer(app[SERVICE], app[STREAMS], app[PUSH])
        task = asyncio.create_task(ringer.run())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await ringer.close()

    app.cleanup_ctx.append(ringing)

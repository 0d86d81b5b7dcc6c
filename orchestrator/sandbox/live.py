"""The stream of changes the page lives on: server-sent events, one `change` for each."""

import asyncio
import json
from contextlib import suppress
from dataclasses import asdict

from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from orchestrator.sandbox.changes import Watch
from orchestrator.sandbox.sandbox import SANDBOX

_LOOK_S = 15


def add_routes(app: web.Application) -> None:
    """Add `GET /sandbox/events`; open streams end when the application shuts down."""
    app.router.add_get("/sandbox/events", stream)
    app.on_shutdown.append(_end_streams)


async def stream(request: web.Request) -> web.StreamResponse:
    """`event: change` with data `{"seq", "kind", "sid"}`, until either side leaves."""
    with request.app[SANDBOX].world.changes.watched() as watch:
        async with sse_response(request) as response:
            # the browser leaving, or no longer reading, is how a stream usually ends
            with suppress(ConnectionResetError, TimeoutError):
                await _pump(response, watch)
    return response


async def _pump(response: EventSourceResponse, watch: Watch) -> None:
    """Hand over changes until there are no more, looking now and then whether anybody still listens."""
    while response.is_connected():
        try:
            async with asyncio.timeout(_LOOK_S):
                change = await watch.get()
        except TimeoutError:
            continue
        if change is None:
            return
        await response.send(json.dumps(asdict(change)), event="change")


async def _end_streams(app: web.Application) -> None:
    app[SANDBOX].world.changes.end()
    await asyncio.sleep(0)

"""The sandbox as a web application, and as a running server inside this process."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from aiohttp import web

from orchestrator.sandbox import (
    control,
    control_acts,
    control_calls,
    control_requests,
    live,
    page,
    rest,
    rest_account,
    rest_addresses,
    rest_configuration,
    rest_content,
    rest_conversations,
    rest_events,
    rest_interactions,
    rest_media,
    rest_messages,
    rest_participants,
    rest_roles,
    rest_user_conversations,
    rest_webhooks,
    rest_with_participants,
    rest_workers,
    rest_workspace,
)
from orchestrator.sandbox.accounts import FLEX as FLEX_ACCOUNT
from orchestrator.sandbox.sandbox import FLEX, SANDBOX, Sandbox
from orchestrator.sandbox.world import World

MAX_BODY_BYTES = 256 * 1024
_SHUTDOWN_S = 2.0
_TIMERS_S = 1.0


def build_app(world: World, service_url: str) -> web.Application:
    """The application: Twilio's REST API, the control API and the page. Webhooks go to `service_url`."""
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[control_requests.refusals])
    app[SANDBOX] = Sandbox(world, service_url)
    app[FLEX] = Sandbox(World(world.now), service_url, FLEX_ACCOUNT)
    app.cleanup_ctx.append(_sending)
    for module in (
        rest_content,
        rest_conversations,
        rest_interactions,
        rest_media,
        rest_messages,
        rest_participants,
        rest_roles,
        rest_user_conversations,
        rest_with_participants,
        rest_account,
        rest_addresses,
        rest_configuration,
        rest_webhooks,
        rest_events,
        rest_workers,
        rest_workspace,
        control,
        control_acts,
        control_calls,
        live,
        page,
    ):
        module.add_routes(app)
    for tail in ("/v1/{tail:.*}", "/2010-04-01/{tail:.*}"):
        rest.add_route(app, "*", tail, rest.unknown_resource, scoped=False)
    return app


async def _sending(app: web.Application) -> AsyncIterator[None]:
    """Webhooks can be sent while the application runs, and end with it."""
    both = app[SANDBOX], app[FLEX]
    for sandbox in both:
        sandbox.webhooks.open()
    clock = asyncio.create_task(_ringing(both))
    yield
    clock.cancel()
    for sandbox in both:
        sandbox.forget_late()
        await sandbox.webhooks.close()


async def _ringing(sandboxes: Iterable[Sandbox]) -> None:
    """Look every second whether a conversation's timer has run out."""
    while True:
        await asyncio.sleep(_TIMERS_S)
        for sandbox in sandboxes:
            sandbox.ring_timers()


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox that listens at `url`. Stop it in the loop that started it."""

    url: str
    sandbox: Sandbox
    flex: Sandbox
    _runner: web.AppRunner

    async def stop(self) -> None:
        """Close the port, end the streams, drop what has not been delivered."""
        await self._runner.cleanup()


async def start(host: str, port: int, service_url: str, world: World | None = None) -> Running:
    """Listen on `host` and `port` (0: any free one). Raises OSError when the port is taken."""
    app = build_app(world or World(), service_url)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError:
        await runner.cleanup()
        raise
    bound = runner.addresses[0][1]
    return Running(f"http://{host}:{bound}", app[SANDBOX], app[FLEX], runner)

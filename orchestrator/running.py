"""Running in the foreground: listen, print where, and stop in order when told.

The first SIGTERM or Ctrl-C drains: `/readyz` says 503 at once, requests are finished, running effects finish or are
left for the next start. The second one ends at once.
"""

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from typing import Any

import structlog
import typer
from aiohttp import web

from orchestrator.errors import SettingsError
from orchestrator.logs import configure
from orchestrator.sandbox import seeds
from orchestrator.sandbox.server import start as start_sandbox
from orchestrator.settings import Settings

log = structlog.get_logger()
SHUTDOWN_S = 3.0
# How long `/readyz` goes on saying 503, so that a load balancer can see it before the port closes.
NOTICE_S = 1.0


def run_service(settings: Settings, with_sandbox: bool) -> int:
    """Serve until told to stop; the exit code."""
    configure(settings.log_level, settings.log_format, settings.secrets)
    return _run(_serve(settings, with_sandbox))


def run_sandbox(settings: Settings, service_url: str) -> int:
    """Run the sandbox alone until told to stop; the exit code."""
    configure(settings.log_level, settings.log_format, settings.secrets)
    return _run(_sandbox(settings, service_url))


def _run(main: Any) -> int:
    try:
        import uvloop
    except ImportError:
        return int(asyncio.run(main))
    return int(uvloop.run(main))


async def _serve(settings: Settings, with_sandbox: bool) -> int:
    from orchestrator.app import build_app
    from orchestrator.service import SERVICE

    stopping = _stop_signal()
    async with AsyncExitStack() as stack:
        if with_sandbox:
            await _start_sandbox(stack, settings.sandbox_port, settings.public_url)
        app = build_app(settings)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        await _listen(runner, settings.host, settings.port)
        typer.echo(f"expert-hub listens on http://{settings.host}:{_port_of(runner)}")
        await stopping.wait()
        log.info("stopping")
        await asyncio.gather(app[SERVICE].drain(), asyncio.sleep(NOTICE_S))
    return 0


async def _sandbox(settings: Settings, service_url: str) -> int:
    stopping = _stop_signal()
    async with AsyncExitStack() as stack:
        await _start_sandbox(stack, settings.sandbox_port, service_url)
        await stopping.wait()
    return 0


async def _start_sandbox(stack: AsyncExitStack, port: int, service_url: str) -> None:
    try:
        running = await start_sandbox("127.0.0.1", port, service_url)
    except OSError as error:
        raise SettingsError(
            [f"SANDBOX_PORT: cannot listen on {port} ({error.strerror}), expected a free port"]
        ) from error
    stack.push_async_callback(running.stop)
    typer.echo(f"The sandbox, a local Twilio with a phone, is on {running.url}")
    typer.echo(f"  account {seeds.ACCOUNT_SID}  token {seeds.AUTH_TOKEN}")


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise SettingsError(
            [f"PORT: cannot listen on {host}:{port} ({error.strerror}), expected a free port"]
        ) from error


def _port_of(runner: web.AppRunner) -> int:
    return int(runner.addresses[0][1])


def _stop_signal() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; the second ends the process."""
    stopping = asyncio.Event()

    def told() -> None:
        if stopping.is_set():
            os._exit(130)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told)
    return stopping

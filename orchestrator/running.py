"""Running in the foreground: listen, print where, and stop in order when told.

The first SIGTERM or Ctrl-C drains: `/readyz` says 503 at once, requests are finished, running effects finish or are
left for the next start. The second one ends at once.
"""

import asyncio
import errno
import os
import signal
import socket
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import structlog
import typer
from aiohttp import web

from orchestrator.collecting import made_to_stay
from orchestrator.errors import SettingsError
from orchestrator.logs import configure
from orchestrator.sandbox import seeds
from orchestrator.settings import Settings

if TYPE_CHECKING:
    from orchestrator.sandbox.server import Running
    from orchestrator.service import Role, Service

log = structlog.get_logger()
SHUTDOWN_S = 3.0
# How long `/readyz` goes on saying 503, so that a load balancer can see it before the port closes.
NOTICE_S = 1.0


def run_service(settings: Settings, with_sandbox: bool, role: "Role" = "all") -> int:
    """Serve until told to stop; the exit code."""
    configure(settings.log_level, settings.log_format, settings.secrets)
    return _run(_serve(settings, with_sandbox, role))


def run_sandbox(settings: Settings, service_url: str) -> int:
    """Run the sandbox alone until told to stop; the exit code."""
    configure(settings.log_level, settings.log_format, settings.secrets)
    return _run(_sandbox(settings, service_url))


def any_port(wanted: int) -> int:
    """`wanted`, or a free port for 0: service and sandbox are told each other's before either listens."""
    if wanted:
        return wanted
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _run(main: Any) -> int:
    try:
        import uvloop
    except ImportError:
        return int(asyncio.run(main))
    return int(uvloop.run(main))


async def _serve(settings: Settings, with_sandbox: bool, role: "Role") -> int:
    stopping = _stop_signal()
    async with AsyncExitStack() as stack:
        with made_to_stay():
            service = await _start(stack, settings, with_sandbox, role)
        await stopping.wait()
        log.info("stopping")
        await asyncio.gather(service.drain(), asyncio.sleep(NOTICE_S))
    return 0


async def _start(stack: AsyncExitStack, settings: Settings, with_sandbox: bool, role: "Role") -> "Service":
    from orchestrator.app import build_app
    from orchestrator.service import SERVICE

    sandbox = await _start_sandbox(stack, settings.sandbox_port, settings.public_url) if with_sandbox else None
    door = _bind(settings.host, settings.port)
    stack.callback(door.close)
    app = build_app(settings, role)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    stack.push_async_callback(runner.cleanup)
    await runner.setup()
    await web.SockSite(runner, door).start()
    if sandbox:
        _introduce(sandbox)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{settings.port}"
    if role != "effects":
        typer.echo(f"Workers sign in at {url}/app, supervisors at {url}/console")
    typer.echo(f"expert-hub listens on {url} (Ctrl-C stops it)")
    return app[SERVICE]


async def _sandbox(settings: Settings, service_url: str) -> int:
    stopping = _stop_signal()
    async with AsyncExitStack() as stack:
        _introduce(await _start_sandbox(stack, settings.sandbox_port, service_url))
        typer.echo(f"  webhooks go to {service_url}")
        await stopping.wait()
    return 0


async def _start_sandbox(stack: AsyncExitStack, port: int, service_url: str) -> "Running":
    # With its page and Jinja it takes a while to load, and a service with Twilio has no use for it.
    from orchestrator.sandbox.server import start

    try:
        running = await start("127.0.0.1", port, service_url)
    except OSError as error:
        raise _cannot_listen("SANDBOX_PORT", "127.0.0.1", port, error) from error
    stack.push_async_callback(running.stop)
    return running


def _introduce(running: "Running") -> None:
    typer.echo(f"The sandbox, a local Twilio with a phone, is on {running.url}")
    typer.echo(f"  account {seeds.ACCOUNT_SID}  token {seeds.AUTH_TOKEN}")


def _bind(host: str, port: int) -> socket.socket:
    """Take the port before anything is opened or done; nobody is let in until the service listens."""
    door = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((host, port))
    except OSError as error:
        door.close()
        raise _cannot_listen("HOST, PORT", host, port, error) from error
    return door


def _cannot_listen(variable: str, host: str, port: int, error: OSError) -> SettingsError:
    in_use = error.errno == errno.EADDRINUSE
    why = "it is in use, perhaps by another expert-hub" if in_use else error.strerror
    return SettingsError([f"{variable}: cannot listen on {host} port {port} ({why}), expected a free one"])


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

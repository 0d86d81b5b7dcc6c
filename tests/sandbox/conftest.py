"""A sandbox on a real socket, a service that hears its webhooks, and the official Twilio client to speak to it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, web
from exchanges import RecordingHttpClient, complaints
from parties import Control, Service
from twilio.rest import Client

from orchestrator.sandbox import seeds
from orchestrator.sandbox.server import Running, start


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", service.hear)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield service
    for gate in service.gates.values():
        gate.set()
    await runner.cleanup()


@pytest.fixture
async def sandbox(service: Service) -> AsyncIterator[Running]:
    running = await start("127.0.0.1", 0, service.url)
    yield running
    await running.stop()


@pytest.fixture
async def control(sandbox: Running) -> AsyncIterator[Control]:
    async with ClientSession(sandbox.url) as session:
        yield Control(session)


@pytest.fixture
async def client(sandbox: Running) -> AsyncIterator[Client]:
    """The official client. When the test is over, all it exchanged is held against Twilio's own documents."""
    http = RecordingHttpClient(sandbox.url)
    yield Client(seeds.ACCOUNT_SID, seeds.AUTH_TOKEN, http_client=http)
    await http.close()
    for exchange in http.exchanges:
        if exchange.status < 400:
            assert complaints(exchange) == [], f"{exchange.method} {exchange.path}"


@pytest.fixture(params=["plain", "service"])
def api(request: pytest.FixtureRequest, client: Client) -> Any:
    """The Conversations API in both its forms."""
    plain = client.conversations.v1
    return plain if request.param == "plain" else plain.services(seeds.CHAT_SERVICE_SID)

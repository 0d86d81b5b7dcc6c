"""A sandbox whose webhooks nobody hears, and the official client to speak to it, and the port that is ours."""

from collections.abc import AsyncIterator

import pytest
from twilio.rest import Client

from orchestrator.adapters.twilio_conversations import TwilioConversations
from orchestrator.adapters.twilio_transport import TwilioTransport
from orchestrator.ports import Conversations
from orchestrator.sandbox import seeds
from orchestrator.sandbox.server import Running, start
from tests.clients import at_hand
from tests.twilio.made import made


@pytest.fixture
async def sandbox() -> AsyncIterator[Running]:
    running = await start("127.0.0.1", 0, "http://127.0.0.1:9")
    yield running
    await running.stop()


@pytest.fixture
async def transport(sandbox: Running) -> AsyncIterator[TwilioTransport]:
    async with TwilioTransport(5.0, sandbox.url) as transport:
        yield transport


@pytest.fixture
def client(transport: TwilioTransport) -> Client:
    return Client(seeds.ACCOUNT_SID, seeds.AUTH_TOKEN, http_client=transport)


@pytest.fixture
def port(client: Client) -> Conversations:
    return TwilioConversations(at_hand(client))


@pytest.fixture
def openings(client: Client) -> TwilioConversations:
    return TwilioConversations(at_hand(client))


@pytest.fixture
async def ch(client: Client) -> str:
    return await made(client)

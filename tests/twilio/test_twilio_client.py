"""The official client is made at the first call, once, and closed with what it has opened."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from orchestrator.adapters.account_hold import AccountHold
from orchestrator.adapters.twilio_client import TwilioClient
from orchestrator.adapters.twilio_conversations import TwilioConversations
from orchestrator.errors import Held, NotSent
from orchestrator.sandbox import seeds
from orchestrator.sandbox.server import Running, start


@pytest.fixture
async def sandbox() -> AsyncIterator[Running]:
    running = await start("127.0.0.1", 0, "http://127.0.0.1:1")
    yield running
    await running.stop()


def client_at(url: str, token: str = seeds.AUTH_TOKEN, hold: AccountHold | None = None) -> TwilioClient:
    return TwilioClient(seeds.ACCOUNT_SID, token, 5.0, url, hold or AccountHold())


async def test_all_who_call_at_once_are_given_one_client(sandbox: Running) -> None:
    client = client_at(sandbox.url)
    first, second = await asyncio.gather(client(), client())
    assert first is second
    await TwilioConversations(client).any_one()
    await client.close()


async def test_whoever_leaves_while_it_is_made_leaves_it_to_the_others(sandbox: Running) -> None:
    client = client_at(sandbox.url)
    hasty = asyncio.create_task(TwilioConversations(client).any_one())
    await asyncio.sleep(0)
    hasty.cancel()
    await TwilioConversations(client).any_one()
    await client.close()


async def test_it_is_held_by_the_hold_it_was_given(sandbox: Running) -> None:
    hold = AccountHold()
    client = client_at(sandbox.url, "wrong", hold)
    with pytest.raises(Held):
        await TwilioConversations(client).any_one()
    with pytest.raises(Held, match="nothing is sent"), hold.passing():
        pass
    await client.close()


async def test_closed_while_it_is_made_it_sends_nothing() -> None:
    client = client_at("http://127.0.0.1:1")
    making = asyncio.create_task(client())
    await asyncio.sleep(0)
    await client.close()
    await making
    with pytest.raises(NotSent, match="closed"):
        await TwilioConversations(client).any_one()


async def test_closed_before_anybody_called_it_leaves_nothing_open() -> None:
    await client_at("http://127.0.0.1:1").close()

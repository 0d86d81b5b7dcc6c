"""What a test makes in the sandbox through the client, and what the sandbox was asked."""

from typing import Any

from twilio.rest import Client

from orchestrator.sandbox import seeds
from orchestrator.sandbox.server import Running

CUSTOMER, PROXY = "+15550100001", "+15550100999"
SERVICES = [None, seeds.CHAT_SERVICE_SID]


async def made(client: Client, address: str = CUSTOMER, proxy: str = PROXY, **of_customer: str) -> str:
    """A conversation with a customer in it."""
    conversation = await client.conversations.v1.conversations.create_async()
    await conversation.participants.create_async(
        messaging_binding_address=address, messaging_binding_proxy_address=proxy, **of_customer
    )
    sid: str = conversation.sid
    return sid


async def written(client: Client, ch: str, count: int) -> None:
    """`count` messages of the customer."""
    for number in range(count):
        await client.conversations.v1.conversations(ch).messages.create_async(author=CUSTOMER, body=f"no. {number}")


async def customer_of(client: Client, ch: str) -> Any:
    return (await client.conversations.v1.conversations(ch).participants.list_async(page_size=50))[0]


def writes(sandbox: Running, since: int = 0) -> list[str]:
    return [entry.path for entry in sandbox.sandbox.ledger.since(since) if entry.kind == "rest"]


def mark(sandbox: Running) -> int:
    return max((entry.seq for entry in sandbox.sandbox.ledger.since(0)), default=0)

"""Who a test asks the sandbox for, and how it is refused."""

from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

CUSTOMER, PROXY = "+15550100001", "+15550100999"


async def refused(call: Any) -> tuple[int, int]:
    """The status and code with which Twilio says no."""
    with pytest.raises(TwilioRestException) as caught:
        await call
    return caught.value.status, caught.value.code


async def with_customer(client: Client, address: str = CUSTOMER, proxy: str = PROXY) -> Any:
    conversation = await client.conversations.v1.conversations.create_async()
    await conversation.participants.create_async(
        messaging_binding_address=address, messaging_binding_proxy_address=proxy
    )
    return conversation


def binding(address: str = CUSTOMER, proxy: str = PROXY) -> dict[str, str]:
    return {"messaging_binding_address": address, "messaging_binding_proxy_address": proxy}

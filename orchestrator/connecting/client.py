"""The official client for a command: made for it, closed after it, and quiet about what it is refused."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from orchestrator.adapters.account_hold import AccountHold
from orchestrator.adapters.twilio_client import Connect, TwilioClient
from orchestrator.settings import Settings


class _NoHold(AccountHold):
    """Every call is made and has its own answer: a command tells a person what was refused, and ends."""

    @contextmanager
    def passing(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def account(settings: Settings) -> AsyncIterator[Connect]:
    """The client of the settings' account, over our own transport."""
    token = settings.twilio_auth_token.get_secret_value()
    client = TwilioClient(
        settings.twilio_account_sid, token, settings.effect_timeout_s, settings.twilio_api_url, _NoHold()
    )
    try:
        yield client
    finally:
        await client.close()

"""The official client, made when Twilio is first called.

Its resource classes, and requests behind them, take a twentieth of a second to load, and no webhook needs them. So
that nobody waits who does not call, they are loaded in a thread.
"""

import asyncio
import warnings
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.adapters.account_hold import AccountHold
from orchestrator.authorities import read_authorities
from orchestrator.lean import without

if TYPE_CHECKING:
    from twilio.rest import Client

    from orchestrator.adapters.twilio_transport import TwilioTransport

Connect: TypeAlias = Callable[[], Awaitable["Client"]]
"""What the adapters take: the client, whenever they call."""


class TwilioClient:
    """One client over one `TwilioTransport`, for everybody. Made inside a running loop; `close()` it.

    timeout_s, api_url, hold: the transport's.
    """

    def __init__(
        self, account_sid: str, auth_token: str, timeout_s: float, api_url: str | None, hold: AccountHold
    ) -> None:
        self._credentials = account_sid, auth_token
        self._timeout_s = timeout_s
        self._api_url = api_url
        self._hold = hold
        self._transport: TwilioTransport | None = None
        self._made: asyncio.Task[Client] | None = None

    async def __call__(self) -> "Client":
        """The client; the first call has it made, and those that come meanwhile wait too."""
        if self._made is None:
            self._made = asyncio.create_task(self._make())
        return await asyncio.shield(self._made)

    async def _make(self) -> "Client":
        await asyncio.to_thread(_load)
        from twilio.rest import Client

        from orchestrator.adapters.twilio_transport import TwilioTransport

        self._transport = TwilioTransport(self._timeout_s, self._api_url, self._hold)
        return Client(*self._credentials, http_client=self._transport)

    async def close(self) -> None:
        """End the session, once it is made if it is being made."""
        if self._made is not None:
            await asyncio.wait([self._made])
        if self._transport is not None:
            await self._transport.close()


def _load() -> None:
    """Import all that a call needs, the client's domains included, which it would import where they are first named.
    Read the authorities too: else the first connection would hold everybody up.

    The client brings requests, which our transport does without; that one looks for a package that guesses encodings,
    the largest of its own, and warns where there is none."""
    with without("charset_normalizer"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import twilio.rest.conversations
        import twilio.rest.taskrouter  # noqa: F401
    import orchestrator.adapters.twilio_transport  # noqa: F401

    read_authorities()

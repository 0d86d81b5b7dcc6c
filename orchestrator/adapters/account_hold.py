"""A hold on the whole account: while Twilio refuses our credentials nobody calls it but one probe at a time.

Each effect by itself would find that out again and again, with calls that cannot succeed, and would hear much later
that the credentials are good again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import structlog

from orchestrator.errors import EffectError, Held, NotSent
from orchestrator.metrics import HELD

PROBE_S = 5.0

log = structlog.get_logger()


async def _no_probe() -> None:
    """What is asked before anybody has said what to ask."""


class AccountHold:
    """Lets calls pass until one is Held; then refuses all but a probe every `probe_s` seconds, until one succeeds.

    `probe`: a harmless read that passes through here; `on_recovered` is called when the credentials are good again;
    `may_call`: whether this process may call out at all (see `orchestrator.membership`).
    """

    def __init__(self, probe_s: float = PROBE_S) -> None:
        self.probe: Callable[[], Awaitable[object]] = _no_probe
        self.on_recovered: Callable[[], None] = lambda: None
        self.may_call: Callable[[], bool] = lambda: True
        self._probe_s = probe_s
        self._held = asyncio.Event()
        self._probe_may_pass = False
        HELD.set(0)

    def insist(self) -> None:
        """Raises NotSent where a call is not ours to make."""
        if not self.may_call():
            raise NotSent("this replica's lease is not certain; it, or another one, does it again")

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Around one call. Raises Held, the call not made, while the account is held, and NotSent where the call is
        not ours to make."""
        self.insist()
        is_probe = self._held.is_set()
        if is_probe and not self._probe_may_pass:
            raise Held("the credentials were refused; nothing is sent until they are accepted again")
        self._probe_may_pass = False
        try:
            yield
        except Held as refusal:
            self._hold(refusal)
            raise
        if is_probe:
            self._release()

    async def run(self) -> None:
        """Probe while the account is held, until cancelled."""
        while True:
            await self._held.wait()
            await asyncio.sleep(self._probe_s)
            self._probe_may_pass = True
            try:
                await self.probe()
            except EffectError as error:
                log.warning("credentials_still_refused", reason=str(error), next_probe_s=self._probe_s)

    def _hold(self, refusal: Held) -> None:
        if not self._held.is_set():
            self._held.set()
            HELD.set(1)
            log.critical("credentials_refused", reason=str(refusal), next_probe_s=self._probe_s)

    def _release(self) -> None:
        self._held.clear()
        HELD.set(0)
        log.warning("credentials_accepted")
        self.on_recovered()


class LeaseOnly(AccountHold):
    """Holds nothing when credentials are refused, for the account's customers can be served elsewhere; calls still need
    the lease."""

    def _hold(self, refusal: Held) -> None:
        log.error("flex_credentials_refused", reason=str(refusal))

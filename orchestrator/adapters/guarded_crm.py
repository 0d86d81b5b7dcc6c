"""A breaker around any Crm, so that a CRM that is down costs everybody one wait and not each his own.

After a failure every call fails at once, except one probe at a time, tried 1 s later, then after 2, 4, 8 and every
10 s, until an answer comes. Being late is no failure, but while somebody is being late nobody waits for a name."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from orchestrator.errors import CrmUnavailable
from orchestrator.ports import Crm
from states.customers import Customer

T = TypeVar("T")

FIRST_PROBE_S = 1.0
LAST_PROBE_S = 10.0

log = structlog.get_logger()


class GuardedCrm:
    """The Crm port, guarded. `clock` gives seconds, monotonic; `on_recovered` is called at the first answer after a
    failure."""

    def __init__(self, crm: Crm, clock: Callable[[], float]) -> None:
        self.on_recovered: Callable[[], None] = lambda: None
        self._crm = crm
        self._clock = clock
        self._failed = False
        self._late = False
        self._pause_s = FIRST_PROBE_S
        self._probe_at = 0.0
        self._probing = False
        self._asked: set[asyncio.Task[Customer | None]] = set()

    @property
    def healthy(self) -> bool:
        """Whether it has answered since it last failed or was late."""
        return not self._failed and not self._late

    async def find_by_address(self, address: str) -> Customer | None:
        """See the port. Raises CrmUnavailable at once while the CRM is down."""
        return await self._guarded(lambda: self._crm.find_by_address(address))

    async def find(self, customer_id: str) -> Customer | None:
        """See the port. Raises CrmUnavailable at once while the CRM is down."""
        return await self._guarded(lambda: self._crm.find(customer_id))

    async def customers(self, worker: str, page_size: int, after: str | None, query: str | None) -> Sequence[Customer]:
        """See the port. Raises CrmUnavailable at once while the CRM is down."""
        return await self._guarded(lambda: self._crm.customers(worker, page_size, after, query))

    async def name_within(self, address: str, seconds: float) -> str | None:
        """The display name of whoever has this address, if the CRM knows it within `seconds`; never raises."""
        customer = await self.customer_within(address, seconds)
        return customer.display_name if customer else None

    async def customer_within(self, address: str, seconds: float) -> Customer | None:
        """Whoever has this address, if the CRM knows him within `seconds`; never raises.

        Once the CRM has failed or been late nobody waits. The call that was late goes on, and its answer counts.
        """
        if not self.healthy:
            if self._failed:
                self._ask(address)
            return None
        task = self._ask(address)
        done, _ = await asyncio.wait([task], timeout=seconds)
        if done:
            return task.result()
        self._late = True
        log.warning("crm_late", waited_s=seconds)
        return None

    async def close(self) -> None:
        """Forget whom is still asked for."""
        asked = list(self._asked)
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)

    def _ask(self, address: str) -> asyncio.Task[Customer | None]:
        task = asyncio.create_task(self._customer(address))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)
        return task

    async def _customer(self, address: str) -> Customer | None:
        try:
            return await self.find_by_address(address)
        except Exception:  # logged where it was noted; a name that is not there costs nobody his message
            return None

    async def _guarded(self, call: Callable[[], Awaitable[T]]) -> T:
        is_probe = self._failed
        if is_probe:
            if self._probing or self._clock() < self._probe_at:
                raise CrmUnavailable("the CRM has failed and has not answered since")
            self._probing = True
        try:
            answer = await call()
        except Exception as error:
            self._note_failure(is_probe, error)
            raise
        finally:
            self._probing = self._probing and not is_probe
        self._note_answer()
        return answer

    def _note_failure(self, is_probe: bool, error: Exception) -> None:
        if self._failed and not is_probe:
            return  # it had been asked before it was known to be down
        self._pause_s = min(self._pause_s * 2, LAST_PROBE_S) if is_probe else FIRST_PROBE_S
        self._probe_at = self._clock() + self._pause_s
        self._failed = True
        # Only our own errors are known to name no address.
        reason = str(error) if isinstance(error, CrmUnavailable) else type(error).__name__
        log.warning("crm_unavailable", reason=reason, next_probe_s=self._pause_s)

    def _note_answer(self) -> None:
        recovered = self._failed
        self._failed = self._late = False
        if recovered:
            log.info("crm_recovered")
            self.on_recovered()

"""A CRM that is down is asked by one at a time; a CRM that is late keeps nobody waiting a second time."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from orchestrator.adapters.guarded_crm import GuardedCrm
from orchestrator.errors import CrmUnavailable
from states.customers import Customer

MARIA = Customer("1", "Maria Sanchez")


class Neighbour:
    """A Crm that the test breaks, holds back and repairs."""

    def __init__(self) -> None:
        self.calls = 0
        self.is_down = False
        self.hold: asyncio.Event | None = None

    async def find_by_address(self, address: str) -> Customer | None:
        return await self.answer(MARIA if address == "+15550100001" else None)

    async def find(self, customer_id: str) -> Customer | None:
        return await self.answer(MARIA if customer_id == "1" else None)

    async def customers(self, worker: str, page_size: int, after: str | None, query: str | None) -> Sequence[Customer]:
        await self.answer(None)
        return [MARIA]

    async def answer(self, customer: Customer | None) -> Customer | None:
        self.calls += 1
        if self.hold:
            await self.hold.wait()
        if self.is_down:
            raise CrmUnavailable("down")
        return customer


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def neighbour() -> Neighbour:
    return Neighbour()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def crm(neighbour: Neighbour, clock: Clock) -> AsyncIterator[GuardedCrm]:
    crm = GuardedCrm(neighbour, clock)
    yield crm
    await crm.close()


async def fails(crm: GuardedCrm) -> None:
    with pytest.raises(CrmUnavailable):
        await crm.find("1")


async def test_a_healthy_crm_answers_through_the_guard(crm: GuardedCrm) -> None:
    assert await crm.find("1") == MARIA
    assert await crm.find_by_address("+15550100001") == MARIA
    assert await crm.customers("w", 10, None, None) == [MARIA]
    assert await crm.name_within("+15550100001", 1) == "Maria Sanchez"
    assert await crm.name_within("+15550100009", 1) is None
    assert crm.healthy


async def test_after_a_failure_calls_fail_at_once(crm: GuardedCrm, neighbour: Neighbour) -> None:
    neighbour.is_down = True
    for _ in range(10):
        await fails(crm)
    assert neighbour.calls == 1
    assert not crm.healthy


async def test_probes_come_after_1_2_4_8_and_then_every_10_seconds(
    crm: GuardedCrm, neighbour: Neighbour, clock: Clock
) -> None:
    neighbour.is_down = True
    await fails(crm)
    for pause in (1, 2, 4, 8, 10, 10):
        before = neighbour.calls
        clock.now += pause - 0.1
        await fails(crm)
        assert neighbour.calls == before
        clock.now += 0.1
        await fails(crm)
        await fails(crm)
        assert neighbour.calls == before + 1


async def test_one_probe_at_a_time(crm: GuardedCrm, neighbour: Neighbour, clock: Clock) -> None:
    neighbour.is_down = True
    await fails(crm)
    clock.now += 1
    neighbour.is_down, neighbour.hold = False, asyncio.Event()
    probe = asyncio.create_task(crm.find("1"))
    await asyncio.sleep(0)
    await fails(crm)
    neighbour.hold.set()
    assert await probe == MARIA
    assert neighbour.calls == 2
    assert crm.healthy


async def test_a_probe_that_is_cancelled_lets_the_next_one_try(
    crm: GuardedCrm, neighbour: Neighbour, clock: Clock
) -> None:
    neighbour.is_down = True
    await fails(crm)
    clock.now += 1
    neighbour.is_down, neighbour.hold = False, asyncio.Event()
    probe = asyncio.create_task(crm.find("1"))
    await asyncio.sleep(0)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    neighbour.hold.set()
    assert await crm.find("1") == MARIA


async def test_recovery_is_told_once_and_starts_the_pauses_anew(
    crm: GuardedCrm, neighbour: Neighbour, clock: Clock
) -> None:
    recoveries: list[float] = []
    crm.on_recovered = lambda: recoveries.append(clock.now)
    await crm.find("1")
    neighbour.is_down = True
    await fails(crm)
    clock.now += 1
    await fails(crm)
    clock.now += 2
    neighbour.is_down = False
    assert await crm.find("1") == MARIA
    assert await crm.find("1") == MARIA
    assert recoveries == [3]
    neighbour.is_down = True
    await fails(crm)
    clock.now += 1
    neighbour.is_down = False
    assert await crm.find("1") == MARIA
    assert recoveries == [3, 4]


async def test_calls_under_way_when_it_fails_do_not_lengthen_the_pause(
    crm: GuardedCrm, neighbour: Neighbour, clock: Clock
) -> None:
    neighbour.hold = asyncio.Event()
    calls = [asyncio.create_task(crm.find("1")) for _ in range(5)]
    await asyncio.sleep(0)
    neighbour.is_down = True
    neighbour.hold.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, CrmUnavailable) for result in results)
    neighbour.is_down = False
    clock.now += 1
    assert await crm.find("1") == MARIA


async def test_nobody_waits_for_a_late_crm_twice_and_its_late_answer_heals_it(
    crm: GuardedCrm, neighbour: Neighbour
) -> None:
    neighbour.hold = asyncio.Event()
    assert await crm.name_within("+15550100001", 0.01) is None
    assert not crm.healthy
    async with asyncio.timeout(5):
        assert await crm.name_within("+15550100001", 3600) is None
    assert neighbour.calls == 1
    neighbour.hold.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert crm.healthy
    async with asyncio.timeout(5):
        assert await crm.name_within("+15550100001", 3600) == "Maria Sanchez"


async def test_a_late_crm_is_still_asked_by_those_who_can_wait(crm: GuardedCrm, neighbour: Neighbour) -> None:
    neighbour.hold = asyncio.Event()
    await crm.name_within("+15550100001", 0.01)
    look_up = asyncio.create_task(crm.find("1"))
    await asyncio.sleep(0)
    neighbour.hold.set()
    assert await look_up == MARIA


async def test_a_name_asked_while_it_is_down_costs_nothing_and_probes_when_due(
    crm: GuardedCrm, neighbour: Neighbour, clock: Clock
) -> None:
    recovered = asyncio.Event()
    crm.on_recovered = recovered.set
    neighbour.is_down = True
    assert await crm.name_within("+15550100001", 1) is None
    neighbour.is_down = False
    assert await crm.name_within("+15550100001", 1) is None
    assert neighbour.calls == 1
    clock.now += 1
    assert await crm.name_within("+15550100001", 1) is None
    async with asyncio.timeout(5):
        await recovered.wait()
    assert crm.healthy


async def test_a_crm_that_breaks_in_another_way_is_down_too(
    crm: GuardedCrm, neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(address: str) -> Customer | None:
        raise KeyError(address)

    monkeypatch.setattr(neighbour, "find_by_address", broken)
    assert await crm.name_within("+15550100001", 1) is None
    assert not crm.healthy
    await fails(crm)


async def test_closing_cancels_what_is_still_asked(crm: GuardedCrm, neighbour: Neighbour) -> None:
    neighbour.hold = asyncio.Event()
    await crm.name_within("+15550100001", 0.01)
    async with asyncio.timeout(5):
        await crm.close()

"""Deadlines: everybody's waiting ends at his own time, and nobody's before."""

import asyncio

import pytest

from storage.deadlines import Deadlines


async def waits(deadlines: Deadlines, seconds: float) -> float:
    """How long the waiting for a result that never comes lasts."""
    loop = asyncio.get_running_loop()
    began, future = loop.time(), loop.create_future()
    deadlines.watch(future, began + seconds)
    with pytest.raises(TimeoutError):
        await future
    return loop.time() - began


async def test_each_waiting_ends_at_its_own_time_whoever_came_first() -> None:
    deadlines = Deadlines(asyncio.get_running_loop())
    limits = (0.09, 0.03, 0.06)
    lasted = await asyncio.gather(*(waits(deadlines, limit) for limit in limits))
    assert sorted(lasted) == [lasted[1], lasted[2], lasted[0]]
    assert all(took >= limit - 0.002 for took, limit in zip(lasted, limits, strict=True))


async def test_who_comes_after_the_last_one_is_gone_is_ended_too() -> None:
    deadlines = Deadlines(asyncio.get_running_loop())
    assert await waits(deadlines, 0.01) < 1
    assert await waits(deadlines, 0.01) < 1


def test_a_deadline_that_has_passed_is_no_hindrance_to_those_after_it_under_uvloop_either() -> None:
    async def passed_and_to_come() -> None:
        deadlines = Deadlines(asyncio.get_running_loop())
        assert max(await asyncio.gather(waits(deadlines, -1), waits(deadlines, 0.02), waits(deadlines, -1))) < 1

    for run in (asyncio.run, pytest.importorskip("uvloop").run):
        run(passed_and_to_come())


async def test_a_result_in_time_and_a_caller_who_left_are_let_be() -> None:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(loop)
    answered, left, forgotten = (loop.create_future() for _ in range(3))
    for future in (answered, left, forgotten):
        deadlines.watch(future, loop.time() + 0.01)
    answered.set_result("in time")
    left.cancel()
    deadlines.forget(forgotten)
    assert await waits(deadlines, 0.02) < 1
    assert answered.result() == "in time"
    assert left.cancelled()
    assert not forgotten.done()

"""Fresh answers: one call at a time, shared by those who asked before it began."""

import asyncio
import gc

import pytest

from orchestrator.fresh import Fresh


class Slow:
    """Something worth asking seldom: answers are numbered, and come when the test says so."""

    def __init__(self) -> None:
        self.asked = 0
        self.begun = asyncio.Event()
        self.at_once = 0
        self.most_at_once = 0
        self.gates: list[asyncio.Future[None]] = []

    async def __call__(self) -> int:
        self.asked += 1
        self.begun.set()
        number = self.asked
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.gates.append(gate)
        try:
            await gate
        finally:
            self.at_once -= 1
        return number

    async def until_asked(self, times: int) -> None:
        """Let the others run until the question was put this often."""
        async with asyncio.timeout(5):
            while self.asked < times:
                self.begun.clear()
                await self.begun.wait()

    def answer(self, number: int) -> None:
        """Let a call end."""
        self.gates[number - 1].set_result(None)

    def fail(self, number: int) -> None:
        """Let a call raise."""
        self.gates[number - 1].set_exception(OSError(f"call {number} failed"))


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def fresh(slow: Slow) -> Fresh[int]:
    return Fresh(slow)


def callers(fresh: Fresh[int], count: int) -> "list[asyncio.Task[int]]":
    async def ask() -> int:
        return await fresh()

    return [asyncio.create_task(ask()) for _ in range(count)]


async def test_callers_at_the_same_time_share_a_call(fresh: Fresh[int], slow: Slow) -> None:
    first, *others = callers(fresh, 5)
    await slow.until_asked(1)
    slow.answer(1)
    assert await first == 1
    await slow.until_asked(2)
    slow.answer(2)
    # The first call was begun by the first of them; the others came after that.
    assert await asyncio.gather(*others) == [2] * 4
    assert slow.asked == 2


async def test_a_call_under_way_serves_nobody_who_came_after_its_start(fresh: Fresh[int], slow: Slow) -> None:
    [early] = callers(fresh, 1)
    await slow.until_asked(1)
    late = callers(fresh, 3)
    await asyncio.sleep(0)
    slow.answer(1)
    assert await early == 1
    await slow.until_asked(2)
    assert not any(task.done() for task in late)
    slow.answer(2)
    assert await asyncio.gather(*late) == [2, 2, 2]


async def test_each_round_asks_anew(fresh: Fresh[int], slow: Slow) -> None:
    for number in (1, 2, 3):
        [caller] = callers(fresh, 1)
        await slow.until_asked(number)
        slow.answer(number)
        assert await caller == number


async def test_there_is_never_more_than_one_call_at_a_time(fresh: Fresh[int], slow: Slow) -> None:
    """Least of all when a caller asks again the moment his call has ended, while others wait for the next."""

    async def twice() -> int:
        await fresh()
        return await fresh()

    again = asyncio.create_task(twice())
    await slow.until_asked(1)
    waiting = callers(fresh, 2)
    await asyncio.sleep(0)
    slow.answer(1)
    await slow.until_asked(2)
    for _ in range(5):
        await asyncio.sleep(0)
    assert slow.most_at_once == 1
    slow.answer(2)
    assert await asyncio.gather(*waiting) == [2, 2]
    assert await again == 2
    assert slow.asked == 2


async def test_an_error_reaches_everybody_who_waited_for_the_call_and_nobody_else(
    fresh: Fresh[int], slow: Slow
) -> None:
    [first] = callers(fresh, 1)
    await slow.until_asked(1)
    others = callers(fresh, 3)
    await asyncio.sleep(0)
    slow.answer(1)
    assert await first == 1
    await slow.until_asked(2)
    slow.fail(2)
    results = await asyncio.gather(*others, return_exceptions=True)
    assert [str(result) for result in results] == ["call 2 failed"] * 3
    [later] = callers(fresh, 1)
    await slow.until_asked(3)
    slow.answer(3)
    assert await later == 3


async def test_a_failed_call_does_not_fail_those_who_wait_for_the_next(fresh: Fresh[int], slow: Slow) -> None:
    [first] = callers(fresh, 1)
    await slow.until_asked(1)
    [second] = callers(fresh, 1)
    await asyncio.sleep(0)
    slow.fail(1)
    with pytest.raises(OSError, match="call 1"):
        await first
    await slow.until_asked(2)
    slow.answer(2)
    assert await second == 2


@pytest.mark.parametrize("leaving", [0, 1])
async def test_a_caller_who_leaves_leaves_the_others_their_call(fresh: Fresh[int], slow: Slow, leaving: int) -> None:
    [first] = callers(fresh, 1)
    await slow.until_asked(1)
    others = callers(fresh, 2)
    await asyncio.sleep(0)
    slow.answer(1)
    await first
    await slow.until_asked(2)
    others[leaving].cancel()
    await asyncio.sleep(0)
    slow.answer(2)
    assert await others[1 - leaving] == 2
    assert others[leaving].cancelled()


async def test_the_only_caller_may_leave_and_the_next_is_served(fresh: Fresh[int], slow: Slow) -> None:
    [first] = callers(fresh, 1)
    await slow.until_asked(1)
    first.cancel()
    [second] = callers(fresh, 1)
    await asyncio.sleep(0)
    slow.answer(1)
    await slow.until_asked(2)
    slow.answer(2)
    assert await second == 2


async def test_a_call_that_fails_when_nobody_waits_for_it_any_more_is_no_news(slow: Slow, fresh: Fresh[int]) -> None:
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
    [leaving] = callers(fresh, 1)
    await slow.until_asked(1)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    slow.fail(1)
    del leaving
    task, fresh._running = fresh._running, None
    assert task is not None
    await asyncio.wait([task])
    del task
    gc.collect()
    assert told == []

"""The daily pass: due once a day, nearly unnoticed by webhooks, stopped at once, taken up again after a failure."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import insert, select

from orchestrator import retention as retention_module
from orchestrator.directory import Directory
from orchestrator.intake import Intake
from orchestrator.metrics import REGISTRY
from orchestrator.retention import LOOK_EVERY_S, NEXT_PASS_MS, REST_S, SHARE, Retention
from storage.errors import StorageError
from storage.opening import upgrade
from storage.pruning import DAY_MS, KEYS, WINDOW, Step
from storage.schema import inbox
from storage.shared_writer import SharedWriter
from storage.unit import Unit
from storage.writer import Batches, Writer, wall_clock
from tests.stores import NOON, message, report, sid

DAYS = 30
OLD_MS = (DAYS + 1) * DAY_MS


@pytest.fixture
def clock(writer: Writer) -> Any:
    return writer._clock


@asynccontextmanager
async def running(*loops: Retention) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Their loops run as long as this lasts."""
    tasks = [asyncio.create_task(loop.run()) for loop in loops]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Watched(Retention):
    """Tells of every pass and every step that is over."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.passes: asyncio.Queue[int] = asyncio.Queue()
        self.steps: asyncio.Queue[float] = asyncio.Queue()
        self.looked = asyncio.Semaphore(0)

    async def round(self) -> int:
        pruned = await super().round()
        self.passes.put_nowait(pruned)
        return pruned

    async def _is_our_turn(self) -> bool:
        is_ours = await super()._is_our_turn()
        self.looked.release()
        return is_ours

    async def _timed(self, *step: Any) -> tuple[Step, float]:
        done, took_s = await super()._timed(*step)
        self.steps.put_nowait(took_s)
        return done, took_s


async def fill(writer: Batches, count: int, received_at: int) -> None:
    """Keys of events that were decided then."""
    row = {"conversation_sid": sid("CH", 1), "kind": "message_published", "status": "done", "event": ""}
    found = [row | {"key": f"onMessageAdded/{sid('IM', 100 + n)}", "received_at": received_at} for n in range(count)]
    await writer.run(lambda unit: unit.connection.execute(insert(inbox), found) and None)


async def keys(writer: Batches) -> int:
    return len(await writer.run(lambda unit: unit.connection.execute(select(inbox.c.key)).all()))


def counted(table: str) -> float:
    return REGISTRY.get_sample_value("expert_hub_pruned_total", {"table": table}) or 0


async def soon(awaitable: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(awaitable, 10)


async def test_a_pass_goes_through_everything_and_is_counted(writer: Writer) -> None:
    await fill(writer, WINDOW + 1, NOON - OLD_MS)
    before = counted("inbox")
    assert await Retention(writer, DAYS, share=0.5).round() == WINDOW + 1
    assert counted("inbox") == before + WINDOW + 1
    assert await keys(writer) == 0


async def test_a_pass_is_due_at_the_start_and_then_once_a_day(writer: Writer, clock: Any) -> None:
    retention = Watched(writer, DAYS, look_every_s=0.001)
    await fill(writer, 1, NOON - OLD_MS)
    async with running(retention):
        assert await soon(retention.passes.get()) == 1
        await fill(writer, 2, NOON - OLD_MS)
        for _ in range(4):
            await soon(retention.looked.acquire())
        assert retention.passes.empty()
        clock.advance(NEXT_PASS_MS)
        assert await soon(retention.passes.get()) == 2
    # What is looked for every hour begins within the day.
    assert NEXT_PASS_MS + LOOK_EVERY_S * 1000 <= DAY_MS


async def test_of_two_replicas_one_has_the_duty(postgres_url: str) -> None:
    await asyncio.to_thread(upgrade, postgres_url)
    writers = [SharedWriter(postgres_url, wall_clock) for _ in range(2)]
    replicas = [Watched(writer, DAYS, look_every_s=0.001) for writer in writers]
    await fill(writers[0], 3, wall_clock() - OLD_MS)
    async with running(*replicas):
        for replica in replicas:
            for _ in range(5):
                await soon(replica.looked.acquire())
        _done, _ = await asyncio.wait(
            [asyncio.create_task(replica.passes.get()) for replica in replicas], return_when="FIRST_COMPLETED"
        )
        assert [task.result() for task in _done] == [3]
        assert [replica.passes.empty() for replica in replicas] == [True, True]
    assert await keys(writers[0]) == 0
    for writer in writers:
        await writer.close()


async def test_the_writer_is_left_alone_for_as_long_as_a_step_took_many_times_over(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rested: list[float] = []
    sleep = asyncio.sleep

    async def rest(seconds: float) -> None:
        rested.append(seconds)
        await sleep(0)

    retention = Watched(writer, DAYS)
    await fill(writer, 3 * WINDOW, NOON - OLD_MS)
    monkeypatch.setattr("orchestrator.retention.asyncio.sleep", rest)
    await retention.round()
    steps = [retention.steps.get_nowait() for _ in rested]
    assert retention.steps.empty()
    assert len(steps) == 5
    assert all(rest >= max(REST_S, took * (1 / SHARE - 1)) for rest, took in zip(rested, steps, strict=True))


async def test_a_webhook_between_two_steps_waits_for_neither(writer: Writer) -> None:
    """The pause is as good as endless: whoever had to wait for the pass would wait for ever."""
    retention = Watched(writer, DAYS, share=1e-9)
    intake = Intake(writer, Directory(None), grace_ms=1000)
    await fill(writer, 2 * WINDOW, NOON - OLD_MS)
    async with running(retention):
        await soon(retention.steps.get())
        assert await soon(intake.accept(report(message(0))))
        assert retention.passes.empty()


async def test_a_drain_interrupts_a_pass_at_once_and_what_is_gone_is_gone(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The keys alone: a step over what has no rows would be rested after first, for as long as the machine is slow.
    monkeypatch.setattr(retention_module, "PRUNABLE", (KEYS,))
    retention = Watched(writer, DAYS, share=0.0001)
    await fill(writer, 2 * WINDOW, NOON - OLD_MS)
    async with running(retention) as [task]:
        while await keys(writer) == 2 * WINDOW:
            await soon(retention.steps.get())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 1)
    assert await keys(writer) == WINDOW


async def test_what_the_store_refused_is_tried_again_though_the_duty_was_taken(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, refused = writer.run, []

    async def refuse_the_second(work: Callable[[Unit], Any], about: Any = None) -> Any:
        refused.append(work)
        if len(refused) == 2:
            raise StorageError("the disk is full")
        return await run(work, about)

    monkeypatch.setattr(writer, "run", refuse_the_second)
    retention = Watched(writer, DAYS, look_every_s=0.001)
    await fill(writer, 1, NOON - OLD_MS)
    refused.clear()
    async with running(retention):
        assert await soon(retention.passes.get()) == 1

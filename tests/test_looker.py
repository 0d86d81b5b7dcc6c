"""When the looker asks the store: as something falls due, and not whenever it is told that something will."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from orchestrator.directory import Directory
from orchestrator.errors import Gone
from orchestrator.intake import Expected, Intake
from orchestrator.looker import Looker
from storage.engine import writing_engine
from storage.schema import look
from storage.writer import Work, Writer, wall_clock
from tests.stores import Store, message, report, sid, started

CONVERSATION = sid("CH", 1)
GRACE_MS = 400
SOON_S = 5


class Twilio:
    """Has no conversation, and notes when it was asked for one."""

    def __init__(self) -> None:
        self.asked_at: list[int] = []
        self.asked = asyncio.Event()

    def __getattr__(self, _name: str) -> Callable[..., Any]:
        async def gone(*_of: object) -> None:
            self.asked_at.append(wall_clock())
            self.asked.set()
            raise Gone("404")

        return gone


class Counting(Writer):
    """A writer that knows how often it was asked for something."""

    asked = 0

    def __init__(self, store: Store) -> None:
        super().__init__(writing_engine(store.url), wall_clock)
        self.first = asyncio.Event()

    def _hand_over(self, work: Work) -> None:
        self.asked += 1
        self.first.set()
        super()._hand_over(work)


@asynccontextmanager
async def looking(store: Store, twilio: Twilio, grace_ms: int = GRACE_MS) -> AsyncIterator[tuple[Intake, Counting]]:
    """A looker that has just found nothing to do."""
    writer = Counting(store)
    intake = Intake(writer, Directory(None), grace_ms)
    looker = Looker(writer, intake, twilio, Directory(None), grace_ms)  # type: ignore[arg-type]
    task = asyncio.create_task(looker.run())
    try:
        await writer.first.wait()
        await writer.run(lambda _unit: None)
        yield intake, writer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await writer.close()


async def test_a_message_that_comes_by_itself_is_not_looked_for(store: Store) -> None:
    async with looking(store, Twilio(), grace_ms=60_000) as (intake, writer):
        await intake.accept(report(started()))
        before = writer.asked
        for index in range(5):
            await intake.expect(Expected(conversation_sid=CONVERSATION))
            await intake.accept(report(message(index)))
        await writer.run(lambda _unit: None)
        assert writer.asked - before == 2 * 5 + 1
    assert store.rows(look) == []


async def test_what_does_not_come_is_looked_for_as_soon_as_it_is_due_and_not_before(store: Store) -> None:
    twilio = Twilio()
    async with looking(store, twilio) as (intake, writer), asyncio.timeout(SOON_S):
        await intake.expect(Expected(conversation_sid=CONVERSATION))
        due_at = store.rows(look)[0]["due_at"]
        await intake.expect(Expected(conversation_sid=sid("CH", 2)))
        before = writer.asked
        await twilio.asked.wait()
        assert due_at <= twilio.asked_at[0] < due_at + GRACE_MS
        # What is due, and what is known of the conversation before it is looked at; of the second one perhaps too.
        assert writer.asked - before <= 4


@pytest.mark.parametrize("is_told_first", [True, False], ids=["before it", "after it"])
async def test_what_falls_due_later_puts_nothing_off(store: Store, is_told_first: bool) -> None:
    twilio = Twilio()
    async with looking(store, twilio) as (intake, _writer), asyncio.timeout(SOON_S):
        much_later = wall_clock() + 60_000
        if is_told_first:
            intake.on_due(much_later)
        await intake.expect(Expected(conversation_sid=CONVERSATION))
        due_at = store.rows(look)[0]["due_at"]
        if not is_told_first:
            intake.on_due(much_later)
        await twilio.asked.wait()
        assert due_at <= twilio.asked_at[0] < due_at + GRACE_MS

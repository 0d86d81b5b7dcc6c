"""What the service does about commits in doubt, effects that got lost in the process, and its own surprises."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator import dispatcher as dispatching
from orchestrator import service as services
from orchestrator.directory import Directory
from orchestrator.intake import Intake, Outcome
from states.events import BotReplied
from storage import outbox
from storage.lanes import Due
from storage.schema import history
from storage.schema import outbox as outbox_table
from storage.writer import Writer
from tests.e2e.conftest import House
from tests.stores import column, message, new_store, report, sid, started

MARIA = "+15550100001"


async def test_an_outcome_is_settled_once_however_often_it_is_written(tmp_path: Path) -> None:
    """A commit that succeeded and was reported as a failure is repeated by whoever handed it over."""
    with new_store(tmp_path) as store:
        writer = Writer(store.engine, store.clock)
        dues: list[Due] = []
        writer.on_started = dues.extend
        intake = Intake(writer, Directory(None), grace_ms=1000)
        for fact in (started(), message(0)):
            await intake.accept(report(fact))
        ask = next(due for due in dues if due.kind == "ask_bot")
        reply = BotReplied(sid("IM", 0), "What is it about?", "no", turn=0)  # type: ignore[arg-type]
        for _ in range(2):
            await intake.settle(ask, Outcome("done", reply))
        assert column(store.rows(history), "trigger").count("bot_replied") == 1
        assert column(store.rows(outbox_table), "kind").count("send_message") == 2
        await writer.close()


async def test_only_the_attempts_that_are_named_are_given_back(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        writer = Writer(store.engine, store.clock)
        for fact in (started(), message(0)):
            await Intake(writer, Directory(None), grace_ms=1000).accept(report(fact))
        running = await writer.run(lambda unit: outbox.running(unit, writer.owner))
        assert set(running.values()) == {1}
        lost, *others = running
        assert await writer.run(lambda unit: outbox.recover(unit, 0, {lost: 2})) == 0
        assert await writer.run(lambda unit: outbox.recover(unit, 0, {lost: 1})) == 1
        assert list(await writer.run(lambda unit: outbox.running(unit, writer.owner))) == others
        await writer.close()


async def test_effects_that_were_started_and_never_heard_of_are_found(
    bare_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bare_house.start(DISPATCH_POLL_S="0.1")
    start, forgotten = bare_house.service.writer.on_started, 0

    def forget_the_first(dues: Sequence[Due]) -> None:
        nonlocal forgotten
        if forgotten:
            start(dues)
        forgotten += 1

    monkeypatch.setattr(bare_house.service.writer, "on_started", forget_the_first)
    conversation = await bare_house.say(MARIA, "Hello")
    dump = await bare_house.quiet(conversation)
    assert forgotten
    assert {effect["status"] for effect in dump["effects"]} == {"done"}
    assert len(await bare_house.said(conversation)) == 3


async def test_what_a_slow_twilio_cannot_take_yet_waits_unstarted_and_all_of_it_is_done(
    bare_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is marked running is in doubt after a crash: no more is marked than can run. Polling is too slow here."""
    monkeypatch.setattr(dispatching, "SIDE_BY_SIDE", 4)
    await bare_house.start(DISPATCH_POLL_S="600")
    await bare_house.post("/sandbox/faults", {"latency_ms": 100}, "PUT")
    said = [bare_house.say(f"+155501001{number:02d}", "Hello") for number in range(20)]
    conversations = await asyncio.gather(*said)
    owner = bare_house.service.writer.owner
    crowd = [await bare_house.service.writer.run(lambda unit: outbox.running(unit, owner)) for _ in range(20)]
    assert 0 < max(len(running) for running in crowd) <= 8
    for conversation in conversations:
        dump = await bare_house.quiet(conversation)
        assert {effect["status"] for effect in dump["effects"]} == {"done"}


async def test_a_loop_that_fails_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "LOOP_REST_S", 0)
    tries, done = 0, asyncio.Event()

    async def loop() -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise ZeroDivisionError
        done.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(services._kept_up(loop))
    await asyncio.wait_for(done.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

"""Numbers and leases: who runs an effect, who may call out, and what becomes of those who are too late."""

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrator import membership as membership_module
from orchestrator.directory import Directory
from orchestrator.dispatcher import Dispatcher
from orchestrator.intake import Intake, Outcome
from orchestrator.membership import Membership
from orchestrator.performing import Performer
from orchestrator.retrying import Patience
from orchestrator.taking import take
from states.effects import Effect, SendMessage
from storage import outbox as storage_outbox
from storage import replicas
from storage.codec import encode
from storage.engine import writing_engine
from storage.lanes import Due
from storage.schema import outbox, replica
from storage.shared_writer import SharedWriter
from storage.unit import About, Unit
from storage.writer import Batches, Writer, wall_clock
from tests.postgres import stored
from tests.stores import UNSURE, column, message, new_store, report, sid, started

CALL_S = 10.0
LEASE_MS = 60_000
QUIET_MS = 0


class Time:
    """Monotonic seconds, where the test wants them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    found = Time()
    monkeypatch.setattr(membership_module, "time", found)
    return found


async def joined(writer: Batches) -> int:
    """Give the writer a number with a lease."""
    writer.owner = await writer.run(lambda unit: replicas.join(unit, LEASE_MS))
    return writer.owner


async def greeted(writer: Batches, conversation: int = 1) -> list[Due]:
    """A customer writes; the effects that this replica runs for it."""
    dues: list[Due] = []
    writer.on_started = dues.extend

    def work(unit: Unit) -> None:
        for fact in (started(), message(0)):
            take(unit, report(fact, conversation), UNSURE)

    await writer.run(work, About(sid("CH", conversation)))
    return dues


def intake(writer: Batches) -> Intake:
    return Intake(writer, Directory(None), grace_ms=1000)


async def statuses(writer: Batches, conversation: int = 1) -> list[tuple[str, int]]:
    """Status and number of each effect that was started."""
    found = await stored(writer, outbox, conversation_sid=sid("CH", conversation))
    return [row for row in column(found, "status", "owner") if row[1] is not None]


# Fencing


async def test_what_a_replica_without_a_lease_ran_is_taken_over_and_its_outcomes_are_refused(
    one: SharedWriter, other: SharedWriter
) -> None:
    """Its own number tells a replica's outcome from another one's, in whatever batch it comes."""
    number, _ = await joined(one), await joined(other)
    lost = await greeted(one)
    await one.run(lambda unit: replicas.leave(unit, number))
    assert await other.run(lambda unit: storage_outbox.recover(unit, QUIET_MS)) == len(lost)
    retaken: list[Due] = []
    other.on_started = retaken.extend
    await other.run(lambda unit: unit.start_due(64))
    assert {due.key for due in retaken} == {due.key for due in lost}
    await asyncio.gather(*(intake(one).settle(due, Outcome("done", result_sid=sid("IM", 1))) for due in lost))
    assert await statuses(other) == [("running", other.owner)] * len(lost)
    send = next(due for due in retaken if due.kind == "send_message")
    await intake(other).settle(send, Outcome("done", result_sid=sid("IM", 2)))
    [row] = await stored(other, outbox, key=send.key)
    assert (row["status"], row["result_sid"]) == ("done", sid("IM", 2))


async def test_an_outcome_that_is_refused_hinders_no_other(one: SharedWriter, other: SharedWriter) -> None:
    await joined(one)
    lost, kept = await greeted(one, 1), await greeted(one, 2)
    lost_keys = {due.key: due.attempts for due in lost}
    await other.run(lambda unit: storage_outbox.recover(unit, QUIET_MS, lost_keys))
    async with asyncio.timeout(5):
        await asyncio.gather(*(intake(one).settle(due, Outcome("done")) for due in lost + kept))
    assert {status for status, _owner in await statuses(one, 2)} <= {"done", "running"}
    assert {row["status"] for row in await stored(one, outbox) if row["key"] in lost_keys} == {"ambiguous", "pending"}
    assert {row["status"] for row in await stored(one, outbox) if row["key"] in {d.key for d in kept}} == {"done"}


async def test_what_was_said_of_a_failure_is_kept_though_no_database_takes_all_of_it(one: SharedWriter) -> None:
    """An outcome that is refused would be written again and again, for ever."""
    await joined(one)
    [*_, due] = await greeted(one)
    await intake(one).settle(due, Outcome("parked", error="half of \ud83d, nothing \0"))
    [row] = await stored(one, outbox, key=due.key)
    assert (row["status"], row["last_error"]) == ("parked", r"half of \ud83d, nothing \x00")


async def test_what_a_replica_with_a_lease_runs_is_left_to_it(one: SharedWriter, other: SharedWriter) -> None:
    await joined(one)
    dues = await greeted(one)
    assert await other.run(lambda unit: storage_outbox.recover(unit, QUIET_MS)) == 0
    assert await statuses(one) == [("running", one.owner)] * len(dues)


async def test_an_attempt_that_was_taken_over_is_not_sent_again(one: SharedWriter, other: SharedWriter) -> None:
    await joined(one)
    due = next(due for due in await greeted(one) if due.kind == "send_message")
    assert await one.run(lambda unit: storage_outbox.restamp(unit, due))
    await other.run(lambda unit: storage_outbox.recover(unit, QUIET_MS, {due.key: due.attempts}))
    assert not await one.run(lambda unit: storage_outbox.restamp(unit, due))


# Leases and duties


async def test_a_lease_that_has_ended_cannot_be_renewed_and_a_number_is_never_given_again(one: SharedWriter) -> None:
    first = await one.run(lambda unit: replicas.join(unit, LEASE_MS))
    assert await one.run(lambda unit: replicas.renew(unit, first, LEASE_MS))
    await one.run(lambda unit: replicas.renew(unit, first, -1))
    assert not await one.run(lambda unit: replicas.renew(unit, first, LEASE_MS))
    await one.run(replicas.forget_ended)
    assert not await one.run(lambda unit: replicas.renew(unit, first, LEASE_MS))
    assert await one.run(lambda unit: replicas.join(unit, LEASE_MS)) > first


async def test_leases_that_have_ended_are_forgotten_once_what_they_covered_was_given_back(
    one: SharedWriter, other: SharedWriter
) -> None:
    dead, living = await joined(one), await joined(other)
    dues = await greeted(one)
    await other.run(lambda unit: replicas.renew(unit, dead, -1))
    await _dispatcher(other, Slow()).recover()
    assert column(await stored(other, replica), "number") == [living]
    assert [row["status"] for row in await stored(other, outbox, owner=dead)].count("running") == 0 < len(dues)


async def test_of_two_replicas_that_take_a_duty_at_once_one_has_it_until_it_is_given_back_or_over(
    one: SharedWriter, other: SharedWriter
) -> None:
    async def take(writer: SharedWriter, name: str, for_ms: int = LEASE_MS) -> bool:
        return await writer.run(lambda unit: replicas.take(unit, name, for_ms), About(lock=name))

    names = [f"duty {n}" for n in range(20)]
    taken = await asyncio.gather(*(take(writer, name) for name in names for writer in (one, other)))
    assert [taken[i : i + 2].count(True) for i in range(0, len(taken), 2)] == [1] * 20
    assert not await take(other, names[0])
    await one.run(lambda unit: replicas.give_back(unit, names[0]))
    assert await take(other, names[0], for_ms=0)
    assert await take(one, names[0])


async def test_a_call_may_begin_until_one_timeout_after_the_last_renewal(one: SharedWriter, clock: Time) -> None:
    membership = Membership(one, CALL_S)
    assert not membership.may_call()
    await membership.join()
    clock.now += CALL_S - 0.1
    assert membership.may_call()
    clock.now += 0.2
    assert not membership.may_call()
    [row] = await stored(one, replica)
    assert abs(row["until"] - wall_clock() - 3000 * CALL_S) < 5000


async def test_who_lost_his_lease_gets_a_new_number_before_he_may_call_again(
    one: SharedWriter, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership_module, "RENEWALS_A_CALL", 1000)
    membership = Membership(one, CALL_S)
    await membership.join()
    first, seen = one.owner, list[tuple[bool, bool]]()
    rejoined = asyncio.Event()

    def on_joined() -> None:
        seen.append((one.owner > first, membership.may_call()))
        rejoined.set()

    membership.on_joined = on_joined
    clock.now += 2 * CALL_S
    await one.run(lambda unit: replicas.leave(unit, first))
    running = asyncio.create_task(membership.run())
    async with asyncio.timeout(5):
        await rejoined.wait()
    running.cancel()
    assert seen == [(True, False)]
    assert membership.may_call()


async def test_who_leaves_calls_out_no_more_and_his_work_is_free_at_once(one: SharedWriter) -> None:
    membership = Membership(one, CALL_S)
    await membership.join()
    dues = await greeted(one)
    await membership.leave()
    assert not membership.may_call()
    assert await one.run(lambda unit: storage_outbox.recover(unit, QUIET_MS)) == len(dues)


async def test_nobody_waits_long_to_leave_a_server_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership_module, "LEAVE_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as door:
        url = f"postgresql+asyncpg://hub@127.0.0.1:{door.getsockname()[1]}/hub"
        writer = SharedWriter(url, wall_clock)
        monkeypatch.setattr("storage.shared_writer.CLOSE_S", 0.1)
        with pytest.raises(TimeoutError):
            await Membership(writer, CALL_S).leave()
        await writer.close()


async def test_over_sqlite_the_lease_never_ends(tmp_path: Path, clock: Time) -> None:
    with new_store(tmp_path) as store:
        writer = Writer(writing_engine(store.url), store.clock)
        membership = Membership(writer, CALL_S)
        await membership.join()
        dues = await greeted(writer)
        clock.now += 1e9
        store.clock.advance(10**12)
        assert membership.may_call()
        assert await writer.run(lambda unit: storage_outbox.recover(unit, QUIET_MS)) == 0
        await membership.leave()
        assert await statuses(writer) == [("running", writer.owner)] * len(dues)
        await writer.close()


# A new number


class Slow:
    """Performs until it is let go; notes what it was asked for, and what was broken off."""

    directory = Directory(None)

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.ended: list[str] = []

    async def perform(self, due: Due, _effect: Effect) -> Outcome:
        self.asked.append(due.key)
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.append(due.key)
        raise AssertionError


async def test_what_ran_under_an_old_number_is_broken_off_and_no_more_of_it_is_begun(one: SharedWriter) -> None:
    performer = Slow()
    dispatcher = _dispatcher(one, performer)
    await joined(one)
    dues = await _greeted_by(dispatcher, one)
    # All tasks that stand in the queue take their first step in this one.
    await asyncio.sleep(0)
    await joined(one)
    dispatcher.start_over()
    dispatcher.start(dues)
    await dispatcher.drain(1)
    assert sorted(performer.ended) == sorted(performer.asked) == sorted(due.key for due in dues)


def _dispatcher(writer: Batches, performer: Any) -> Dispatcher:
    patience = Patience(0.1, 1, 600, 1)
    return Dispatcher(writer, intake(writer), cast(Performer, performer), patience, poll_s=1)


async def _greeted_by(dispatcher: Dispatcher, writer: Batches) -> Sequence[Due]:
    dues = await greeted(writer)
    dispatcher.start(dues)
    return dues


class Quick:
    """Performs at once."""

    directory = Directory(None)

    async def perform(self, _due: Due, _effect: Effect) -> Outcome:
        return Outcome("done")


async def test_an_outcome_that_cannot_be_written_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    writer = SharedWriter(f"postgresql+asyncpg://hub@127.0.0.1:{port}/hub", wall_clock)
    monkeypatch.setattr("storage.shared_writer.PATIENCE_S", 0.05)
    dispatcher = _dispatcher(writer, Quick())
    key = f"{sid('CH', 1)}/1/0"
    due = Due(key, sid("CH", 1), key, "send_message", encode(SendMessage("Hello")), "pending", 1, 0, 0, -1, None, None)
    dispatcher.start([due])
    async with asyncio.timeout(2):
        await dispatcher.drain(0.3)
        await writer.close()

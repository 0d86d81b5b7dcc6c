"""Choosing and claiming a worker in the transaction that accepts the choice, over the service's own record."""

from collections import Counter

import pytest

from orchestrator.assigning import assign_known, assign_longest_idle, assign_named
from orchestrator.ports import Worker
from orchestrator.taking import admit_result
from orchestrator.waiting_room import assign_waiting
from states.events import BotReplied, EffectFailed, Event, NobodyAvailable, WorkerFound
from states.names import MessageSid, WorkerSid
from storage import conversations
from storage.schema import conversation, reservation
from storage.unit import Unit
from tests.stores import NOON, Store, message, rows, sid, snapshot_of, started

MANY = 20


def worker(number: int, last: int | None = None) -> Worker:
    return Worker(sid("WK", number), f"worker{number}@example.test", available=True, last_accepted_task_time=last)


# The turn of a search that follows the bot's first turn.
TURN = 1
FIVE = [worker(number) for number in range(1, 6)]


def ask_for_anyone(store: Store, number: int, waiting: bool = False) -> str:
    """A conversation whose customer has asked for whoever is free; its SID."""
    about, address = sid("CH", number), f"+1555010{number:04}"
    store.take(started(address), message(0, author=address, number=number), conversation=number)
    store.clock.advance(1000)
    asked = BotReplied(MessageSid(sid("IM", number)), "Just a moment.", "agent", turn=0)
    with store.unit() as unit:
        admit_result(unit, about, "test", asked)
        if waiting:
            admit_result(unit, about, "test", NobodyAvailable(TURN))
    return about


def choose(unit: Unit, about: str, *available: Worker, excluding: tuple[str, ...] = ()) -> Event | None:
    """Assign as an effect's result does: chosen, claimed and accepted in this transaction."""
    found = assign_longest_idle(unit, about, available, TURN, excluding)
    if found is not None:
        admit_result(unit, about, "test", found)
    return found


def chosen(store: Store, about: str, *available: Worker, excluding: tuple[str, ...] = ()) -> str:
    """The identity that a transaction of its own chose."""
    with store.unit() as unit:
        found = choose(unit, about, *available, excluding=excluding)
    assert isinstance(found, WorkerFound)
    return found.identity


def claims(store: Store) -> Counter[str]:
    """How many conversations each worker is on his way to."""
    snapshots = [snapshot_of(row) for row in store.rows(conversation)]
    return Counter(snapshot.claim.identity for snapshot in snapshots if snapshot.claim)


def test_who_was_never_assigned_comes_first(store: Store) -> None:
    about = ask_for_anyone(store, 1)
    assert chosen(store, about, worker(1, 5), worker(2, None), worker(3, 1)) == worker(2).identity


def test_then_who_was_assigned_longest_ago(store: Store) -> None:
    about = ask_for_anyone(store, 1)
    assert chosen(store, about, worker(1, 5), worker(2, 3), worker(3, 4)) == worker(2).identity


def test_ties_go_by_identity(store: Store) -> None:
    about = ask_for_anyone(store, 1)
    assert chosen(store, about, worker(3), worker(1), worker(2)) == worker(1).identity


def test_our_own_record_beats_the_attribute(store: Store) -> None:
    """Twilio's list may not show yet what was assigned a moment ago."""
    first, second = ask_for_anyone(store, 1), ask_for_anyone(store, 2)
    assert chosen(store, first, worker(1), worker(2, 5)) == worker(1).identity
    assert chosen(store, second, worker(1), worker(2, 5)) == worker(2).identity


def test_who_could_not_be_added_is_left_out_in_any_letter_case(store: Store) -> None:
    about = ask_for_anyone(store, 1)
    assert chosen(store, about, worker(1), worker(2), excluding=("WORKER1@example.test",)) == worker(2).identity


def test_nobody_to_choose_from_is_nobody_available(store: Store) -> None:
    about = ask_for_anyone(store, 1)
    with store.unit() as unit:
        assert assign_longest_idle(unit, about, [], TURN, ()) == NobodyAvailable(TURN)
        alone = (worker(1).identity,)
        assert assign_longest_idle(unit, about, [worker(1)], TURN, alone) == NobodyAvailable(TURN)
    assert store.rows(reservation) == []


@pytest.mark.parametrize(
    ("attribute", "at_ms"), [(None, NOON), (NOON - 1, NOON), (NOON, NOON + 1), (NOON + 500, NOON + 501)]
)
def test_the_time_of_an_assignment_is_the_later_of_now_and_his_last_one_plus_one(
    store: Store, attribute: int | None, at_ms: int
) -> None:
    about = ask_for_anyone(store, 1)
    store.clock.now = NOON
    with store.unit() as unit:
        found = assign_named(unit, about, worker(1, attribute), TURN)
    assert found == WorkerFound(worker(1).identity, WorkerSid(worker(1).sid), at_ms, TURN, named=True)
    [row] = store.rows(reservation)
    assert (row["worker_sid"], row["last_assigned_at"]) == (worker(1).sid, at_ms)


def test_nobody_is_chosen_twice_while_somebody_is_idle_who_was_named_often_in_the_same_millisecond(
    store: Store,
) -> None:
    """His times run ahead of the clock, one millisecond for each assignment; who is chosen after him is later yet."""
    named, often = worker(1), [ask_for_anyone(store, number) for number in range(1, 5)]
    anybody = [ask_for_anyone(store, number) for number in range(5, 8)]
    with store.unit() as unit:
        for about in often:
            found = assign_named(unit, about, named, TURN)
            assert found is not None
            admit_result(unit, about, "test", found)
        met = [choose(unit, about, named, worker(2)) for about in anybody]
    assert [found.identity for found in met if isinstance(found, WorkerFound)] == [
        worker(2).identity,
        named.identity,
        worker(2).identity,
    ]


def test_one_worker_s_times_grow_even_when_the_clock_goes_back(store: Store) -> None:
    abouts = [ask_for_anyone(store, number) for number in range(1, 4)]
    times = []
    for step, about in zip((NOON, NOON, NOON - 60_000), abouts, strict=True):
        store.clock.now = step
        with store.unit() as unit:
            found = choose(unit, about, worker(1))
        assert isinstance(found, WorkerFound)
        times.append(found.at_ms)
    assert times == [NOON, NOON + 1, NOON + 2]


def test_twenty_customers_over_five_workers_are_four_each_in_one_transaction(store: Store) -> None:
    abouts = [ask_for_anyone(store, number) for number in range(1, MANY + 1)]
    with store.unit() as unit:
        for about in abouts:
            choose(unit, about, *FIVE)
    assert claims(store) == {worker.identity: 4 for worker in FIVE}


def test_twenty_customers_over_five_workers_are_four_each_in_many_transactions(store: Store) -> None:
    for number in range(1, MANY + 1):
        chosen(store, ask_for_anyone(store, number), *FIVE)
    assert claims(store) == {worker.identity: 4 for worker in FIVE}


def test_two_customers_at_once_meet_two_workers(store: Store) -> None:
    first, second = ask_for_anyone(store, 1), ask_for_anyone(store, 2)
    with store.unit() as unit:
        choose(unit, first, worker(1), worker(2))
        choose(unit, second, worker(1), worker(2))
    assert claims(store) == {worker(1).identity: 1, worker(2).identity: 1}


def test_one_worker_takes_all_who_wait_oldest_first(store: Store) -> None:
    abouts = [ask_for_anyone(store, number, waiting=True) for number in (3, 1, 2)]
    with store.unit() as unit:
        assert conversations.queue(unit.connection, 10) == abouts
        assert assign_waiting(unit, [worker(1)]) == 3
    assert claims(store) == {worker(1).identity: 3}
    snapshots = {row["sid"]: snapshot_of(row) for row in store.rows(conversation)}
    times = [claim.at_ms for about in abouts if (claim := snapshots[about].claim)]
    assert times == sorted(times)
    assert len(set(times)) == 3


def test_who_waits_is_not_assigned_twice(store: Store) -> None:
    ask_for_anyone(store, 1, waiting=True)
    for expected in (1, 0):
        with store.unit() as unit:
            assert assign_waiting(unit, FIVE) == expected
    assert len(store.rows(reservation)) == 1


def test_where_somebody_is_on_his_way_nobody_else_is_claimed(store: Store) -> None:
    about = ask_for_anyone(store, 1)
    chosen(store, about, worker(1))
    with store.unit() as unit:
        assert assign_longest_idle(unit, about, [worker(2)], TURN, ()) is None
        assert assign_named(unit, about, worker(2), TURN) is None
    assert [row["worker_sid"] for row in store.rows(reservation)] == [worker(1).sid]


def test_who_is_not_looking_for_anybody_gets_nobody(store: Store) -> None:
    store.take(started(), message(0))
    with store.unit() as unit:
        assert assign_longest_idle(unit, sid("CH", 1), [worker(1)], TURN, ()) is None
        assert assign_named(unit, sid("CH", 404), worker(1), TURN) is None
        assert rows(unit.connection, reservation) == []


def test_a_named_worker_is_his_whether_available_or_not_and_counts_as_assigned(store: Store) -> None:
    named, anyone = ask_for_anyone(store, 1), ask_for_anyone(store, 2)
    away = Worker(sid("WK", 1), "worker1@example.test", available=False)
    with store.unit() as unit:
        found = assign_named(unit, named, away, TURN)
        assert isinstance(found, WorkerFound)
        admit_result(unit, named, "test", found)
    assert chosen(store, anyone, worker(1), worker(2)) == worker(2).identity


def test_a_choice_that_is_not_committed_leaves_no_reservation(store: Store) -> None:
    about = ask_for_anyone(store, 1)

    def fail_after_choosing() -> None:
        with store.unit() as unit:
            choose(unit, about, worker(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_choosing()
    assert store.rows(reservation) == []
    assert chosen(store, about, worker(1)) == worker(1).identity


def test_who_waits_for_a_queue_is_served_by_that_queue_alone(store: Store) -> None:
    usual = ask_for_anyone(store, 1, waiting=True)
    about, address = sid("CH", 2), "+15550109999"
    store.take(started(address), message(0, author=address, number=2), conversation=2)
    with store.unit() as unit:
        asked = BotReplied(MessageSid(sid("IM", 2)), "A moment.", "queue", turn=0, queue='Bill%_"ing')
        admit_result(unit, about, "test", asked)
        admit_result(unit, about, "test", NobodyAvailable(TURN))
    with store.unit() as unit:
        assert conversations.task_queues(unit.connection) == [None, 'Bill%_"ing']
        assert conversations.queue(unit.connection, 10) == [usual]
        assert conversations.queue(unit.connection, 10, 'Bill%_"ing') == [about]
        assert conversations.queue(unit.connection, 10, "Bill") == []
        assert assign_waiting(unit, [worker(1)], "Bill") == 0
        assert assign_waiting(unit, [worker(1)], 'Bill%_"ing') == 1
    assert claims(store) == Counter({worker(1).identity: 1})
    with store.unit() as unit:
        assert conversations.task_queues(unit.connection)[:1] == [None]
        assert assign_waiting(unit, [worker(2)]) == 1


def test_whom_the_customer_knows_is_claimed_with_what_became_of_the_others_and_is_not_named(store: Store) -> None:
    """So that somebody else is looked for where he cannot be added."""
    about, told = ask_for_anyone(store, 1), ("owner: nobody", f"last: {worker(1).identity} chosen")
    with store.unit() as unit:
        found = assign_known(unit, about, worker(1), TURN, told)
        assert isinstance(found, WorkerFound)
        assert (found.named, found.considered) == (False, told)
        admit_result(unit, about, "test", found)
        assert assign_known(unit, about, worker(2), TURN, told) is None
    assert chosen(store, ask_for_anyone(store, 2), worker(1), worker(2)) == worker(2).identity
    failed = EffectFailed("CH/1/0", "add_participant", "Rejected", worker(1).identity)
    with store.unit() as unit:
        admit_result(unit, about, "test", failed)
    [snapshot] = [snapshot_of(row) for row in store.rows(conversation, sid=about)]
    assert (snapshot.state, snapshot.claim, snapshot.refused) == ("routing", None, (worker(1).identity,))

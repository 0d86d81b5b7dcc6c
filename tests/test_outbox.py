"""The outbox: lanes in order, effects born running, each outcome once."""

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from orchestrator.taking import take
from states.effects import AddParticipant, FindCustomer, FindWorker, SendMessage, SetWorkerAttributes
from storage.errors import VersionConflict
from storage.outbox import next_due, note_result, results
from storage.schema import outbox
from tests.lanes import WORKER, ask_for, closed, decided, due_now, said, statuses
from tests.stores import NOON, SURE, Store, column, message, report, sid, started

OTHERS = [column for column in outbox.columns if not column.primary_key]


# Lanes


def test_the_head_of_a_free_lane_is_born_running_with_its_intent(store: Store) -> None:
    [first] = decided(store, SendMessage("one"), SendMessage("two"), SendMessage("three"))
    assert (first.key, first.status_before, first.attempts) == (f"{sid('CH', 1)}/1/0", "pending", 1)
    assert said([first]) == ["one"]
    assert column(store.rows(outbox), "status", "attempts", "intent_at") == [
        ("running", 1, NOON),
        ("pending", 0, None),
        ("pending", 0, None),
    ]


def test_closing_the_head_starts_the_next_in_the_same_commit_in_order(store: Store) -> None:
    running = decided(store, SendMessage("one"), SendMessage("two"), SendMessage("three"))
    order = said(running)
    while running:
        running = closed(store, running[0])
        order += said(running)
    assert order == ["one", "two", "three"]
    assert statuses(store) == ["done"] * 3


@pytest.mark.parametrize("status", ["done", "rejected", "parked", "skipped"])
def test_every_final_status_frees_the_lane(store: Store, status: str) -> None:
    [first] = decided(store, SendMessage("one"), SendMessage("two"))
    assert said(closed(store, first, status)) == ["two"]


@pytest.mark.parametrize("status", ["retrying", "ambiguous"])
def test_a_head_that_is_put_off_keeps_its_lane(store: Store, status: str) -> None:
    [first] = decided(store, SendMessage("one"), SendMessage("two"))
    assert closed(store, first, status, due_at=NOON + 500, done_at=None) == []
    assert decided(store, SendMessage("three")) == []
    store.clock.advance(499)
    assert due_now(store) == []
    store.clock.advance(1)
    [again] = due_now(store)
    assert (again.key, again.status_before, again.attempts) == (first.key, status, 2)


def test_lanes_run_side_by_side(store: Store) -> None:
    effects = (
        SendMessage("one"),
        FindWorker("a@example.test", turn=1),
        FindCustomer("x"),
        AddParticipant("a@example.test"),
    )
    dues = decided(store, *effects, SetWorkerAttributes(WORKER, NOON))
    started_kinds = ["send_message", "find_worker", "find_customer", "set_worker_attributes"]
    assert [due.kind for due in dues] == started_kinds
    assert len(decided(store, SendMessage("other"), conversation=2)) == 1
    assert statuses(store) == ["running", "running", "running", "pending", "running", "running"]


def test_one_worker_s_attributes_are_one_lane_over_all_conversations(store: Store) -> None:
    [first] = decided(store, SetWorkerAttributes(WORKER, NOON))
    assert decided(store, SetWorkerAttributes(WORKER, NOON + 1), conversation=2) == []
    [second] = closed(store, first)
    assert second.conversation_sid == sid("CH", 2)


def test_two_decisions_of_one_transaction_share_the_lane(store: Store) -> None:
    with store.unit() as unit:
        ask_for(unit, SendMessage("one"))
        ask_for(unit, SendMessage("two"))
    assert said(unit.lanes.started) == ["one"]
    assert statuses(store) == ["running", "pending"]


def test_an_outcome_and_what_follows_from_it_are_one_commit(store: Store) -> None:
    [first] = decided(store, SendMessage("one"))
    with store.unit() as unit:
        unit.lanes.close(first, status="done", done_at=unit.now)
        ask_for(unit, SendMessage("two"))
    assert said(unit.lanes.started) == ["two"]
    assert statuses(store) == ["done", "running"]


def test_what_waited_is_started_before_what_is_new(store: Store) -> None:
    [first] = decided(store, SendMessage("one"), SendMessage("two"))
    with store.unit() as unit:
        unit.lanes.close(first, status="done", done_at=unit.now)
        ask_for(unit, SendMessage("three"))
    assert said(unit.lanes.started) == ["two"]
    assert statuses(store) == ["done", "running", "pending"]


def test_an_outcome_that_comes_twice_is_refused_and_changes_nothing(store: Store) -> None:
    [first] = decided(store, SendMessage("one"))
    closed(store, first, result_sid=sid("IM", 1), result_index=1)
    before = store.rows(outbox)
    with pytest.raises(VersionConflict):
        closed(store, first, "rejected")
    assert store.rows(outbox) == before


def test_while_the_service_drains_nothing_is_started(store: Store) -> None:
    [first] = decided(store, SendMessage("one"), SendMessage("two"))
    with store.unit() as unit:
        unit.lanes.may_start = False
        unit.lanes.close(first, status="done", done_at=unit.now)
        ask_for(unit, FindCustomer("x"))
        unit.flush()
        unit.start_due(10)
    assert unit.lanes.started == []
    assert statuses(store) == ["done", "pending", "pending"]
    assert [due.kind for due in due_now(store)] == ["send_message", "find_customer"]


def test_at_most_so_many_are_started_and_whether_there_are_more_is_told(store: Store) -> None:
    for number in range(1, 6):
        [due] = decided(store, SendMessage("hello"), conversation=number)
        closed(store, due, "retrying", done_at=None, due_at=NOON + 10)
    store.clock.advance(10)
    for more, count in ((True, 2), (True, 2), (False, 1)):
        with store.unit() as unit:
            assert unit.start_due(2) is more
        assert len(unit.lanes.started) == count


def test_a_commit_starts_as_many_as_there_is_room_for_and_says_that_more_was_due(store: Store) -> None:
    with store.unit() as unit:
        unit.lanes.room = 2
        for number in range(1, 4):
            ask_for(unit, SendMessage("hello"), conversation=number)
    assert len(unit.lanes.started) == 2
    assert unit.lanes.is_crowded
    assert statuses(store) == ["running", "running", "pending"]
    with store.unit() as unit:
        unit.lanes.room = 0
        assert not unit.start_due(10)
    assert [due.conversation_sid for due in unit.lanes.started] == [sid("CH", 3)]
    assert not unit.lanes.is_crowded


def test_a_freed_lane_without_room_goes_on_when_there_is(store: Store) -> None:
    [first] = decided(store, SendMessage("one"), SendMessage("two"))
    with store.unit() as unit:
        unit.lanes.room = 0
        unit.lanes.close(first, status="done", done_at=unit.now)
    assert unit.lanes.started == []
    assert unit.lanes.is_crowded
    assert said(due_now(store)) == ["two"]


def test_an_effect_carries_what_its_performer_needs(store: Store) -> None:
    with store.unit() as unit:
        take(unit, report(started(name="Maria Sanchez")), SURE)
        take(unit, report(message(0)), SURE)
        unit.open(sid("CH", 1), service_sid=sid("IS", 1))
    send = next(due for due in unit.lanes.started if due.kind == "send_message")
    assert (send.service_sid, send.friendly_name, send.after_index) == (sid("IS", 1), "Maria Sanchez", 0)
    assert (send.created_at, send.intent_at) == (NOON, NOON)


def test_what_an_effect_made_is_known_once_it_was_seen(store: Store) -> None:
    [send] = decided(store, SendMessage("one"))
    with store.unit() as unit:
        assert results(unit, {send.key, "no effect"}) == {send.key: None}
        note_result(unit, send.key, sid("IM", 7), 3)
    with store.unit() as unit:
        assert results(unit, {send.key}) == {send.key: sid("IM", 7)}
        assert results(unit, set()) == {}
    assert column(store.rows(outbox), "status", "result_index") == [("running", 3)]


def test_the_next_effect_that_is_due_is_told(store: Store) -> None:
    with store.unit() as unit:
        assert next_due(unit) is None
    for number, due_at in ((1, NOON + 50), (2, NOON + 20)):
        [send] = decided(store, SendMessage("one"), conversation=number)
        closed(store, send, "retrying", done_at=None, due_at=due_at)
    decided(store, SendMessage("running"), conversation=3)
    with store.unit() as unit:
        assert next_due(unit) == NOON + 20


def test_what_waits_behind_another_falls_due_with_it(store: Store) -> None:
    """Were it told as due, the dispatcher would ask again and again for as long as the first one is repeated."""
    [first] = decided(store, SendMessage("one"), SendMessage("two"))
    with store.unit() as unit:
        assert next_due(unit) is None
    closed(store, first, "retrying", done_at=None, due_at=NOON + 60_000)
    with store.unit() as unit:
        assert next_due(unit) == NOON + 60_000


def test_the_same_version_cannot_ask_twice(store: Store) -> None:
    """Keys are derived, never drawn: what a version asked for is refused by the table when it is asked for again."""
    decided(store, SendMessage("one"))
    again = insert(outbox).from_select([column.name for column in OTHERS], select(*OTHERS))
    with pytest.raises(IntegrityError, match=r"outbox\.key"), store.engine.begin() as connection:
        connection.execute(again)

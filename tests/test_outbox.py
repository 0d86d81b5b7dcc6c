"""The outbox: lanes in order, effects born running, and what a dead process or a closed conversation leaves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from orchestrator.directory import Directory
from orchestrator.intake import Intake, Outcome
from orchestrator.taking import admit_result, take
from states.conversation import Conversation, Decision, KeyedEffect
from states.effects import (
    AddParticipant,
    Effect,
    FindCustomer,
    FindWorker,
    SendMessage,
    SetWorkerAttributes,
)
from states.events import ConversationClosed
from states.names import WorkerSid
from storage import codec
from storage.engine import writing_engine
from storage.errors import VersionConflict
from storage.lanes import Due
from storage.outbox import bring_forward, bring_retries_forward, next_due, note_result, recover, restamp, results
from storage.schema import outbox
from storage.unit import Unit
from storage.writer import Writer
from tests.stores import NOON, SURE, Store, column, message, new_store, report, sid, started

QUIET_MS = 20_000
WORKER = WorkerSid(sid("WK", 1))
OTHERS = [column for column in outbox.columns if not column.primary_key]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with new_store(tmp_path) as store:
        yield store


def ask_for(unit: Unit, *effects: Effect, conversation: int = 1) -> None:
    """A decision of one conversation that asks for these effects."""
    stored = unit.open(sid("CH", conversation))
    before = stored.conversation
    following = Conversation(
        sid=before.sid,
        created_at=before.created_at,
        updated_at=unit.now,
        state="awaiting_choice",
        version=before.version + 1,
    )
    keyed = tuple(KeyedEffect(f"{before.sid}/{following.version}/{i}", effect) for i, effect in enumerate(effects))
    decision = Decision(following, keyed, "conversation_started", before.state, following.state, "test")
    unit.apply(stored, decision, started())


def decided(store: Store, *effects: Effect, conversation: int = 1) -> list[Due]:
    """One transaction with one decision; what it started."""
    with store.unit() as unit:
        ask_for(unit, *effects, conversation=conversation)
    return unit.lanes.started


def closed(store: Store, due: Due, status: str = "done", **changes: Any) -> list[Due]:
    """One transaction that writes an outcome; what it started."""
    with store.unit() as unit:
        unit.lanes.close(due, **({"status": status, "done_at": unit.now} | changes))
    return unit.lanes.started


def due_now(store: Store, limit: int = 10) -> list[Due]:
    """What the dispatcher's look at the outbox starts."""
    with store.unit() as unit:
        unit.start_due(limit)
    return unit.lanes.started


def said(dues: list[Due]) -> list[str]:
    return [codec.decode(due.payload).body for due in dues]


def statuses(store: Store) -> list[str]:
    return column(store.rows(outbox), "status")


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


# After a crash


def test_sends_that_were_running_are_in_doubt_for_the_quiet_period_and_the_rest_is_repeated(store: Store) -> None:
    decided(store, SendMessage("one"), SendMessage("two"), FindWorker("a@example.test", turn=1), FindCustomer("x"))
    store.clock.advance(5000)
    with store.unit() as unit:
        assert recover(unit, QUIET_MS) == 3
    assert column(store.rows(outbox), "kind", "status", "due_at") == [
        ("send_message", "ambiguous", NOON + QUIET_MS),
        ("send_message", "pending", NOON),
        ("find_worker", "pending", NOON + 5000),
        ("find_customer", "pending", NOON + 5000),
    ]
    assert [due.kind for due in due_now(store)] == ["find_worker", "find_customer"]
    store.clock.now = NOON + QUIET_MS
    [send] = due_now(store)
    assert (send.status_before, send.attempts, send.intent_at) == ("ambiguous", 2, NOON)


def test_recovering_twice_is_recovering_once(store: Store) -> None:
    decided(store, SendMessage("one"), AddParticipant("a@example.test"))
    with store.unit() as unit:
        assert recover(unit, QUIET_MS) == 1
    before = store.rows(outbox)
    store.clock.advance(1000)
    with store.unit() as unit:
        assert recover(unit, QUIET_MS) == 0
    assert store.rows(outbox) == before


def test_what_was_final_or_waiting_is_not_touched(store: Store) -> None:
    [first] = decided(store, SendMessage("one"), SendMessage("two"))
    [second] = closed(store, first)
    closed(store, second, "retrying", done_at=None, due_at=NOON + 700)
    with store.unit() as unit:
        assert recover(unit, QUIET_MS) == 0
    assert column(store.rows(outbox), "status", "due_at") == [("done", NOON), ("retrying", NOON + 700)]


def test_a_clock_set_back_counts_the_quiet_period_from_now(store: Store) -> None:
    decided(store, SendMessage("one"))
    store.clock.now = NOON - 3_600_000
    with store.unit() as unit:
        recover(unit, QUIET_MS)
    assert column(store.rows(outbox), "due_at") == [NOON - 3_600_000 + QUIET_MS]


def test_a_further_attempt_is_in_doubt_from_its_own_departure(store: Store) -> None:
    decided(store, SendMessage("one"))
    with store.unit() as unit:
        recover(unit, QUIET_MS)
    store.clock.advance(QUIET_MS)
    [again] = due_now(store)
    with store.unit() as unit:
        assert restamp(unit, again)
    assert column(store.rows(outbox), "intent_at") == [NOON + QUIET_MS]
    store.clock.advance(100)
    with store.unit() as unit:
        recover(unit, QUIET_MS)
    assert column(store.rows(outbox), "due_at") == [NOON + 2 * QUIET_MS]


# A closed conversation


def test_what_is_open_for_a_closed_conversation_is_skipped_but_a_worker_s_time_is_written(store: Store) -> None:
    dues = decided(store, SendMessage("one"), SendMessage("two"), FindCustomer("x"), SetWorkerAttributes(WORKER, NOON))
    find = next(due for due in dues if due.kind == "find_customer")
    time = next(due for due in dues if due.kind == "set_worker_attributes")
    closed(store, find, "retrying", done_at=None, due_at=NOON + 100)
    closed(store, time, "retrying", done_at=None, due_at=NOON + 100)
    decided(store, SendMessage("of another"), conversation=2)
    store.clock.advance(200)
    store.take(ConversationClosed("removed"))
    assert column(store.rows(outbox), "kind", "status", "done_at") == [
        ("send_message", "running", None),
        ("send_message", "skipped", NOON + 200),
        ("find_customer", "skipped", NOON + 200),
        ("set_worker_attributes", "retrying", None),
        ("send_message", "running", None),
    ]
    assert [due.kind for due in due_now(store)] == ["set_worker_attributes"]


def test_an_effect_and_the_end_in_one_transaction_leave_nothing_running(store: Store) -> None:
    with store.unit() as unit:
        ask_for(unit, SendMessage("one"), SetWorkerAttributes(WORKER, NOON))
        take(unit, report(ConversationClosed("removed")), SURE)
    assert [due.kind for due in unit.lanes.started] == ["set_worker_attributes"]
    assert column(store.rows(outbox), "kind", "status") == [
        ("send_message", "skipped"),
        ("set_worker_attributes", "running"),
    ]


def test_the_outcome_of_what_was_running_when_it_closed_is_kept(store: Store) -> None:
    [send] = decided(store, SendMessage("one"), SendMessage("two"))
    store.take(ConversationClosed("removed"))
    assert closed(store, send, result_sid=sid("IM", 1), result_index=0) == []
    assert column(store.rows(outbox), "status", "result_sid") == [("done", sid("IM", 1)), ("skipped", None)]


@pytest.mark.parametrize("status", ["retrying", "ambiguous"])
async def test_what_failed_after_the_end_is_not_tried_again(store: Store, status: str) -> None:
    send, time = decided(store, SendMessage("one"), SetWorkerAttributes(WORKER, NOON))
    store.take(ConversationClosed("removed"))
    writer = Writer(writing_engine(store.url), store.clock)
    intake = Intake(writer, Directory(None), 1000)
    for due in (send, time):
        await intake.settle(due, Outcome(status, error="refused", retry_at=NOON + 100))
    await writer.close()
    assert column(store.rows(outbox), "status", "done_at", "last_error") == [
        ("skipped", NOON, "refused"),
        (status, None, "refused"),
    ]


def test_an_attempt_that_ends_the_conversation_skips_what_comes_after_it(store: Store) -> None:
    [send] = decided(store, SendMessage("one"), SendMessage("two"))
    with store.unit() as unit:
        unit.lanes.close(send, status="rejected", done_at=unit.now)
        admit_result(unit, sid("CH", 1), send.key, ConversationClosed("gone"))
    assert unit.lanes.started == []
    assert statuses(store) == ["rejected", "skipped"]


# What is over, and what is next


def test_what_a_crm_held_up_is_brought_forward_once_it_answers_again(store: Store) -> None:
    for number, (status, done_at) in enumerate([("retrying", None), ("parked", NOON), ("done", NOON)], start=1):
        find, send = decided(store, FindCustomer("x"), SendMessage("one"), conversation=number)
        closed(store, find, status, done_at=done_at, due_at=NOON + 60_000)
        closed(store, send, "retrying", done_at=None, due_at=NOON + 60_000)
    with store.unit() as unit:
        assert bring_forward(unit, "find_customer") == 2
    assert [due.kind for due in due_now(store)] == ["find_customer", "find_customer"]
    assert column(store.rows(outbox, kind="find_customer"), "status", "done_at") == [
        ("running", None),
        ("running", None),
        ("done", NOON),
    ]


def test_what_is_brought_back_waits_for_what_runs_in_its_lane(store: Store) -> None:
    [first] = decided(store, FindCustomer("x"), FindCustomer("y"))
    [second] = closed(store, first, "parked")
    with store.unit() as unit:
        assert bring_forward(unit, "find_customer") == 1
    assert due_now(store) == []
    assert [due.key for due in closed(store, second)] == [first.key]


def test_retries_are_brought_forward_and_what_is_in_doubt_keeps_its_quiet_period(store: Store) -> None:
    for number, status in ((1, "retrying"), (2, "ambiguous"), (3, "parked")):
        [send] = decided(store, SendMessage("one"), conversation=number)
        closed(store, send, status, done_at=None, due_at=NOON + 50_000)
    with store.unit() as unit:
        assert bring_retries_forward(unit) == 1
    assert [due.conversation_sid for due in due_now(store)] == [sid("CH", 1)]


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


def test_the_same_version_cannot_ask_twice(store: Store) -> None:
    """Keys are derived, never drawn: what a version asked for is refused by the table when it is asked for again."""
    decided(store, SendMessage("one"))
    again = insert(outbox).from_select([column.name for column in OTHERS], select(*OTHERS))
    with pytest.raises(IntegrityError, match=r"outbox\.key"), store.engine.begin() as connection:
        connection.execute(again)

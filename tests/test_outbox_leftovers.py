"""What a dead process, a closed conversation or a CRM that was down leaves in the outbox, and what becomes of it."""

import pytest

from orchestrator.directory import Directory
from orchestrator.intake import Intake, Outcome
from orchestrator.taking import admit_result, take
from states.effects import AddParticipant, FindCustomer, FindWorker, SendMessage, SetWorkerAttributes
from states.events import ConversationClosed
from storage.engine import writing_engine
from storage.outbox import bring_forward, bring_retries_forward, recover, restamp
from storage.schema import outbox
from storage.writer import Writer
from tests.lanes import WORKER, ask_for, closed, decided, due_now, statuses
from tests.stores import NOON, SURE, Store, column, report, sid

QUIET_MS = 20_000


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

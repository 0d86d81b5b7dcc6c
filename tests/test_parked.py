"""What was given up is a person's to decide about, and nothing else is touched by accident."""

import pytest

from states.effects import SendMessage, SetFriendlyName
from storage import parked
from storage.codec import encode
from storage.schema import inbox, outbox
from tests.lanes import closed, decided, due_now
from tests.stores import Store, message, report, sid, started


def given_up(store: Store, effect: SendMessage | SetFriendlyName, status: str = "parked") -> str:
    [due] = decided(store, effect)
    closed(store, due, status)
    return due.key


def test_a_message_tried_again_is_looked_for_first(store: Store) -> None:
    key = given_up(store, SendMessage("hello"))
    store.clock.advance(10_000)
    with store.unit() as unit:
        parked.retry_effect(unit.connection, key, unit.now)
    [due] = due_now(store)
    assert (due.key, due.status_before, due.created_at) == (key, "ambiguous", store.clock())


@pytest.mark.parametrize("status", ["parked", "rejected"])
def test_what_is_repeated_without_harm_is_simply_tried_again(store: Store, status: str) -> None:
    key = given_up(store, SetFriendlyName("Maria Sanchez"), status)
    with store.unit() as unit:
        parked.retry_effect(unit.connection, key, unit.now)
    assert [(due.key, due.status_before) for due in due_now(store)] == [(key, "retrying")]


def test_what_is_skipped_is_settled(store: Store) -> None:
    key = given_up(store, SendMessage("hello"))
    with store.unit() as unit:
        parked.skip_effect(unit.connection, key, unit.now)
    assert store.rows(outbox)[0]["status"] == "skipped"
    assert due_now(store) == []


@pytest.mark.parametrize("status", ["done", "skipped"])
def test_what_is_settled_is_neither_retried_nor_skipped(store: Store, status: str) -> None:
    key = given_up(store, SendMessage("hello"), status)
    for decide in (parked.retry_effect, parked.skip_effect):
        with store.unit() as unit, pytest.raises(parked.NotGivenUp, match=status):
            decide(unit.connection, key, unit.now)
    assert store.rows(outbox)[0]["status"] == status


def test_what_runs_is_left_alone(store: Store) -> None:
    [due] = decided(store, SendMessage("hello"))
    with store.unit() as unit, pytest.raises(parked.NotGivenUp, match="running"):
        parked.retry_effect(unit.connection, due.key, unit.now)


def test_an_unknown_key_is_told(store: Store) -> None:
    for decide in (parked.retry_effect, parked.skip_effect, parked.replay_event):
        with store.unit() as unit, pytest.raises(parked.NotGivenUp, match="CH404/1/0"):
            decide(unit.connection, "CH404/1/0", unit.now)


def test_only_what_was_given_up_is_listed(store: Store) -> None:
    key = given_up(store, SendMessage("hello"))
    decided(store, SetFriendlyName("Maria Sanchez"))
    with store.unit() as unit:
        assert [row.key for row in parked.effects(unit.connection, parked.GIVEN_UP, 10)] == [key]


def test_a_parked_event_is_decided_again_and_no_other(store: Store) -> None:
    store.take(started(), message(0))
    key = report(message(1)).key
    with store.unit() as unit:
        unit.record(
            key=key,
            conversation_sid=sid("CH", 1),
            kind="message_published",
            status="parked",
            received_at=unit.now,
            message_index=1,
            tries=5,
            event=encode(message(1)),
        )
    with store.unit() as unit, pytest.raises(parked.NotGivenUp):
        parked.replay_event(unit.connection, report(message(0)).key, unit.now)
    with store.unit() as unit:
        parked.replay_event(unit.connection, key, unit.now)
    store.look()
    assert {row["key"]: row["status"] for row in store.rows(inbox)}[key] == "done"

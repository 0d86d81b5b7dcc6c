"""Who has said STOP: read with what else is known of an address, written only where it changes."""

import re

from orchestrator.taking import take
from storage.reach import STOPPED, hindrance
from storage.schema import silence
from storage.unit import About
from tests.stores import ADDRESS, SURE, Store, column, message, report, sid, started


def took(store: Store, index: int, body: str, conversation: int = 1) -> list[str]:
    """Take a customer's message as the writer does; the statements that was."""
    told = report(message(index, body, number=100 * conversation + index), conversation)
    about = About(told.conversation_sid, told.key, address=ADDRESS)
    with store.asked() as asked, store.unit() as unit:
        unit.read_ahead([about])
        take(unit, told, SURE)
    return [text for text in asked if re.search(r"\bsilence\b", text)]


def silenced(store: Store) -> list[object]:
    return column(store.rows(silence), "address")


def test_a_message_asks_who_said_stop_together_with_what_else_it_asks_and_writes_nothing(store: Store) -> None:
    store.take(started())
    (question,) = took(store, 0, "hello")
    assert "FROM conversation" in question
    with store.engine.connect() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {question}")]
    assert [step for step in plan if step.startswith(("SCAN conversation", "SCAN silence"))] == []


def test_stop_and_start_are_written_once_each(store: Store) -> None:
    store.take(started())
    bodies = ["STOP", "STOP", "hello", "START", "hello"]
    assert [len(took(store, number, body)) for number, body in enumerate(bodies)] == [2, 1, 1, 2, 1]
    assert silenced(store) == []


def test_stop_counts_in_another_conversation_and_start_there_in_this_one(store: Store) -> None:
    store.take(started())
    took(store, 0, "STOP")
    assert silenced(store) == [ADDRESS]
    took(store, 0, "hello", conversation=2)
    with store.unit() as unit:
        assert hindrance(unit, sid("CH", 2)) == STOPPED
        assert hindrance(unit, sid("CH", 7)) is None
    took(store, 1, "START", conversation=2)
    with store.unit() as unit:
        assert hindrance(unit, sid("CH", 1)) is None
    assert silenced(store) == []


def test_what_one_transaction_takes_in_is_known_in_it(store: Store) -> None:
    store.take(started())
    with store.unit() as unit:
        take(unit, report(message(0, "STOP")), SURE)
        assert hindrance(unit, sid("CH", 1)) == STOPPED

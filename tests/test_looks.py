"""Waiting looks: left by pre-action events, taken off by the messages they announced."""

from typing import Any

import pytest

from orchestrator import looker
from orchestrator.directory import Directory
from orchestrator.intake import Expected, Intake
from storage import inbox
from storage.engine import writing_engine
from storage.schema import conversation, look
from storage.unit import Unit
from storage.writer import Writer
from tests.stores import ADDRESS, NOON, PROXY, WORKER, Store, column, message, sid, started

OTHER_PROXY = "+15550100998"
CONVERSATION = sid("CH", 1)


def leave(store: Store, **where: Any) -> None:
    with store.unit() as unit:
        unit.looks.add(due_at=unit.now + 1000, **where)


def left(store: Store) -> list[int]:
    """The looks that still wait, by number."""
    return column(store.rows(look), "id")


async def test_a_pre_action_event_leaves_one_look_due_after_the_grace(store: Store) -> None:
    writer = Writer(writing_engine(store.url), store.clock)
    intake = Intake(writer, Directory(None), grace_ms=700)
    told: list[int] = []
    intake.on_due = told.append
    await intake.expect(Expected(conversation_sid=CONVERSATION, service_sid=sid("IS", 1)))
    await intake.expect(Expected(address=ADDRESS, proxy_address=PROXY, friendly_name="Maria Sanchez"))
    await writer.close()
    found = column(store.rows(look), "conversation_sid", "service_sid", "address", "friendly_name", "due_at", "whole")
    assert found == [
        (CONVERSATION, sid("IS", 1), None, None, NOON + 700, False),
        (None, None, ADDRESS, "Maria Sanchez", NOON + 700, False),
    ]
    assert told == [NOON + 700] * 2


def test_each_customer_message_takes_the_oldest_look_off(store: Store) -> None:
    store.take(started())
    for _ in range(3):
        leave(store, conversation_sid=CONVERSATION)
    store.take(message(0))
    assert left(store) == [2, 3]
    store.take(message(1), message(2), message(3))
    assert left(store) == []


def test_a_copy_of_a_message_takes_nothing_off(store: Store) -> None:
    store.take(started(), message(0))
    leave(store, conversation_sid=CONVERSATION)
    store.take(message(0))
    assert left(store) == [1]


def test_a_worker_s_message_takes_nothing_off(store: Store) -> None:
    store.take(started(), message(0))
    leave(store, conversation_sid=CONVERSATION)
    store.take(message(1, author=WORKER, participant=2), message(2, author="system", participant=None))
    assert left(store) == [1]


def test_a_message_that_waits_takes_its_look_off_only_when_it_is_decided(store: Store) -> None:
    store.take(started(), message(0))
    for _ in range(2):
        leave(store, conversation_sid=CONVERSATION)
    store.take(message(2))
    assert left(store) == [1, 2]
    store.take(message(1))
    assert left(store) == []


def test_the_look_of_another_conversation_stays(store: Store) -> None:
    store.take(started())
    leave(store, conversation_sid=sid("CH", 2))
    store.take(message(0))
    assert left(store) == [1]


def test_a_look_at_the_whole_is_not_taken_off_by_a_message(store: Store) -> None:
    store.take(started())
    leave(store, conversation_sid=CONVERSATION, whole=True)
    store.take(message(0))
    assert left(store) == [1]


def test_the_look_at_a_pair_is_taken_off_by_the_first_message_of_its_conversation(store: Store) -> None:
    leave(store, address=ADDRESS, proxy_address=OTHER_PROXY)
    leave(store, address=ADDRESS, proxy_address=PROXY)
    leave(store, address="+15550100002", proxy_address=PROXY)
    store.take(started(), message(0))
    assert left(store) == [1, 3]


def test_where_only_the_author_is_told_any_pair_of_his_will_do(store: Store) -> None:
    leave(store, address=ADDRESS, proxy_address=PROXY)
    store.take(message(0))
    assert left(store) == []


def test_the_oldest_look_goes_first_whether_at_the_pair_or_at_the_conversation(store: Store) -> None:
    leave(store, address=ADDRESS, proxy_address=PROXY)
    store.take(started())
    leave(store, conversation_sid=CONVERSATION)
    store.take(message(0))
    assert left(store) == [2]


def test_the_name_given_before_the_conversation_existed_is_kept(store: Store) -> None:
    leave(store, address=ADDRESS, proxy_address=PROXY, friendly_name="Maria Sanchez")
    store.take(message(0))
    assert column(store.rows(conversation), "friendly_name") == ["Maria Sanchez"]


def test_the_name_the_conversation_has_by_now_is_better(store: Store) -> None:
    leave(store, address=ADDRESS, proxy_address=PROXY, friendly_name="Maria Sanchez")
    store.take(started(name="Maria S."))
    assert column(store.rows(conversation), "friendly_name") == ["Maria S."]


def test_the_oldest_of_several_looks_at_a_pair_is_found(store: Store) -> None:
    for name, proxy in (("first", OTHER_PROXY), ("second", PROXY), ("third", PROXY)):
        leave(store, address=ADDRESS, proxy_address=proxy, friendly_name=name)

    def name_at(unit: Unit, proxy: str | None) -> Any:
        row = unit.looks.at_pair(ADDRESS, proxy)
        return None if row is None else row.friendly_name

    with store.unit() as unit:
        assert [name_at(unit, proxy) for proxy in (PROXY, OTHER_PROXY, None, "+15550100997")] == [
            "second",
            "first",
            "first",
            None,
        ]


def test_looks_are_due_oldest_first_and_can_be_put_off_or_dropped(store: Store) -> None:
    for due_at in (NOON + 20, NOON + 10, NOON + 30):
        with store.unit() as unit:
            unit.looks.add(due_at=due_at, conversation_sid=CONVERSATION)
    store.clock.now = NOON + 20
    with store.unit() as unit:
        assert [row.id for row in unit.looks.due(10)] == [2, 1]
        assert [row.id for row in unit.looks.due(1)] == [2]
        unit.looks.postpone(2, NOON + 40, tries=1)
        unit.looks.drop(1)
        assert unit.looks.due(10) == []
        assert inbox.next_due(unit) == NOON + 30
    assert column(store.rows(look), "id", "tries") == [(2, 1), (3, 0)]


def test_a_look_taken_off_meanwhile_stays_off_when_it_is_put_off(store: Store) -> None:
    store.take(started())
    leave(store, conversation_sid=CONVERSATION)
    store.take(message(0))
    with store.unit() as unit:
        unit.looks.postpone(1, NOON + 5000, tries=1)
    assert left(store) == []


def test_waiting_events_are_due_by_conversation_the_longest_due_first(store: Store) -> None:
    store.take(started(), message(0), message(2), message(3))
    store.clock.advance(100)
    other = "+15550100002"
    store.take(started(other), message(1, author=other, number=100), conversation=2)
    with store.unit() as unit:
        assert inbox.due_conversations(unit, 10) == []
        assert inbox.next_due(unit) == NOON + 300
    store.clock.advance(300)
    with store.unit() as unit:
        assert inbox.due_conversations(unit, 10) == [CONVERSATION, sid("CH", 2)]
        assert inbox.due_conversations(unit, 1) == [CONVERSATION]
        inbox.put_off(unit, CONVERSATION, NOON + 1300)
        assert inbox.due_conversations(unit, 10) == [sid("CH", 2)]


@pytest.mark.parametrize(("waited_ms", "again_in_ms"), [(300, 1_000), (10_000, 10_000), (3_600_000, 30_000)])
def test_what_waits_is_looked_for_the_more_seldom_the_longer_twilio_does_not_answer(
    store: Store, waited_ms: int, again_in_ms: int
) -> None:
    store.take(started(), message(0), message(2))
    store.clock.advance(waited_ms)
    with store.unit() as unit:
        looker.put_off(unit, CONVERSATION)
        assert inbox.next_due(unit) == unit.now + again_in_ms


def test_nothing_is_due_where_nothing_waits(store: Store) -> None:
    store.take(started(), message(0))
    with store.unit() as unit:
        assert inbox.next_due(unit) is None

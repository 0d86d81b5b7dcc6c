"""What is done and old is deleted in small steps, and a fact whose key is gone is known all the same."""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from sqlalchemy import Table, insert

from orchestrator.seeing import Sighting, see
from orchestrator.taking import take
from states.events import ConversationClosed
from states.facts import Fact, ParticipantGone
from states.names import ParticipantSid
from states.roles import Knowledge
from storage.lanes import Due
from storage.pruning import DAY_MS, EFFECTS, KEYS, KEYS_LIVE_MS, PRUNABLE, Prunable, over_before
from storage.schema import conversation, history, inbox, outbox
from storage.unit import Unit
from tests.places import Place
from tests.stores import (
    NOON,
    SURE,
    UNSURE,
    WORKER,
    Store,
    column,
    customer,
    member,
    message,
    report,
    snapshot_of,
    started,
)
from tests.stores import sid as sid_of

T = TypeVar("T")
MONTH_MS = 30 * DAY_MS
NOBODY_WORKS_HERE = Knowledge(frozenset(), sure=True)
WORKER_LEFT = ParticipantGone(ParticipantSid(sid_of("MB", 2)), WORKER)
CUSTOMER_LEFT = ParticipantGone(ParticipantSid(sid_of("MB", 1)))
WORKER_WROTE = message(2, author=WORKER, participant=2)
WE_WROTE = message(1, author="system", participant=None)
CLOSED = ConversationClosed("API")
# Every kind of fact, in the order it happens: a customer is answered, a worker comes, writes and goes.
STORY: tuple[Fact, ...] = (
    started(),
    customer(),
    message(0),
    WE_WROTE,
    member(WORKER, 2),
    WORKER_WROTE,
    message(3),
    WORKER_LEFT,
    message(4, author=WORKER, participant=2),
)
KNOWN_BY_HISTORY = (started(), message(0), message(3))
KINDS = {
    "started": started(),
    "customer joined": customer(),
    "first message": message(0),
    "our message": WE_WROTE,
    "worker joined": member(WORKER, 2),
    "worker's message": WORKER_WROTE,
    "message to the worker": message(3),
    "worker left": WORKER_LEFT,
    "worker's last message": message(4, author=WORKER, participant=2),
    "customer left": CUSTOMER_LEFT,
}


def tell(place: Place, *facts: Fact, at: int = NOON, known: Knowledge = UNSURE) -> list[bool]:
    return place.do(lambda unit: [take(unit, report(fact), known) for fact in facts], at)


def settle_all(unit: Unit) -> None:
    """Everything that was started is done, and what it lets start too."""
    unit.flush()
    while unit.lanes.started:
        due = unit.lanes.started.pop()
        unit.lanes.close(due, status="done", done_at=unit.now)
        unit.flush()


def pruned(place: Place, at: int, kept_ms: int = MONTH_MS, window: int = 500) -> dict[str, int]:
    """One pass over both tables; how many rows went."""
    return {table.name: sum(walk(place, table, at, kept_ms, window)) for table in PRUNABLE}


def walk(place: Place, table: Prunable, at: int, kept_ms: int = MONTH_MS, window: int = 500) -> list[int]:
    """The steps through one table: how many rows each deleted."""
    after, steps = table.first, []
    while after is not None:
        step = place.do(lambda unit, after=after: table.step(unit, after, over_before(at, kept_ms), window), at)
        after = step.after
        steps.append(step.pruned)
    return steps


def a_long_time_ago(place: Place, *more: Fact) -> int:
    """A conversation that went through everything and of which nothing but history is left; now."""
    tell(place, *STORY, *more)
    place.do(settle_all)
    now = NOON + 2 * MONTH_MS
    pruned(place, now)
    assert place.rows(inbox) == []
    return now


def effect(number: int, **columns: Any) -> dict[str, Any]:
    """A row of the outbox, done at noon unless said otherwise."""
    common = {"conversation_sid": sid_of("CH", 1), "lane": "lane", "kind": "send_message", "payload": "{}"}
    times = {"created_at": NOON, "due_at": NOON, "done_at": NOON}
    return {**common, **times, "status": "done", "key": f"{sid_of('CH', 1)}/{number}/0", **columns}


def key(number: int, **columns: Any) -> dict[str, Any]:
    """A row of the inbox, decided at noon unless said otherwise."""
    common = {"conversation_sid": sid_of("CH", 1), "kind": "message_published", "event": "", "received_at": NOON}
    return {**common, "status": "done", "key": f"onMessageAdded/{sid_of('IM', number)}", **columns}


def filled(place: Place, table: Table, found: list[dict[str, Any]]) -> None:
    place.do(lambda unit: unit.connection.execute(insert(table), found))


# What goes and what stays


def test_effects_that_are_done_or_skipped_go_when_they_are_old(place: Place) -> None:
    statuses = ("done", "skipped", "parked", "rejected", "pending", "running", "retrying", "ambiguous")
    filled(place, outbox, [effect(n, status=status) for n, status in enumerate(statuses)])
    assert pruned(place, NOON + MONTH_MS)["outbox"] == 0
    assert pruned(place, NOON + MONTH_MS + 1)["outbox"] == 2
    assert column(place.rows(outbox), "status") == list(statuses[2:])


def test_keys_of_what_was_decided_go_when_they_are_old(place: Place) -> None:
    filled(place, inbox, [key(n, status=status) for n, status in enumerate(("done", "waiting", "parked"))])
    assert pruned(place, NOON + MONTH_MS)["inbox"] == 0
    assert pruned(place, NOON + MONTH_MS + 1)["inbox"] == 1
    assert column(place.rows(inbox), "status") == ["waiting", "parked"]


def test_whatever_is_asked_for_a_key_lives_a_day(place: Place) -> None:
    filled(place, inbox, [key(1)])
    assert pruned(place, NOON + KEYS_LIVE_MS, kept_ms=1)["inbox"] == 0
    assert pruned(place, NOON + KEYS_LIVE_MS + 1, kept_ms=1)["inbox"] == 1


def test_history_and_the_conversation_stay(place: Place) -> None:
    tell(place, *STORY)
    place.do(settle_all)
    kept = place.rows(history), place.rows(conversation)
    assert pruned(place, NOON + 100 * MONTH_MS)["inbox"] == len(STORY) - len(KNOWN_BY_HISTORY)
    assert (place.rows(history), place.rows(conversation)) == kept


# Steps


@pytest.mark.parametrize(("table", "row"), [(EFFECTS, effect), (KEYS, key)], ids=["effects", "keys"])
def test_a_step_deletes_no_more_than_its_window_and_the_next_one_goes_on_behind_it(
    place: Place, table: Prunable, row: Callable[..., dict[str, Any]]
) -> None:
    of_table = {"outbox": outbox, "inbox": inbox}[table.name]
    filled(place, of_table, [row(n, status="parked" if n % 10 == 0 else "done") for n in range(1, 96)])
    assert walk(place, table, NOON + 2 * MONTH_MS, window=20) == [18, 18, 18, 18, 14]
    assert walk(place, table, NOON + 2 * MONTH_MS, window=9) == [0, 0]
    assert column(place.rows(of_table), "status") == ["parked"] * 9


@pytest.mark.parametrize("table", PRUNABLE, ids=lambda table: table.name)
def test_a_step_reads_one_window_of_the_primary_key_however_large_the_table_is(store: Store, table: Prunable) -> None:
    with store.unit() as unit:
        unit.connection.execute(insert(outbox), [effect(n) for n in range(5)])
        unit.connection.execute(insert(inbox), [key(n) for n in range(5)])
    with store.asked() as asked, store.unit() as unit:
        table.step(unit, table.first, NOON, window=3)
    plans = []
    with store.engine.connect() as connection:
        for statement in asked:
            if table.name in statement:
                plans += [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")]
    searches = [plan for plan in plans if table.name in plan]
    assert len(searches) == 2
    assert all(plan.startswith(f"SEARCH {table.name} USING") and "PRIMARY KEY" in plan for plan in searches)


def test_who_comes_to_settle_an_effect_long_after_somebody_else_did_settles_nothing(place: Place) -> None:
    """A replica that was frozen for a month."""

    def begin(unit: Unit) -> Due:
        take(unit, report(message(0)), SURE)
        unit.flush()
        return unit.lanes.started[0]

    due = place.do(begin)
    place.do(lambda unit: unit.lanes.close(due, status="done", done_at=unit.now))
    pruned(place, NOON + 2 * MONTH_MS)
    assert place.rows(outbox, key=due.key) == []
    assert place.do(lambda unit: unit.lanes.runs(due), NOON + 2 * MONTH_MS) is False


# Nothing is decided twice


@pytest.mark.parametrize("age_ms", [1000, 2 * MONTH_MS], ids=["young", "old"])
def test_what_is_told_for_the_first_time_asks_no_history(store: Store, age_ms: int) -> None:
    store.take(*STORY[:3])
    store.clock.advance(age_ms)
    new = STORY[3:] if age_ms < KEYS_LIVE_MS else (WE_WROTE, message(2), message(3, author=WORKER, participant=2))
    with store.asked() as asked:
        assert store.take(*new) == [True] * len(new)
    assert [statement for statement in asked if "FROM history" in statement] == []


@pytest.mark.parametrize("known", [UNSURE, SURE, NOBODY_WORKS_HERE], ids=["unsure", "sure", "forgotten"])
@pytest.mark.parametrize("is_closed", [False, True], ids=["open", "closed"])
def test_no_fact_is_decided_again_when_its_key_was_pruned(place: Place, is_closed: bool, known: Knowledge) -> None:
    now = a_long_time_ago(place, *([CLOSED] if is_closed else []))
    kept, before = place.rows(history), place.rows(conversation)
    again = KINDS | ({"closed": CLOSED} if is_closed else {})
    for name, fact in again.items():
        tell(place, fact, at=now, known=known)
        assert place.rows(history) == kept, name
    assert place.rows(conversation) == before
    assert place.rows(inbox, status="waiting") == []
    assert tell(place, *again.values(), at=now, known=known) == [False] * len(again)


def test_a_message_of_a_month_ago_is_known_where_its_conversation_still_goes_on(place: Place) -> None:
    now = a_long_time_ago(place)
    assert tell(place, message(5, number=50), message(0), message(6, number=60), at=now) == [True, False, True]
    events = place.rows(history, trigger="message_received")
    assert len(events) == 4


def test_a_worker_who_left_long_ago_is_not_brought_back_by_a_look_either(place: Place) -> None:
    now = a_long_time_ago(place)
    sighting = Sighting(sid_of("CH", 1), members=[customer(), member(WORKER, 2)])
    for _ in range(2):
        assert place.do(lambda unit: see(unit, sighting, SURE), now) == 0
    [row] = place.rows(conversation)
    assert snapshot_of(row).workers == ()
    assert row["version"] == len(place.rows(history)) == 6


def test_who_comes_back_under_another_sid_is_new(place: Place) -> None:
    now = a_long_time_ago(place)
    assert tell(place, member(WORKER, 3), at=now) == [True]
    assert place.rows(conversation)[0]["state"] == "with_worker"


def test_a_message_that_is_late_is_still_decided_in_an_old_conversation(place: Place) -> None:
    now = a_long_time_ago(place)
    place.do(lambda unit: see(unit, Sighting(sid_of("CH", 1), [message(6, number=60)]), SURE), now)
    assert tell(place, message(5, number=50), at=now) == [True]
    late = [row for row in place.rows(history) if '"late":true' in row["event"]]
    assert len(late) == 1


def test_a_customer_who_quotes_a_sid_does_not_make_that_message_known(place: Place) -> None:
    quoted = f'"message_sid":"{sid_of("IM", 50)}"'
    tell(place, started(), message(0), message(1, body=quoted), message(2))
    now = NOON + 2 * MONTH_MS
    pruned(place, now)
    place.do(lambda unit: see(unit, Sighting(sid_of("CH", 1), [message(4)]), SURE), now)
    assert tell(place, message(3, number=50), at=now) == [True]


def test_our_messages_that_were_pruned_leave_no_gap_that_is_never_filled(place: Place) -> None:
    """One of ours stands behind a message nobody told of, and its row is gone when the next one comes."""
    tell(place, started(), message(0))
    filled(place, outbox, [effect(9, result_index=2)])
    now = NOON + 2 * MONTH_MS
    pruned(place, now)
    assert place.rows(outbox, result_index=2) == []
    tell(place, message(3), at=now)
    assert column(place.rows(inbox, status="waiting"), "message_index") == [3]
    listed = [message(1), message(2, author="system", participant=None), message(3)]
    assert place.do(lambda unit: see(unit, Sighting(sid_of("CH", 1), listed), SURE), now + 300) == 2
    assert place.rows(inbox, status="waiting") == []
    assert place.rows(conversation)[0]["next_index"] == 4

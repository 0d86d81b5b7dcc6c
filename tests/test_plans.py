"""What the dispatcher asks of the outbox costs what is open, however much has been done before."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from orchestrator.taking import take
from storage import outbox
from storage.schema import outbox as outbox_table
from storage.unit import Unit
from tests.stores import UNSURE, Store, message, report, started


def plans(store: Store, work: Callable[[Unit], Any]) -> list[str]:
    """How SQLite goes about each statement on the outbox that `work` and the end of its transaction execute."""
    found: list[str] = []

    with store.asked() as asked, store.unit() as unit:
        work(unit)
    with store.engine.connect() as connection:
        for statement in asked:
            if "outbox" in statement and not statement.startswith("INSERT"):
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")
                found.extend(f"{row[3]}: {statement}" for row in plan)
    return found


@pytest.mark.parametrize(
    "work",
    [
        lambda unit: unit.start_due(64),
        outbox.next_due,
        lambda unit: outbox.running(unit, 1),
        outbox.bring_retries_forward,
        lambda unit: outbox.recover(unit, 1000),
    ],
    ids=["start_due", "next_due", "running", "bring_retries_forward", "recover"],
)
def test_no_effect_that_is_done_is_read(store: Store, work: Callable[[Unit], Any]) -> None:
    found = plans(store, work)
    assert found
    assert [plan for plan in found if plan.startswith("SCAN outbox:")] == []


def test_starting_what_a_commit_brought_reads_no_effect_that_is_done(store: Store) -> None:
    store.take(started())
    found = plans(store, lambda unit: take(unit, report(message(0)), UNSURE))
    assert found
    assert [plan for plan in found if plan.startswith("SCAN outbox:")] == []


def test_what_sqlite_was_told_of_a_quiet_time_changes_no_plan(store: Store) -> None:
    """ANALYZE, by an operator, while nothing was open: the indexes of open effects then look empty."""
    for number in range(1, 4):
        store.take(started(), conversation=number)
    with store.engine.begin() as connection:
        connection.execute(update(outbox_table).values(status="done", done_at=0))
        connection.exec_driver_sql("ANALYZE")
    store.engine.dispose()

    def work(unit: Unit) -> None:
        take(unit, report(started(), 9), UNSURE)
        unit.start_due(64)

    found = plans(store, work)
    assert found
    assert [plan for plan in found if plan.startswith("SCAN outbox:")] == []

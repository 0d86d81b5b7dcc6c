"""No update is lost: reading, deciding and writing are one transaction that begins at its beginning, and a snapshot
is only replaced by one that was made of it. Two guards, each tested without the other."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import create_engine, update

from orchestrator.directory import Directory
from orchestrator.intake import Intake
from orchestrator.taking import take
from storage.codec import decode
from storage.engine import writing_engine
from storage.errors import VersionConflict
from storage.schema import conversation, history, inbox, outbox
from storage.unit import Unit
from storage.writer import Writer
from tests.stores import UNSURE, Store, column, message, new_store, report, sid, started

EVENTS = 50


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with new_store(tmp_path) as store:
        store.take(started())
        yield store


async def test_fifty_events_at_once_leave_fifty_more_rows_without_a_gap_and_every_effect(store: Store) -> None:
    writer = Writer(writing_engine(store.url), store.clock)
    intake = Intake(writer, Directory(None), 1000)
    taken = await asyncio.gather(*(intake.accept(report(message(i, f"m{i}"))) for i in range(EVENTS)))
    await writer.close()

    assert taken == [True] * EVENTS
    rows = store.rows(history)
    assert column(rows, "version") == list(range(1, EVENTS + 2))
    assert [row["source"] for row in rows[1:]] == [row["dest"] for row in rows[:-1]]
    assert [decode(row["event"]).body for row in rows[1:]] == [f"m{i}" for i in range(EVENTS)]
    assert column(store.rows(conversation), "version", "next_index") == [(EVENTS + 1, EVENTS)]
    assert store.rows(inbox) == []
    asked = [decode(text).body for text in column(store.rows(outbox, kind="ask_bot"), "payload")]
    assert asked == [f"m{i}" for i in range(EVENTS)]
    assert len(store.rows(outbox, kind="send_message")) == 1


async def test_the_same_event_fifty_times_at_once_is_one_row(store: Store) -> None:
    writer = Writer(writing_engine(store.url), store.clock)
    intake = Intake(writer, Directory(None), 1000)
    taken = await asyncio.gather(*(intake.accept(report(message(0))) for _ in range(EVENTS)))
    await writer.close()
    assert sorted(taken) == [False] * (EVENTS - 1) + [True]
    assert len(store.rows(history)) == 2


def test_from_the_first_read_on_nobody_else_can_write(store: Store) -> None:
    """Without BEGIN IMMEDIATE the driver would begin at the first write, and this write would pass."""
    with store.unit() as unit:
        assert unit.conversation(sid("CH", 1)) is not None
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            _write_from_outside(store)
    _write_from_outside(store)


def test_what_somebody_else_wrote_in_between_is_not_overwritten(store: Store) -> None:
    """Without a transaction around reading and writing, the version alone must notice the other writer."""
    engine = create_engine(f"sqlite+pysqlite:///{store.path}", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        unit = Unit(connection, store.clock())
        take(unit, report(message(0)), UNSURE)
        _write_from_outside(store)
        with pytest.raises(VersionConflict, match="somebody else"):
            unit.flush()
    engine.dispose()
    assert column(store.rows(conversation), "version") == [7]
    assert column(store.rows(history), "version") == [1]


def test_one_conflict_among_several_conversations_keeps_nothing_of_the_transaction(store: Store) -> None:
    store.take(started("+15550100002"), conversation=2)
    second = update(conversation).where(conversation.c.sid == sid("CH", 2)).values(version=7)

    def move_both() -> None:
        with store.unit() as unit:
            for number in (1, 2):
                stored = unit.conversation(sid("CH", number))
                assert stored is not None
                stored.conversation, stored.dirty = replace(stored.conversation, version=2), True
            unit.connection.execute(second)

    with pytest.raises(VersionConflict):
        move_both()
    assert column(store.rows(conversation), "version") == [1, 1]


def _write_from_outside(store: Store) -> None:
    """Another program moves the conversation to version 7, if it is let."""
    other = sqlite3.connect(store.path, timeout=0, isolation_level=None)
    try:
        other.execute("UPDATE conversation SET version = 7")
    finally:
        other.close()

"""A page of a list or of a thread costs what stands on it, however many conversations there are; on both databases."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from states.events import ConversationClosed
from storage import postgres
from storage.opening import upgrade
from storage.schema import metadata
from storage.threads import his, is_mine, lines, mine, thread
from tests.stores import WORKER, Store, message, sid, started

# So many that PostgreSQL, who knows how many there are, would rather not walk them for a page.
MANY = {"sqlite": 2_000, "postgresql": 20_000}
OWN = sid("CH", 100)
QUESTIONS: dict[str, Callable[[Connection], Any]] = {
    "open": lambda connection: mine(connection, WORKER),
    "next page": lambda connection: mine(connection, WORKER, after=f"900-{OWN}"),
    "closed": lambda connection: mine(connection, WORKER, closed=True),
    "next page of closed": lambda connection: mine(connection, WORKER, closed=True, after=f"900-{OWN}"),
    "lines": lambda connection: lines(connection, WORKER, [OWN]),
    "is mine": lambda connection: is_mine(connection, WORKER, OWN),
    "his": lambda connection: his(connection, WORKER),
    "thread": lambda connection: thread(connection, OWN),
    "older": lambda connection: thread(connection, OWN, before=2),
}
asked_each = pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)

_SID = {"sqlite": "printf('%s%032x', '{}', n)", "postgresql": "'{}' || lpad(to_hex(n), 32, '0')"}
_NUMBERS = {
    "sqlite": "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {})",
    "postgresql": "WITH numbers AS (SELECT generate_series(1, {}) AS n)",
}


def fill(connection: Connection) -> None:
    """Conversations, each with two messages of its customer and one of ours; a tenth of them are one worker's, half of
    those closed."""
    dialect = connection.dialect.name
    ch, im = _SID[dialect].format("CH"), _SID[dialect].format("IM")
    closed = "n % 20 = 0"
    rows: list[tuple[str, dict[str, str]]] = [
        (
            "conversation",
            {
                "sid": ch,
                "state": f"CASE WHEN {closed} THEN 'closed' ELSE 'with_worker' END",
                "version": "2",
                "created_at": "n",
                "updated_at": "n",
                "snapshot": "'{}'",
                "members_known": "true",
                "has_waiting": "false",
            },
        ),
        *(("history", _history(ch, im, index)) for index in range(2)),
        ("message", _message(ch, im)),
        (
            "delivery",
            {"message_sid": im, "participant_sid": "''", "conversation_sid": ch, "status": "'read'", "at": "n"},
        ),
        ("outbox", _effect(ch)),
        (
            "conversation_worker",
            {
                "identity": f"CASE WHEN n % 10 = 0 THEN '{WORKER}' ELSE 'w' || n % 50 END",
                "conversation_sid": ch,
                "since": "n",
                "seen_version": "1",
                "closed_at": f"CASE WHEN {closed} THEN n END",
            },
        ),
    ]
    for table, columns in rows:
        names = ", ".join(f'"{name}"' for name in columns)
        values = ", ".join(columns.values())
        filled = f"INSERT INTO {table} ({names}) {_NUMBERS[dialect].format(MANY[dialect])} SELECT {values} FROM numbers"
        connection.execute(text(filled.replace(":", "\\:")))


def _history(ch: str, im: str, index: int) -> dict[str, str]:
    event = f'{{"kind":"message_received","message_sid":"SID","index":{index},"author":"+1","body":"b"}}'
    told = {"trigger": "'message_received'", "source": "''", "dest": "''", "row": "''", "table_version": "1"}
    told_by = "'" + event.replace("SID", f"' || {im} || '") + "'"
    return {"conversation_sid": ch, "version": str(index + 1), "at": "n", "event": told_by, **told}


def _message(ch: str, im: str) -> dict[str, str]:
    told = {"author": "'system'", "body": "'b'", "media": "0", "at": "n"}
    return {"conversation_sid": ch, "message_index": "2", "message_sid": im, **told}


def _effect(ch: str) -> dict[str, str]:
    told = {"kind": "'send_message'", "payload": "'{}'", "status": "'done'", "created_at": "n", "due_at": "n"}
    return {"key": f"{ch} || '/1/0'", "conversation_sid": ch, "lane": f"{ch} || '/customer'", **told}


@pytest.fixture(params=["told", "untold"])
def full(request: pytest.FixtureRequest, store: Store) -> Store:
    """A full store, of which SQLite was told (ANALYZE) or not."""
    with store.engine.begin() as connection:
        fill(connection)
    if request.param == "told":
        with store.engine.begin() as connection:
            connection.exec_driver_sql("ANALYZE")
    store.engine.dispose()
    return store


@asked_each
def test_no_table_is_walked(full: Store, question: Callable[[Connection], Any]) -> None:
    with full.asked() as asked, full.engine.connect() as connection:
        assert question(connection)
    with full.engine.connect() as connection:
        questions = [statement for statement in asked if statement.startswith("SELECT")]
        plans = [row[3] for it in questions for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {it}")]
    assert plans
    walked = {f"SCAN {table}" for table in metadata.tables}
    assert [plan for plan in plans if " ".join(plan.split()[:2]) in walked] == []


@pytest.fixture(scope="module")
def full_url(request: pytest.FixtureRequest) -> str:
    """DATABASE_URL of a full PostgreSQL, which was told of what is in it."""
    server = request.getfixturevalue("postgres")
    url = str(server.fresh_database(upgrade))
    postgres.run(url, fill)
    server.query("ANALYZE", url.rpartition("/")[2])
    return url


@asked_each
def test_no_table_is_walked_on_postgresql(full_url: str, question: Callable[[Connection], Any]) -> None:
    walks = select(text("relname, seq_scan")).select_from(text("pg_stat_xact_user_tables")).where(text("seq_scan > 0"))

    def asked(connection: Connection) -> list[Any]:
        assert question(connection)
        return list(connection.execute(walks))

    assert postgres.run(full_url, asked, read_only=True) == []


def test_a_customer_s_message_asks_nothing_of_what_people_read(store: Store) -> None:
    """Neither a statement nor a row more: his messages stand in the history, which he pays for anyway."""
    store.take(started())
    with store.asked() as asked:
        store.take(message(0), message(1))
    tables = ("message", "delivery", "conversation_worker", "note", "audit")
    assert asked
    assert [it for it in asked for table in tables if f"INTO {table} " in it or f"FROM {table} " in it] == []


def test_the_end_of_a_conversation_without_workers_asks_nothing_of_them(store: Store) -> None:
    store.take(started(), message(0))
    with store.asked() as asked:
        store.take(ConversationClosed("API"))
    assert asked
    assert [it for it in asked if "conversation_worker" in it] == []

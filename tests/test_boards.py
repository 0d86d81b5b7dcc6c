"""What the workbench shows of all conversations, on either database: each filter alone and with the others, and never a
walk through everything for one page."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, event, insert

from states.conversation import Conversation, Present
from states.names import ConversationSid, ParticipantSid
from storage import boards, codec
from storage.boards import Filter, Sought
from storage.engine import is_postgres, writing_engine
from storage.schema import conversation, conversation_worker, customer, customer_channel, inbox, outbox
from tests.stores import NOON, new_store, sid

ADA, GRACE = "ada@example.test", "grace@example.test"
Ask = Callable[[Callable[[Connection], Any]], Any]


@pytest.fixture(params=["sqlite", "postgresql"])
def ask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ask]:
    """Runs work in a transaction over a fresh database of either kind."""
    if request.param == "sqlite":
        with new_store(tmp_path) as store:

            def on_sqlite(work: Callable[[Connection], Any]) -> Any:
                with store.engine.begin() as connection:
                    return work(connection)

            yield on_sqlite
        return
    from storage import postgres

    url = request.getfixturevalue("shared_url")
    yield lambda work: postgres.run(url, work)


def person(number: int, **changes: Any) -> Conversation:
    """A conversation of somebody."""
    new = Conversation(ConversationSid(sid("CH", number)), NOON, NOON, address=f"+1555{number:07d}")
    return replace(new, **changes)


def with_worker(number: int, identity: str, **changes: Any) -> Conversation:
    """A conversation somebody serves."""
    here = (Present(identity, ParticipantSid(sid("MB", number))),)
    return person(number, state="with_worker", workers=here, **changes)


def stored(connection: Connection, found: Iterable[Conversation]) -> None:
    """Write conversations as the unit does."""
    rows = [
        {name: getattr(each, name) for name in codec.COLUMNS}
        | {
            "waiting_since": each.waiting_since,
            "snapshot": codec.encode_conversation(each),
            "members_known": False,
            "has_waiting": False,
        }
        for each in found
    ]
    members = [
        {"identity": worker.identity.casefold(), "conversation_sid": each.sid, "since": NOON}
        for each in found
        for worker in each.workers
    ]
    connection.execute(insert(conversation), rows)
    if members:
        connection.execute(insert(conversation_worker), members)


def effect(number: int, status: str, ordinal: int = 0, **changes: Any) -> dict[str, Any]:
    """An outbox row of a conversation."""
    key = f"{sid('CH', number)}/1/{ordinal}"
    return {
        "key": key,
        "conversation_sid": sid("CH", number),
        "lane": f"{sid('CH', number)}/customer",
        "kind": "send_message",
        "payload": '{"kind":"send_message","body":"Hi"}',
        "status": status,
        "attempts": 1,
        "created_at": NOON,
        "due_at": NOON,
        **changes,
    }


def numbers(found: Iterable[Conversation]) -> list[int]:
    """Which of them these are."""
    return [int(each.sid[2:], 16) for each in found]


def listed(ask: Ask, **wanted: Any) -> list[int]:
    """The numbers on the first page of a list."""
    found, _ = ask(lambda connection: boards.page(connection, Filter(**wanted), 100))
    return numbers(found)


# The list


@pytest.fixture
def crowd(ask: Ask) -> Ask:
    """Eight conversations that differ."""
    people = [
        person(1),
        person(2, state="awaiting_choice", address="whatsapp:+15550000002"),
        person(3, state="routing", waiting_since=NOON - 60_000),
        person(4, state="routing", waiting_since=NOON - 5_000),
        with_worker(5, ADA),
        with_worker(6, GRACE, address="maria@example.test"),
        replace(with_worker(7, ADA), state="closed"),
        with_worker(8, "Ada@Example.Test", address="whatsapp:+15550000008"),
    ]

    def write(connection: Connection) -> None:
        stored(connection, people)
        connection.execute(
            insert(outbox),
            [effect(1, "done"), effect(3, "retrying"), effect(5, "parked"), effect(5, "ambiguous", 1)],
        )

    ask(write)
    return ask


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [8, 7, 6, 5, 4, 3, 2, 1]),
        ({"states": ("routing",)}, [4, 3]),
        ({"states": ("greeting", "with_worker")}, [8, 6, 5, 1]),
        ({"worker": ADA}, [8, 7, 5]),
        ({"worker": ADA, "states": ("with_worker",)}, [8, 5]),
        ({"channel": "sms"}, [7, 5, 4, 3, 1]),
        ({"channel": "whatsapp"}, [8, 2]),
        ({"channel": "chat"}, [6]),
        ({"channel": "whatsapp", "worker": ADA}, [8]),
        ({"waiting_before": NOON - 30_000}, [3]),
        ({"waiting_before": NOON}, [4, 3]),
        ({"failing": True}, [5, 3]),
        ({"failing": True, "worker": ADA}, [5]),
        ({"failing": True, "waiting_before": NOON}, [3]),
        ({"sought": Sought(sid_begins="CH0")}, [8, 7, 6, 5, 4, 3, 2, 1]),
        ({"sought": Sought(sid_begins=sid("CH", 4))}, [4]),
        ({"sought": Sought(addresses=("+15550000001", "whatsapp:+15550000008"))}, [8, 1]),
        ({"sought": Sought(identity=ADA)}, [8, 7, 5]),
        ({"sought": Sought(identity=GRACE, addresses=("+15550000001", "maria@example.test"))}, [6, 1]),
        ({"sought": Sought(identity=ADA), "states": ("closed",)}, [7]),
        ({"sought": Sought()}, []),
    ],
    ids=str,
)
def test_each_filter_alone_and_with_others(crowd: Ask, wanted: dict[str, Any], expected: list[int]) -> None:
    assert listed(crowd, **wanted) == expected


@pytest.mark.parametrize("wanted", [{}, {"worker": ADA}, {"sought": Sought(identity=ADA)}, {"states": ("closed",)}])
def test_a_list_is_read_in_pages_without_a_gap(ask: Ask, wanted: dict[str, Any]) -> None:
    ask(lambda connection: stored(connection, [replace(with_worker(n, ADA), state="closed") for n in range(1, 24)]))
    found: list[int] = []
    cursor: int | None = None
    for _ in range(5):
        page, cursor = ask(
            lambda connection, after=cursor: boards.page(connection, Filter(**wanted), 5, after)  # type: ignore[misc]
        )
        found += numbers(page)
    assert found == list(range(23, 0, -1))
    assert cursor is None


def test_what_is_rare_is_looked_for_a_window_at_a_time(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "WINDOW", 10)
    rare = [replace(person(n), address="chatter" if n == 3 else f"+1555{n:07d}") for n in range(1, 26)]
    ask(lambda connection: stored(connection, rare))
    looked: list[tuple[list[int], int | None]] = []
    cursor: int | None = None
    while not looked or cursor is not None:
        page, cursor = ask(
            lambda connection, after=cursor: boards.page(connection, Filter(channel="chat"), 5, after)  # type: ignore[misc]
        )
        looked.append((numbers(page), cursor))
    assert looked == [([], 16), ([], 6), ([3], None)]


# What else is on the board


def test_who_waits_is_told_longest_first(crowd: Ask) -> None:
    found = crowd(lambda connection: boards.waiting(connection, 10))
    assert [(int(each.conversation.sid[2:], 16), each.since) for each in found] == [
        (3, NOON - 60_000),
        (4, NOON - 5_000),
    ]
    assert crowd(boards.how_many_wait) == 2
    assert len(crowd(lambda connection: boards.waiting(connection, 1))) == 1


def test_the_load_of_a_worker_is_what_he_is_in_now(crowd: Ask) -> None:
    assert crowd(boards.load) == {ADA: 2, GRACE: 1}


def test_trouble_is_counted_and_told(ask: Ask) -> None:
    undecided = {"kind": "message_published", "event": "{}", "received_at": NOON}

    def write(connection: Connection) -> None:
        kinds = ["done", "pending", "running", "skipped", "parked", "rejected", "retrying", "ambiguous"]
        connection.execute(insert(outbox), [effect(n, status) for n, status in enumerate(kinds, 1)])
        states = [("a", "waiting", NOON), ("b", "parked", None), ("c", "decided", None)]
        connection.execute(
            insert(inbox),
            [
                {"key": key, "status": status, "due_at": due, "conversation_sid": sid("CH", 1), **undecided}
                for key, status, due in states
            ],
        )

    ask(write)
    found = ask(lambda connection: boards.trouble(connection, 10))
    assert [row.status for row in found.given_up] == ["rejected", "parked"]
    assert sorted(row.status for row in found.failing) == ["ambiguous", "retrying"]
    assert [(row.key, row.status) for row in found.undecided] == [("b", "parked"), ("a", "waiting")]
    assert found.counts == {
        "parked": 1,
        "rejected": 1,
        "retrying": 1,
        "ambiguous": 1,
        "event_parked": 1,
        "event_waiting": 1,
    }


def test_effects_in_trouble_are_counted_by_conversation(crowd: Ask) -> None:
    sids = [sid("CH", number) for number in (1, 3, 5, 8)]
    assert crowd(lambda connection: boards.failing_among(connection, sids)) == {sid("CH", 3): 1, sid("CH", 5): 2}


def test_customers_are_found_by_a_part_of_their_name(ask: Ask) -> None:
    def write(connection: Connection) -> None:
        book = {"links": "[]", "details": "{}"}
        connection.execute(
            insert(customer),
            [
                {"customer_id": "1", "display_name": "Maria", "search": "maria 100%\n+15550000001", **book},
                {"customer_id": "2", "display_name": "John", "search": "john\n+15550000002", **book},
            ],
        )
        channels = [("1", "+15550000001"), ("2", "+15550000002")]
        connection.execute(
            insert(customer_channel),
            [{"customer_id": who, "type": "sms", "value": to, "normalised": to} for who, to in channels],
        )

    ask(write)
    assert ask(lambda connection: boards.addresses_of(connection, "aria")) == ["+15550000001"]
    assert ask(lambda connection: boards.addresses_of(connection, "0%")) == ["+15550000001"]
    assert ask(lambda connection: boards.addresses_of(connection, "nobody")) == []


# What it costs

MANY = 20_000
SCANS = {"conversation", "outbox", "inbox", "history", "conversation_worker"}
QUESTIONS: dict[str, Callable[[Connection], Any]] = {
    "all": lambda c: boards.page(c, Filter(), 100),
    "far back": lambda c: boards.page(c, Filter(), 100, 300),
    "open": lambda c: boards.page(c, Filter(states=("greeting", "awaiting_choice", "routing", "with_worker")), 100),
    "worker": lambda c: boards.page(c, Filter(worker=ADA), 100, MANY),
    "waiting": lambda c: boards.page(c, Filter(waiting_before=NOON), 100),
    "failing": lambda c: boards.page(c, Filter(failing=True), 100),
    "channel": lambda c: boards.page(c, Filter(channel="chat"), 100),
    "search": lambda c: boards.page(c, Filter(sought=Sought(sid("CH", 77), ("+15550000001",), ADA)), 100, MANY),
    "queue": lambda c: (boards.waiting(c, 50), boards.how_many_wait(c)),
    "load": boards.load,
    "trouble": lambda c: boards.trouble(c, 50),
    "failing among": lambda c: boards.failing_among(c, [sid("CH", n) for n in range(1, 100)]),
}


def _fill(connection: Connection) -> None:
    closed = (replace(with_worker(n, GRACE), state="closed") for n in range(1, MANY))
    stored(connection, [*closed, with_worker(MANY, ADA), person(MANY + 1, state="routing", waiting_since=NOON)])
    connection.execute(insert(outbox), [effect(n, "done") for n in range(1, MANY)])
    connection.execute(insert(outbox), [effect(MANY, "parked"), effect(MANY + 1, "retrying")])
    row = {"kind": "message_published", "status": "decided", "received_at": NOON, "event": "{}", "version": 1}
    connection.execute(
        insert(inbox), [{"key": f"k{n}", "conversation_sid": sid("CH", n), **row} for n in range(1, MANY)]
    )


@pytest.fixture(scope="module")
def full_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An SQLite file with many conversations that are over."""
    with new_store(tmp_path_factory.mktemp("boards")) as store:
        with store.engine.begin() as connection:
            _fill(connection)
        yield store.url


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_page_walks_through_everything_on_sqlite(full_file: str, question: str) -> None:
    engine = writing_engine(full_file)
    asked: list[str] = []
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.set_trace_callback(asked.append)
        QUESTIONS[question](connection)
        driver.set_trace_callback(None)
        plans = [
            (row[3], statement)
            for statement in asked
            if statement.startswith("SELECT")
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")
        ]
    engine.dispose()
    assert plans
    # A walk in the order of an index ends at its LIMIT: the window. One that must be sorted does not.
    walks = [plan for plan, _ in plans if re.match(r"SCAN (\w+)", plan) and plan.split()[1] in SCANS]
    allowed = ("outbox_given_up", "outbox_due", "inbox_parked", "inbox_due", "conversation_waiting")
    walks = [walk for walk in walks if not any(name in walk for name in allowed)]
    if question in ("all", "far back", "channel"):
        assert set(walks) <= {"SCAN conversation"}
        assert not [plan for plan, statement in plans if "TEMP B-TREE" in plan and "LIMIT" not in statement]
    else:
        assert walks == []


def _touched(plan: dict[str, Any]) -> Iterator[tuple[str, int]]:
    rows = plan["Actual Rows"] * plan["Actual Loops"] + plan.get("Rows Removed by Filter", 0)
    if "Relation Name" in plan:
        yield plan["Relation Name"], int(rows)
    for child in plan.get("Plans", ()):
        yield from _touched(child)


@pytest.fixture(scope="module")
def full_server(postgres: Any) -> str:
    """A PostgreSQL database with many conversations that are over."""
    from storage import postgres as storage_postgres
    from storage.opening import upgrade

    url = str(postgres.fresh_database(upgrade))
    storage_postgres.run(url, _fill)
    storage_postgres.run(url, lambda connection: [connection.exec_driver_sql(f"ANALYZE {name}") for name in SCANS])
    assert is_postgres(url)
    return url


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_page_walks_through_everything_on_postgresql(full_server: str, question: str) -> None:
    from storage import postgres as storage_postgres

    def work(connection: Connection) -> dict[str, int]:
        asked: list[tuple[str, Any]] = []

        def heard(_c: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
            asked.append((statement, values))

        event.listen(connection, "before_cursor_execute", heard)
        QUESTIONS[question](connection)
        event.remove(connection, "before_cursor_execute", heard)
        touched: dict[str, int] = {}
        for statement, values in asked:
            found = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values).scalar_one()
            plan = json.loads(found) if isinstance(found, str) else found
            for name, rows in _touched(plan[0]["Plan"]):
                touched[name] = max(touched.get(name, 0), rows)
        return touched

    touched = storage_postgres.run(full_server, work)
    assert touched
    assert all(rows <= boards.WINDOW for rows in touched.values()), touched

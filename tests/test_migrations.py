"""From one version's schema to the next, on either database: rows are kept, and the version before goes on running."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Connection, MetaData, Table, insert, inspect, make_url, select, update
from sqlalchemy.types import String, Text

from states.customers import Channel, Customer
from storage import opening
from storage import postgres as storage_postgres
from storage.customers import page, save_customer
from storage.opening import HEAD, revision_of, upgrade
from storage.schema import metadata
from tests.revisions import in_transaction, migrate

BEFORE = "0002"
AT_ONCE = 4


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """DATABASE_URL of a fresh database of either kind."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/hub.db"
    return str(request.getfixturevalue("postgres_url"))


def tables_of(url: str) -> list[Table]:
    """The tables as they are in the database, parents first."""

    def work(connection: Connection) -> MetaData:
        found = MetaData()
        found.reflect(connection)
        return found

    return [table for table in in_transaction(url, work).sorted_tables if table.name != "alembic_version"]


def row(table: Table, number: int) -> dict[str, Any]:
    """A row of a table, every column of it set."""
    return {column.name: _value(column, number) for column in table.columns}


def _value(column: "Column[Any]", number: int) -> Any:
    if isinstance(column.type, String | Text):
        return f"{column.name[:8]}{number}"
    return bool(number % 2) if column.type.python_type is bool else number


def fill(url: str, tables: list[Table], number: int) -> None:
    """Add a row to each table, as the version does that knows these tables."""

    def work(connection: Connection) -> None:
        for table in tables:
            connection.execute(insert(table).values(row(table, number)))

    in_transaction(url, work)


def change(url: str, tables: list[Table], number: int) -> int:
    """Write each column but the keys of that row of each table anew; how many rows that were."""

    def work(connection: Connection) -> int:
        return sum(connection.execute(_changed(table, number)).rowcount for table in tables)

    return int(in_transaction(url, work))


def _changed(table: Table, number: int) -> Any:
    keys = [column == row(table, number)[column.name] for column in table.primary_key.columns]
    rest = {name: value for name, value in row(table, number).items() if name not in table.primary_key.columns}
    return update(table).where(*keys).values(rest or row(table, number))


def content(url: str, tables: list[Table]) -> dict[str, list[Any]]:
    """The rows of all tables, in the columns that these tables have."""

    def work(connection: Connection) -> dict[str, list[Any]]:
        return {
            table.name: [tuple(found) for found in connection.execute(select(table).order_by(*table.primary_key))]
            for table in tables
        }

    found: dict[str, list[Any]] = in_transaction(url, work)
    return found


def test_rows_are_kept_and_the_version_before_goes_on_running_on_the_new_schema(url: str) -> None:
    migrate(url, BEFORE)
    before = tables_of(url)
    fill(url, before, 1)
    kept = content(url, before)
    assert upgrade(url) == HEAD
    assert content(url, before) == kept
    fill(url, before, 2)
    assert change(url, before, 2) == len(before)
    after = content(url, before)
    assert {name: rows[: len(kept[name])] for name, rows in after.items()} == kept
    assert {name: len(rows) - len(kept[name]) for name, rows in after.items()} == dict.fromkeys(kept, 1)


def test_what_the_version_before_left_is_read_by_this_one(url: str) -> None:
    migrate(url, BEFORE)
    before = tables_of(url)
    fill(url, before, 1)
    upgrade(url)
    fill(url, [table for table in metadata.sorted_tables if table.name not in {old.name for old in before}], 1)
    found = content(url, list(metadata.sorted_tables))
    assert {name: len(rows) for name, rows in found.items() if name != "meta"} == dict.fromkeys(
        found.keys() - {"meta"}, 1
    )


def test_who_is_with_whom_is_taken_over_from_the_snapshots(url: str) -> None:
    migrate(url, "0002")
    snapshot = {"workers": [{"identity": "Ada@Example.test", "participant_sid": "MB" + "1" * 32}]}
    conversation = next(table for table in tables_of(url) if table.name == "conversation")
    with_worker = row(conversation, 7) | {"sid": "CH7", "snapshot": json.dumps(snapshot)}
    closed = row(conversation, 9) | {"sid": "CH9", "state": "closed", "snapshot": json.dumps(snapshot)}
    without = row(conversation, 8) | {"sid": "CH8", "snapshot": "{}"}
    in_transaction(url, lambda connection: connection.execute(insert(conversation), [with_worker, without, closed]))
    upgrade(url)
    entered = content(url, [metadata.tables["conversation_worker"]])["conversation_worker"]
    assert entered == [("ada@example.test", "CH7", 7, 7, None), ("ada@example.test", "CH9", 9, 9, 9)]


def test_customers_of_before_and_of_the_version_before_are_found_by_a_part_of_their_names(url: str) -> None:
    migrate(url, "0003")
    book = next(table for table in tables_of(url) if table.name == "customer")

    def there(number: int, name: str) -> dict[str, Any]:
        texts = {"search": name.lower(), "links": "[]", "details": "{}", "worker": None}
        return row(book, number) | texts | {"display_name": name}

    in_transaction(url, lambda connection: connection.execute(insert(book), [there(1, "Maria"), there(2, "Marie")]))
    upgrade(url)
    in_transaction(url, lambda connection: connection.execute(insert(book), [there(3, "Rosemarie")]))
    renamed = update(book).where(book.c.id == 2).values(display_name="Ann", search="ann")
    in_transaction(url, lambda connection: connection.execute(renamed))

    def names(query: str) -> list[str]:
        found: list[Any] = in_transaction(url, lambda connection: page(connection, "w", 10, None, query))
        return [customer.display_name for customer in found]

    assert [names(query) for query in ("mar", "rie", "ann")] == [["Maria", "Rosemarie"], ["Rosemarie"], ["Ann"]]


def test_without_the_right_to_make_an_extension_the_schema_is_made_all_the_same(
    postgres_url: str,
) -> None:
    """Whoever may not, reads the book through."""
    plain = make_url(postgres_url).set(username="plain")
    for statement in (
        "CREATE ROLE plain LOGIN",
        "GRANT USAGE, CREATE ON SCHEMA public TO plain",
        f"REVOKE CREATE ON DATABASE {plain.database} FROM plain",
    ):
        in_transaction(postgres_url, lambda connection, said=statement: connection.exec_driver_sql(said))
    url = plain.render_as_string(hide_password=False)
    assert upgrade(url) == HEAD
    keys = ["+15550100001"]
    maria = Customer("1", "Maria Sanchez", (Channel("sms", "+15550100001"),))
    in_transaction(url, lambda connection: save_customer(connection, maria, keys))
    assert in_transaction(url, lambda connection: page(connection, "w", 10, None, "SANCH")) == [maria]
    indexes = in_transaction(url, lambda connection: inspect(connection).get_indexes("customer"))
    assert "customer_by_text" not in [index["name"] for index in indexes]


@pytest.mark.parametrize("start", [None, BEFORE], ids=["fresh", BEFORE])
def test_the_migrations_make_the_tables_of_the_schema_on_postgresql_too(postgres_url: str, start: str | None) -> None:
    if start is not None:
        migrate(postgres_url, start)
    upgrade(postgres_url)

    def differences(connection: Connection) -> list[Any]:
        options = {"compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    assert storage_postgres.run(postgres_url, differences, read_only=True) == []


@pytest.mark.parametrize("start", [None, BEFORE], ids=["fresh", BEFORE])
def test_replicas_that_start_at_the_same_time_migrate_once(
    postgres_url: str, start: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if start is not None:
        migrate(postgres_url, start)
    migrated: list[str | None] = []
    really = opening._migrate

    def counting(connection: Connection, revision: str | None) -> None:
        migrated.append(revision)
        really(connection, revision)

    monkeypatch.setattr(opening, "_migrate", counting)
    with ThreadPoolExecutor(AT_ONCE) as replicas:
        assert list(replicas.map(upgrade, [postgres_url] * AT_ONCE)) == [HEAD] * AT_ONCE
    assert migrated == [start]
    assert revision_of(postgres_url) == HEAD


def test_a_migration_that_is_cut_off_leaves_the_schema_before(postgres_url: str) -> None:
    """PostgreSQL's schema changes are part of the transaction, so there is nothing between the two."""
    migrate(postgres_url, BEFORE)

    def cut_off(connection: Connection) -> None:
        opening._migrate(connection, BEFORE)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        storage_postgres.run(postgres_url, cut_off)
    assert revision_of(postgres_url) == BEFORE
    assert "person" not in [table.name for table in tables_of(postgres_url)]
    assert upgrade(postgres_url) == HEAD

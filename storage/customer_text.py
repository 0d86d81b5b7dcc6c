"""The index that finds any part of a customer's search text: of pg_trgm on PostgreSQL, a table of trigrams on SQLite.

SQLite's is a virtual table of FTS5 over the rows of `customer`, which triggers keep right whoever writes. Where neither
can be had the book is read through (`customer_search`).
"""

import sqlite3
from contextlib import closing
from typing import Any

from sqlalchemy import DDL, Index, Table, event

_ENTER = "INSERT INTO customer_text (rowid, search) VALUES (new.id, new.search);"
_REMOVE = "INSERT INTO customer_text (customer_text, rowid, search) VALUES ('delete', old.id, old.search);"
_ON_SQLITE = (
    "CREATE VIRTUAL TABLE customer_text USING fts5("
    "search, content='customer', content_rowid='id', tokenize='trigram case_sensitive 1')",
    f"CREATE TRIGGER customer_text_added AFTER INSERT ON customer BEGIN {_ENTER} END",
    f"CREATE TRIGGER customer_text_removed AFTER DELETE ON customer BEGIN {_REMOVE} END",
    f"CREATE TRIGGER customer_text_changed AFTER UPDATE OF id, search ON customer BEGIN {_REMOVE} {_ENTER} END",
)


def describe(customer: Table) -> None:
    """Let whoever creates the table create its index, too."""
    Index("customer_by_text", customer.c.search).ddl_if(dialect="postgresql")
    for statement in _ON_SQLITE:
        event.listen(customer, "after_create", _where_possible(statement))


def _where_possible(statement: str) -> Any:
    created: Any = DDL(statement)  # type: ignore[no-untyped-call]
    return created.execute_if(dialect="sqlite", callable_=_knows_trigrams)


def _knows_trigrams(*_what: object, **_options: object) -> bool:
    """Whether this SQLite has FTS5 with trigrams (3.34, December 2020)."""
    with closing(sqlite3.connect(":memory:")) as connection:
        options = {name for (name,) in connection.execute("PRAGMA compile_options")}
    return sqlite3.sqlite_version_info >= (3, 34) and "ENABLE_FTS5" in options

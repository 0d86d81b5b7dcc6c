"""Statements made once in either database's words, and handed to its driver as text.

A question costs SQLAlchemy eight times what its answer costs SQLite, and a webhook asks ten. So what is asked on a
webhook's path is said once in Core, compiled at its first use for the database in hand, and run on the driver's own
connection inside the transaction that SQLAlchemy began. What the two databases say differently stands here and nowhere
else: a list of values, an upsert, many rows at once, a lock.
"""

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from operator import itemgetter
from typing import Any, NamedTuple, cast

from msgspec.json import Encoder
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Dialect,
    Integer,
    Select,
    SelectBase,
    Table,
    Text,
    any_,
    bindparam,
    column,
    func,
    select,
)
from sqlalchemy import cast as cast_to
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.type_api import TypeEngine

_json = Encoder().encode


class Made(NamedTuple):
    """A statement in one database's words. `pick` takes its parameters, in order, out of a mapping; `row` makes a
    row of what comes back."""

    text: str
    pick: Callable[[Mapping[str, Any]], Sequence[Any]]
    row: Callable[[Iterable[Any]], Any]


class Words:
    """How SQLite says it."""

    def insert(self, table: Table) -> Any:
        """An INSERT that knows ON CONFLICT."""
        from sqlalchemy.dialects.sqlite import insert

        return insert(table)

    def is_one_of(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """Whether a column holds one of the values of the list parameter `name`, however many they are."""
        return column.in_(select(func.json_each(bindparam(name, type_=Text)).table_valued("value").c.value))

    def listed(self, values: Iterable[Any]) -> Any:
        """Values as the parameter of `is_one_of`."""
        return _json(list(values)).decode()

    def locking(self, rows: Select[Any], *, skip: bool = False) -> Select[Any]:  # noqa: ARG002
        """The rows, nobody else changing them until the commit: the one writing connection is alone anyway."""
        return rows

    def given(self, columns: Mapping[str, TypeEngine[Any]]) -> dict[str, ColumnElement[Any]]:
        """The values of one of many rows, by name."""
        return {name: bindparam(name, type_=kind) for name, kind in columns.items()}

    def adding(self, statement: Any, given: Mapping[str, ColumnElement[Any]]) -> Any:
        """An INSERT of all the rows given."""
        return statement.values(dict(given))


class PostgresWords(Words):
    """How PostgreSQL says it: many rows are one JSON text, so that they are one statement and one question. As arrays
    they would cost the driver, which looks at each value three times, more than all the rest of a webhook."""

    def insert(self, table: Table) -> Any:
        from sqlalchemy.dialects.postgresql import insert

        return insert(table)

    def is_one_of(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return column == any_(bindparam(name, type_=ARRAY(_plain(column.type))))

    def listed(self, values: Iterable[Any]) -> Any:
        return list(values)

    def locking(self, rows: Select[Any], *, skip: bool = False) -> Select[Any]:
        return rows.with_for_update(skip_locked=skip, of=rows.get_final_froms()[0])

    def given(self, columns: Mapping[str, TypeEngine[Any]]) -> dict[str, ColumnElement[Any]]:
        told = [column(name, _plain(kind)) for name, kind in columns.items()]
        rows = func.json_to_recordset(cast_to(bindparam("rows", type_=Text), JSON)).table_valued(*told, name="given")
        given = rows.render_derived(name="given", with_types=True)
        return {name: given.c[name] for name in columns}

    def adding(self, statement: Any, given: Mapping[str, ColumnElement[Any]]) -> Any:
        return statement.from_select(list(given), select(*given.values()))


def _plain(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type without its length: a cast to a shorter one would cut values off without a word."""
    if isinstance(kind, Boolean):
        return Boolean()
    return BigInteger() if isinstance(kind, Integer) else Text()


_SQLITE, _POSTGRES = Words(), PostgresWords()


def words_of(dialect: Dialect) -> Words:
    """The words of the database that a dialect speaks to."""
    return _POSTGRES if dialect.name == "postgresql" else _SQLITE


class Statement:
    """Said once in Core. `build` is given the database's words and, for `many`, the values of a row by name."""

    def __init__(self, build: Callable[..., Any], many: Mapping[str, TypeEngine[Any]] | None = None) -> None:
        self._build = build
        self._many = many
        self._made: dict[str, Made] = {}

    def made_for(self, dialect: Dialect) -> Made:
        """The statement in the words of a dialect, made at the first call."""
        made = self._made.get(dialect.name)
        if made is None:
            words = words_of(dialect)
            given = () if self._many is None else (words.given(self._many),)
            made = self._made[dialect.name] = _made(self._build(words, *given), dialect)
        return made


class _SqliteCompiler(SQLiteCompiler):
    """Writes hints (`INDEXED BY …`) where they belong, which SQLAlchemy does for other databases only."""

    def get_from_hint_text(self, table: Any, text: str | None) -> str | None:  # noqa: ARG002
        return text


def _made(core: Any, dialect: Dialect) -> Made:
    compiled = _SqliteCompiler(dialect, core) if dialect.name == "sqlite" else core.compile(dialect=dialect)
    names = list(compiled.positiontup or ())
    columns = [str(column.key) for column in core.selected_columns] if isinstance(core, SelectBase) else []
    row: Any = namedtuple("Row", columns)  # type: ignore[misc]
    fixed = {name: bind.value for name, bind in compiled.binds.items() if name in names and not bind.required}
    return Made(str(compiled), _picker(names, fixed), row._make)


def _picker(names: list[str], fixed: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    if fixed:
        return lambda values: tuple(values[name] if name in values else fixed[name] for name in names)
    if len(names) == 1:
        only = names[0]
        return lambda values: (values[only],)
    return cast(Callable[..., Any], itemgetter(*names)) if names else lambda _values: ()


def inserting(table: Table, *names: str, or_update: Sequence[str] = (), key: str = "") -> Statement:
    """An INSERT of many rows with these columns; where `key` is known, `or_update` of its row are replaced."""

    def build(words: Words, given: Mapping[str, ColumnElement[Any]]) -> Any:
        statement = words.adding(words.insert(table), given)
        if not or_update:
            return statement
        fresh = {name: statement.excluded[name] for name in or_update}
        return statement.on_conflict_do_update(index_elements=[table.c[key]], set_=fresh)

    return Statement(build, {name: table.c[name].type for name in names})


class Sql:
    """One transaction's way to its database, SQLite's here. Parameters are by name; lists go through `listed`."""

    def __init__(self, connection: Connection) -> None:
        self.dialect = connection.dialect
        self.words = words_of(self.dialect)
        self._driver: Any = connection.connection.driver_connection

    def lock(self, names: Iterable[str]) -> None:
        """Let nobody else who locks these names on until the commit. The one writing connection is alone anyway."""

    def all(self, statement: Statement, **values: Any) -> list[Any]:
        """The rows of a question. Raises SQLAlchemy's DBAPIError."""
        made = statement.made_for(self.dialect)
        return [made.row(row) for row in self._fetch(made.text, made.pick(values))]

    def one(self, statement: Statement, **values: Any) -> Any:
        """The first row, or None."""
        return next(iter(self.all(statement, **values)), None)

    def run(self, statement: Statement, **values: Any) -> int:
        """Run a statement; how many rows it touched."""
        made = statement.made_for(self.dialect)
        return self._run(made.text, made.pick(values))

    def many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run a statement for many rows; how many rows it touched in all."""
        made = statement.made_for(self.dialect)
        return self._many(made.text, list(map(made.pick, rows)))

    def _fetch(self, text: str, values: Sequence[Any]) -> Iterable[Any]:
        try:
            return cast(list[Any], self._driver.execute(text, values).fetchall())
        except sqlite3.Error as error:
            raise wrapped(error, text, self.dialect) from error

    def _run(self, text: str, values: Sequence[Any]) -> int:
        try:
            return int(self._driver.execute(text, values).rowcount)
        except sqlite3.Error as error:
            raise wrapped(error, text, self.dialect) from error

    def _many(self, text: str, rows: list[Sequence[Any]]) -> int:
        try:
            return int(self._driver.executemany(text, rows).rowcount)
        except sqlite3.Error as error:
            raise wrapped(error, text, self.dialect) from error


class PostgresSql(Sql):
    """The same over asyncpg, in the greenlet that `run_sync` made. Its errors are asyncpg's own."""

    def __init__(self, connection: Connection) -> None:
        from sqlalchemy.util import await_only

        super().__init__(connection)
        self._connection = connection
        self._await = await_only
        self._locked: set[str] = set()

    def lock(self, names: Iterable[str]) -> None:
        if not set(names) <= self._locked:
            self.begin(names)

    def begin(self, names: Iterable[str]) -> int:
        """Lock these names; the database's time after that, milliseconds since 1970. Asked through SQLAlchemy, which
        begins a transaction with the first question it is asked, and not before."""
        fresh = set(names) - self._locked
        self._locked |= fresh
        # In one order everywhere: who holds some waits for none that another one holds who waits for his.
        keys = sorted(map(_lock_key, fresh))
        return int(self._connection.exec_driver_sql(_LOCK, (keys,)).one()[1])

    def _fetch(self, text: str, values: Sequence[Any]) -> Iterable[Any]:
        return cast(list[Any], self._await(self._driver.fetch(text, *values)))

    def _run(self, text: str, values: Sequence[Any]) -> int:
        status = self._await(self._driver.execute(text, *values))
        return int(status.rpartition(" ")[2])

    def many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> int:
        return self._run(statement.made_for(self.dialect).text, (_json(rows).decode(),))


# Advisory locks, for what is locked need not exist yet: the conversation that two webhooks are about to make.
_LOCK = """SELECT count(pg_advisory_xact_lock(key)), (extract(epoch FROM clock_timestamp()) * 1000)::bigint
FROM unnest($1::bigint[]) AS key"""


def _lock_key(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)


def sql_of(connection: Connection) -> Sql:
    """The way to the database of a connection that is in a transaction."""
    return PostgresSql(connection) if connection.dialect.name == "postgresql" else Sql(connection)


def wrapped(error: sqlite3.Error, text: str, dialect: Dialect) -> Exception:
    """The driver's complaint as SQLAlchemy would raise it, so that everybody reads one kind of error."""
    return cast(
        Exception,
        DBAPIError.instance(text, (), error, sqlite3.Error, hide_parameters=True, dialect=dialect),
    )

"""A real SQLite store for a test, on a clock the test moves, and short ways to say what Twilio tells."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Table, select

from orchestrator.seeing import Sighting, see
from orchestrator.taking import Report, key_of, take
from states.conversation import Conversation
from states.events import ConversationStarted
from states.facts import Fact, MessagePublished, ParticipantPresent
from states.names import MessageSid, ParticipantSid
from states.roles import Knowledge
from storage.codec import decode_conversation
from storage.engine import writing_engine
from storage.opening import reading, upgrade
from storage.unit import Unit
from storage.writer import Writer

NOON = 1_795_600_000_000
ADDRESS, PROXY = "+15550100001", "+15550100999"
WORKER = "expert@example.test"
UNSURE = Knowledge(frozenset({WORKER}))
SURE = Knowledge(frozenset({WORKER}), sure=True)


def snapshot_of(row: Mapping[str, Any]) -> Conversation:
    """The snapshot that a row of the table of conversations holds."""
    return decode_conversation(SimpleNamespace(**row))


class Clock:
    """Milliseconds since 1970, where the test wants them."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        return self.now

    def advance(self, milliseconds: int) -> None:
        """Let time pass."""
        self.now += milliseconds


@cache
def _upgraded() -> bytes:
    """A database brought up to date: the migrations take longer than most tests."""
    with TemporaryDirectory() as folder:
        upgrade(f"sqlite+aiosqlite:///{folder}/hub.db")
        return Path(folder, "hub.db").read_bytes()


class Store:
    """A fresh database file with its writing connection."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "hub.db"
        self.url = f"sqlite+aiosqlite:///{self.path}"
        self.path.write_bytes(_upgraded())
        self.engine: Engine = writing_engine(self.url)
        self.clock = Clock()

    def close(self) -> None:
        """Let go of the file."""
        self.engine.dispose()

    @contextmanager
    def unit(self) -> Iterator[Unit]:
        """One transaction, committed at the end."""
        with self.engine.begin() as connection:
            unit = Unit(connection, self.clock())
            yield unit
            unit.flush()

    @contextmanager
    def asked(self) -> Iterator[list[str]]:
        """Every statement that the writing connection is asked meanwhile, its values filled in."""
        statements: list[str] = []
        with self.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            connection.rollback()
        driver.set_trace_callback(statements.append)
        try:
            yield statements
        finally:
            driver.set_trace_callback(None)

    def rows(self, table: Table, **columns: Any) -> list[dict[str, Any]]:
        """What is committed, read through a second connection; `columns` narrow it."""
        with reading(self.url) as connection:
            return rows(connection, table, **columns)

    def take(self, *facts: Fact, conversation: int = 1, known: Knowledge = UNSURE) -> list[bool]:
        """Take facts about one conversation in, each in a transaction of its own."""
        taken = []
        for fact in facts:
            with self.unit() as unit:
                taken.append(take(unit, report(fact, conversation), known))
        return taken

    def look(
        self,
        *messages: MessagePublished,
        members: Sequence[ParticipantPresent] | None = None,
        known: Knowledge = SURE,
        conversation: int = 1,
        **found: Any,
    ) -> int:
        """Take in what a look at one conversation found, `found` being more of a Sighting."""
        with self.unit() as unit:
            return see(unit, Sighting(sid("CH", conversation), messages, members, **found), known)


@contextmanager
def new_store(folder: Path) -> Iterator[Store]:
    """A store for the length of a test."""
    with closing(Store(folder)) as store:
        yield store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of the test's own."""
    with new_store(tmp_path) as store:
        yield store


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[Writer]:
    """The writer of a store of the test's own, whose clock stands."""
    with new_store(tmp_path) as store:
        writer = Writer(writing_engine(store.url), store.clock)
        yield writer
        await writer.close()


def rows(connection: Connection, table: Table, **columns: Any) -> list[dict[str, Any]]:
    """The rows of a table whose columns have these values, in the order of the primary key."""
    query = select(table).filter_by(**columns).order_by(*table.primary_key.columns)
    return [dict(row) for row in connection.execute(query).mappings()]


def sid(prefix: str, number: int) -> str:
    """A SID: two letters and 32 hexadecimal digits."""
    return f"{prefix}{number:032x}"


def report(fact: Fact, conversation: int = 1) -> Report:
    """A fact as a webhook reports it."""
    about = sid("CH", conversation)
    return Report(about, key_of(fact, about), fact)


def started(address: str | None = ADDRESS, proxy: str | None = PROXY, name: str | None = None) -> ConversationStarted:
    """A new conversation of an address pair."""
    return ConversationStarted(address, proxy, name)


def message(
    index: int, body: str = "hello", author: str = ADDRESS, participant: int | None = 1, number: int | None = None
) -> MessagePublished:
    """A message at `index`, by the customer unless said otherwise; its SID is of `number`, else of the index."""
    who = None if participant is None else ParticipantSid(sid("MB", participant))
    name = MessageSid(sid("IM", index if number is None else number))
    return MessagePublished(name, index, author, body, participant_sid=who)


def customer(participant: int = 1, address: str = ADDRESS, proxy: str = PROXY) -> ParticipantPresent:
    """The customer of a channel, as a participant."""
    return ParticipantPresent(ParticipantSid(sid("MB", participant)), address=address, proxy_address=proxy)


def member(identity: str, participant: int) -> ParticipantPresent:
    """A participant with an identity: a worker, or a customer in a chat."""
    return ParticipantPresent(ParticipantSid(sid("MB", participant)), identity)


def column(found: Iterable[dict[str, Any]], *names: str) -> list[Any]:
    """One column of rows, or several as tuples."""
    return [row[names[0]] if len(names) == 1 else tuple(row[name] for name in names) for row in found]

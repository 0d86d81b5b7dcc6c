"""Who was last with a customer, as it is kept, on both databases: by customer, by address, and never for a message."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from orchestrator.taking import admit_result
from states.events import ConversationClosed, CustomerFound, Event, WorkerJoined, WorkerLeft
from states.facts import ParticipantPresent
from states.names import ParticipantSid
from states.returning import Spoken
from storage.opening import read, write
from storage.relationships import last_of
from storage.schema import relationship
from storage.unit import Unit
from tests.stores import ADDRESS, NOON, Store, message, new_store, rows, sid, started

ADA, GRACE = "ada@example.test", "grace@example.test"
MARIA = CustomerFound("7", "Maria Sanchez")
BY_ID, BY_ADDRESS = "customer/7", f"address/{ADDRESS}"


class Book:
    """A database, each call a transaction of its own, an hour after the one before."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.now = NOON

    def tell(self, *events: Event, conversation: int = 1) -> None:
        for event in events:
            self.now += 3_600_000

            def work(connection: Connection, event: Event = event) -> None:
                unit = Unit(connection, self.now)
                admit_result(unit, sid("CH", conversation), "test", event)
                unit.flush()

            write(self.url, work)

    def last(self, *keys: str) -> Spoken | None:
        return read(self.url, lambda connection: last_of(connection, keys))

    def kept(self) -> list[tuple[str, str]]:
        found = read(self.url, lambda connection: rows(connection, relationship))
        return [(row["key"], row["identity"]) for row in found]


@pytest.fixture
def book(either_url: str) -> Book:
    return Book(either_url)


def joins(identity: str, number: int) -> WorkerJoined:
    return WorkerJoined(identity, ParticipantSid(sid("MB", number)))


def leaves(identity: str, number: int) -> WorkerLeft:
    return WorkerLeft(ParticipantSid(sid("MB", number)), identity)


def test_a_customer_is_kept_by_his_id_with_who_came_last_and_when_he_left(book: Book) -> None:
    book.tell(started(), MARIA, joins("Ada@Example.test", 5))
    assert book.last(BY_ID) == Spoken(ADA, book.now)
    book.tell(leaves("Ada@Example.test", 5))
    assert book.last(BY_ID) == Spoken(ADA, book.now)
    book.tell(joins(GRACE, 6))
    assert book.last(BY_ID) == Spoken(GRACE, book.now)
    assert book.kept() == [(BY_ID, GRACE)]


def test_the_relationship_is_the_customer_s_in_whatever_conversation(book: Book) -> None:
    book.tell(started(), MARIA, joins(ADA, 5))
    book.tell(started("whatsapp:+15550100001", "whatsapp:+15550100999"), MARIA, joins(GRACE, 6), conversation=2)
    assert book.kept() == [(BY_ID, GRACE)]


def test_whom_the_crm_does_not_know_is_kept_by_his_address_on_any_channel(book: Book) -> None:
    book.tell(started("whatsapp:+15550100001", "whatsapp:+15550100999"), joins(ADA, 5), leaves(ADA, 5))
    assert book.last(BY_ADDRESS) == Spoken(ADA, book.now)


def test_who_is_known_later_is_kept_by_his_id_from_then_on(book: Book) -> None:
    book.tell(started(), joins(ADA, 5))
    assert book.kept() == [(BY_ADDRESS, ADA)]
    book.tell(MARIA)
    assert book.kept() == [(BY_ADDRESS, ADA), (BY_ID, ADA)]
    book.tell(leaves(ADA, 5), joins(GRACE, 6))
    assert book.last(BY_ID, BY_ADDRESS) == Spoken(GRACE, book.now)
    assert book.last("customer/8", BY_ADDRESS) == Spoken(ADA, NOON + 2 * 3_600_000)


def test_a_conversation_that_ends_counts_until_then(book: Book) -> None:
    book.tell(started(), MARIA, joins(ADA, 5), ConversationClosed())
    assert book.last(BY_ID) == Spoken(ADA, book.now)


def test_what_was_later_is_not_overwritten_by_what_is_told_late(book: Book) -> None:
    book.tell(started(), MARIA, joins(ADA, 5))
    book.now -= 10 * 3_600_000
    book.tell(started("whatsapp:+15550100001"), MARIA, joins(GRACE, 6), conversation=2)
    assert book.kept() == [(BY_ID, ADA)]


def test_nobody_is_last_of_a_stranger(book: Book) -> None:
    assert book.last(BY_ID, BY_ADDRESS) is None
    assert book.last() is None


def test_many_in_one_transaction_are_written_once_each(book: Book) -> None:
    def work(connection: Connection) -> None:
        unit = Unit(connection, NOON)
        for event in (started(), MARIA, joins(ADA, 5), leaves(ADA, 5), joins(GRACE, 6)):
            admit_result(unit, sid("CH", 1), "test", event)
        unit.flush()

    write(book.url, work)
    assert book.kept() == [(BY_ID, GRACE)]


def test_a_customer_s_message_asks_nothing_and_writes_nothing_of_it(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        store.take(started(), message(0))
        store.take(ParticipantPresent(ParticipantSid(sid("MB", 7)), "expert@example.test"))
        assert asked_of(store, message(1)) == []
        assert asked_of(store, message(2, number=2)) == []
        assert store.rows(relationship) != []


def asked_of(store: Store, fact: Any) -> list[str]:
    """The statements about relationships that taking a fact in costs."""
    with store.asked() as statements:
        assert store.take(fact) == [True]
    assert statements
    return [statement for statement in statements if "relationship" in statement]


def test_the_question_is_answered_by_the_primary_key(tmp_path: Path) -> None:
    with new_store(tmp_path) as store, store.engine.begin() as connection:
        plan = connection.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT * FROM relationship WHERE key IN ('customer/7', 'address/+1')"
        ).all()
    assert [row[-1] for row in plan] == ["SEARCH relationship USING PRIMARY KEY (key=?)"]

"""The customer book on a real SQLite file: found by id and by any channel, shown to its owners, page by page."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, func, select

from orchestrator.adapters.book_crm import BookCrm
from orchestrator.addresses import channel_key
from orchestrator.errors import CrmUnavailable
from states.customers import Channel, Consent, Customer, Link, language_tag
from storage import customer_search, customers
from storage.readers import Readers
from storage.schema import customer, customer_channel, metadata

MARIA = Customer(
    "1",
    "Maria Sanchez",
    (Channel("email", "Maria@Example.com"), Channel("sms", "+1 (555) 010-0001")),
    avatar="https://example.test/1.png",
    links=(Link("Profile", "https://crm.example.test/1", "CRM record"),),
    details={"title": "Information", "content": "Likes red"},
    language="es-MX",
    consent=(Consent("email", "no"), Consent("sms", "yes", "2026-01-31", "web form")),
)
JO = Customer("3", "Jo Example", (Channel("whatsapp", "whatsapp:+15550100003"),))
NO_CHANNELS = Customer("17", "Zoë Nobody")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path / 'book.db'}")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def conn(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as conn:
        yield conn


def save(conn: Connection, *wanted: Customer) -> list[bool]:
    return [customers.save_customer(conn, one, [channel_key(c.type, c.value) for c in one.channels]) for one in wanted]


def ids(found: list[Customer]) -> list[str]:
    return [one.customer_id for one in found]


def owned(customer_id: str, worker: str | None) -> Customer:
    return Customer(customer_id, f"Customer {customer_id}", worker=worker)


def test_a_customer_comes_back_as_saved(conn: Connection) -> None:
    save(conn, MARIA, JO, NO_CHANNELS)
    assert customers.find(conn, "1") == MARIA
    assert customers.find(conn, "17") == NO_CHANNELS
    assert list(customers.all_customers(conn)) == [MARIA, JO, NO_CHANNELS]


def test_the_customer_with_id_3_is_the_one_whose_id_is_3(conn: Connection) -> None:
    save(conn, MARIA, JO)
    assert customers.find(conn, "2") is None
    assert customers.find(conn, "3") == JO


def test_saving_twice_changes_nothing(conn: Connection) -> None:
    assert save(conn, MARIA, MARIA) == [True, False]
    assert save(conn, replace(MARIA, channels=MARIA.channels[::-1])) == [False]
    assert conn.scalar(select(func.count()).select_from(customer_channel)) == 2


def test_saving_anew_replaces_what_was_known_and_keeps_the_place(conn: Connection) -> None:
    save(conn, MARIA, JO)
    changed = replace(MARIA, display_name="Maria Stone", channels=(Channel("sms", "+15550100009"),), links=())
    assert save(conn, changed) == [True]
    assert customers.find_by_address(conn, "+15550100001") is None
    assert customers.find_by_address(conn, "+15550100009") == changed
    assert ids(customers.page(conn, "w", 10)) == ["1", "3"]
    assert customers.page(conn, "w", 10, query="sanchez") == []


def test_an_address_given_another_key_is_a_change(conn: Connection) -> None:
    customers.save_customer(conn, JO, ["old key"])
    assert save(conn, JO) == [True]
    assert customers.find_by_address(conn, "+15550100003") == JO


def test_any_channel_finds_its_customer_and_a_shared_one_the_first(conn: Connection) -> None:
    save(conn, MARIA, JO, Customer("4", "Later", (Channel("sms", "+15550100003"),)))
    assert customers.find_by_address(conn, "maria@example.com") == MARIA
    assert customers.find_by_address(conn, "+15550100001") == MARIA
    assert customers.find_by_address(conn, "+15550100003") == JO
    assert customers.find_by_address(conn, "") is None


def test_without_owners_everybody_sees_everybody(conn: Connection) -> None:
    save(conn, owned("a", None), owned("b", None))
    assert ids(customers.page(conn, "anyone@example.test", 10)) == ["a", "b"]


def test_with_owners_a_worker_sees_his_own_in_any_letter_case(conn: Connection) -> None:
    save(conn, owned("a", None), owned("b", "Expert@Example.test"), owned("c", "other@example.test"))
    assert ids(customers.page(conn, "expert@example.TEST", 10)) == ["b"]
    assert customers.page(conn, "stranger@example.test", 10) == []
    assert save(conn, owned("b", "EXPERT@example.test")) == [False]


def test_pages_follow_the_anchor_through_the_whole_book_without_repeating(conn: Connection) -> None:
    save(conn, *(owned(str(number), None) for number in (7, 3, 11, 1, 20)))
    seen: list[str] = []
    while page := customers.page(conn, "w", 2, after=seen[-1] if seen else None):
        seen += ids(page)
    assert seen == ["7", "3", "11", "1", "20"]
    assert customers.page(conn, "w", 2, after="nobody") == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("MARIA", ["1"]),
        ("exAmple", ["1", "3"]),
        ("zoë", ["17"]),
        ("ZOE\u0308", ["17"]),
        ("+15550100001", ["1"]),
        ("0100003", ["3"]),
        ("%", []),
        ("_", []),
        ("/", []),
        ("'", []),
        ("  ", ["1", "3", "17"]),
        ("", ["1", "3", "17"]),
        ("x" * 60_000, []),
    ],
)
def test_a_query_is_a_substring_in_any_letter_case_and_nothing_more(
    conn: Connection, query: str, found: list[str]
) -> None:
    save(conn, MARIA, JO, NO_CHANNELS)
    assert ids(customers.page(conn, "w", 10, query=query)) == found


@pytest.mark.parametrize("indexed", [True, False], ids=["index", "no index"])
@pytest.mark.parametrize("few", [0, 5_000], ids=["many of his", "few of his"])
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("o", ["1", "3"]),
        ("jo", ["3"]),
        ("sanch", ["1"]),
        ('a"b', ["9"]),
        ("a\0b", []),
        ("AND", ["9"]),
        ("-o-", []),
        ("ria san", ["1"]),
        ("日本語", ["9"]),
    ],
)
def test_a_part_is_found_with_the_index_and_without(
    conn: Connection, monkeypatch: pytest.MonkeyPatch, query: str, found: list[str], indexed: bool, few: int
) -> None:
    if not indexed:
        for kind, name in [("TRIGGER", "_added"), ("TRIGGER", "_removed"), ("TRIGGER", "_changed"), ("TABLE", "")]:
            conn.exec_driver_sql(f"DROP {kind} customer_text{name}")
    monkeypatch.setattr(customer_search, "FEW", few)
    save(conn, *(replace(one, worker="w") for one in (MARIA, JO, Customer("9", 'Land a"b 日本語'))))
    save(conn, Customer("10", "Sanchez AND Jo, of somebody else", worker="other"))
    assert ids(customers.page(conn, "w", 10, query=query)) == found


def test_the_index_follows_every_change(conn: Connection) -> None:
    save(conn, MARIA, JO)
    save(conn, replace(MARIA, display_name="Maria Stone"))
    assert ids(customers.page(conn, "w", 10, query="stone")) == ["1"]
    assert customers.page(conn, "w", 10, query="sanchez") == []
    conn.execute(customer.delete().where(customer.c.customer_id == "1"))
    assert customers.page(conn, "w", 10, query="stone") == []
    conn.exec_driver_sql("INSERT INTO customer_text (customer_text, rank) VALUES ('integrity-check', 1)")


def test_many_are_saved_as_one_by_one(conn: Connection) -> None:
    save(conn, MARIA, JO)
    wanted = [replace(MARIA, language="fr"), JO, NO_CHANNELS]
    count = customers.save_customers(
        conn, [(one, [channel_key(c.type, c.value) for c in one.channels]) for one in wanted]
    )
    assert count == 2
    assert list(customers.all_customers(conn)) == wanted
    assert customers.save_customers(conn, []) == 0


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("EN", "en"),
        ("fr_ca", "fr-CA"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("de-CH-1996", "de-CH-1996"),
        ("ſr", None),
        ("english", None),
        ("e", None),
        ("en-", None),
        ("", None),
        ("en-" + "abcde-" * 9 + "abcde", None),
    ],
)
def test_a_language_is_a_well_formed_tag(text: str, tag: str | None) -> None:
    assert language_tag(text) == tag


def test_a_conversation_may_be_started_unless_he_said_no() -> None:
    assert [MARIA.may_be_started(kind) for kind in ("sms", "Email ", "whatsapp")] == [True, False, True]


def test_wildcards_in_names_are_found_as_letters(conn: Connection) -> None:
    save(conn, Customer("1", "100% Cotton"), Customer("2", "100 Cotton"))
    assert ids(customers.page(conn, "w", 10, query="100%")) == ["1"]


def test_search_and_anchor_go_together(conn: Connection) -> None:
    save(conn, Customer("1", "Ann A"), Customer("2", "Bob"), Customer("3", "Ann B"), Customer("4", "Ann C"))
    assert ids(customers.page(conn, "w", 1, after="1", query="ann")) == ["3"]


def test_all_customers_reads_in_batches_and_misses_none(conn: Connection) -> None:
    rows = [
        {"customer_id": str(number), "display_name": "N", "search": "n", "links": "[]", "details": "{}"}
        for number in range(1201)
    ]
    conn.execute(customer.insert(), rows)
    assert ids(list(customers.all_customers(conn))) == [str(number) for number in range(1201)]


def test_the_book_is_empty_until_somebody_is_in_it(conn: Connection) -> None:
    assert customers.is_empty(conn)
    save(conn, NO_CHANNELS)
    assert not customers.is_empty(conn)


def test_look_ups_use_the_indexes(engine: Engine, conn: Connection) -> None:
    save(conn, owned("a", "w"), JO, owned("b", "w"))
    statements: list[tuple[str, object]] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _k, sql, args, *_: statements.append((sql, args)))
    customers.find_by_address(conn, "+15550100003")
    customers.find(conn, "3")
    customers.page(conn, "w", 10, after="a")
    assert len(statements) == 7
    plans = [conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", args).all() for sql, args in list(statements)]
    assert not [row.detail for rows in plans for row in rows if row.detail.startswith("SCAN customer")]


@pytest.fixture
async def reader(engine: Engine) -> AsyncIterator[Readers]:
    with engine.begin() as conn:
        save(conn, MARIA, JO)
    reader = Readers(f"sqlite+aiosqlite:///{engine.url.database}")
    yield reader
    await reader.close()


async def test_the_port_normalises_addresses_and_pages(reader: Readers) -> None:
    crm = BookCrm(reader)
    assert await crm.find_by_address("whatsapp:+1 555 010 0001") == MARIA
    assert await crm.find_by_address("MARIA@example.com") == MARIA
    assert await crm.find_by_address("+15550100003") == JO
    assert await crm.find_by_address("+15550100777") is None
    assert await crm.find("3") == JO
    assert [one.customer_id for one in await crm.customers("w", 1, "1", None)] == ["3"]


async def test_a_book_that_cannot_be_read_is_unavailable(tmp_path: Path) -> None:
    reader = Readers(f"sqlite+aiosqlite:///{tmp_path / 'without-tables.db'}")
    with pytest.raises(CrmUnavailable, match="customer book"):
        await BookCrm(reader).find("1")
    await reader.close()

"""Who may come in and who has, on both databases: logins, passwords, sign-ins, and how often one may try."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, text

from orchestrator.people.seeded import LOGINS, seed_people
from storage import attempts, people
from storage.attempts import LIMIT, WINDOW_MS, Attempt, attempt_once
from storage.opening import read, write
from storage.people import HOUR_MS, IDLE_MS, LASTS_MS, PersonRefused
from tests.postgres import writing
from tests.stores import NOON

T = TypeVar("T")
ADA = "ada@example.test"
HASH, OTHER_HASH = "$argon2id$one", "$argon2id$two"


class Book:
    """The people of a database, each call a transaction of its own."""

    def __init__(self, url: str) -> None:
        self.url = url

    def do(self, work: Callable[..., T], *values: Any, **named: Any) -> T:
        def run(connection: Connection) -> T:
            return work(connection, *values, **named)

        return write(self.url, run)

    def add(
        self, login: str = ADA, role: str = "worker", identity: str | None = None, hashed: str | None = HASH
    ) -> int:
        return self.do(people.add, login, "Ada", role, identity, hashed, NOON)


@pytest.fixture
def book(either_url: str) -> Book:
    return Book(either_url)


def test_a_person_is_found_by_whatever_he_is_known_by(book: Book) -> None:
    number = book.add(identity="Ada@Example.test")
    book.do(people.remember_subject, number, "https://idp.example.test 7")
    book.do(people.remember_subject, number, "https://idp.example.test 8")
    found = book.do(people.by_login, "  ADA@example.TEST ")
    assert found is not None
    assert (found.id, found.login, found.role, found.identity) == (number, ADA, "worker", "Ada@Example.test")
    assert (found.password_hash, found.oidc_subject) == (HASH, "https://idp.example.test 7")
    assert HASH not in repr(found)
    for other in (
        book.do(people.by_id, number),
        book.do(people.by_identity, "ada@EXAMPLE.test"),
        book.do(people.by_subject, "https://idp.example.test 7"),
    ):
        assert other == found
    assert book.do(people.by_subject, "https://idp.example.test 8") is None
    assert book.do(people.by_login, "grace@example.test") is None
    assert read(book.url, people.everybody) == [found]


def test_one_login_and_one_identity_is_one_person(book: Book) -> None:
    book.add(identity=ADA)
    with pytest.raises(PersonRefused, match="already"):
        book.add("ADA@EXAMPLE.TEST")
    with pytest.raises(PersonRefused, match="another person"):
        book.add("grace@example.test", identity="ADA@EXAMPLE.TEST")
    book.add("grace@example.test")
    book.add("alan@example.test")
    assert [found.login for found in read(book.url, people.everybody)] == [
        ADA,
        "alan@example.test",
        "grace@example.test",
    ]


@pytest.mark.parametrize("login", ["ada", "Ada.L", "ada+1@example.test", "x" * 200, "åda@exämple.test"])
def test_names_and_addresses_are_logins(login: str) -> None:
    assert people.valid_login(f" {login} ") == login.casefold()


@pytest.mark.parametrize(
    "login", ["", " ", "a b", "@example.test", "ada@", "a@b@c", "x" * 201, "a\nb", "ada\u202e@example.test", "a\0"]
)
def test_what_is_no_login_is_refused(login: str) -> None:
    with pytest.raises(PersonRefused, match="is no login"):
        people.valid_login(login)


def test_what_looks_alike_is_the_same_login() -> None:
    assert people.valid_login("ａｄａ") == "ada"


def test_disabling_and_another_password_end_every_sign_in_at_once(book: Book) -> None:
    ada, grace = book.add(), book.add("grace@example.test")
    for token, number in (("1", ada), ("2", ada), ("3", grace)):
        book.do(people.begin, token, number, NOON)
    book.do(people.set_password, ADA.upper(), OTHER_HASH)
    assert [book.do(people.signed_in, token, NOON) is not None for token in "123"] == [False, False, True]
    book.do(people.disable, "grace@example.test", NOON)
    assert book.do(people.signed_in, "3", NOON) is None
    book.do(people.enable, "grace@example.test")
    assert book.do(people.signed_in, "3", NOON) is None
    found = book.do(people.by_login, ADA)
    assert found is not None
    assert found.password_hash == OTHER_HASH


def test_a_sign_in_of_somebody_disabled_does_not_hold_whoever_left_it(book: Book) -> None:
    ada = book.add()
    book.do(people.disable, ADA, NOON)
    book.do(people.disable, ADA, NOON + 5)
    book.do(people.begin, "1", ada, NOON)
    assert book.do(people.signed_in, "1", NOON) is None
    found = book.do(people.by_id, ada)
    assert found is not None
    assert found.disabled_at == NOON


def test_a_sign_in_ends_after_twelve_idle_hours_and_after_seven_days(book: Book) -> None:
    ada = book.add()
    book.do(people.begin, "1", ada, NOON)
    assert book.do(people.signed_in, "1", NOON + IDLE_MS - 1) is not None
    assert book.do(people.signed_in, "1", NOON + IDLE_MS) is None
    at = NOON
    while at < NOON + LASTS_MS:
        assert book.do(people.signed_in, "1", at) is not None
        book.do(people.touch, "1", at)
        at += 11 * HOUR_MS
    book.do(people.touch, "1", NOON + LASTS_MS)
    assert book.do(people.signed_in, "1", NOON + LASTS_MS) is None
    assert book.do(people.prune, NOON + LASTS_MS - 1) == 0
    assert book.do(people.prune, NOON + LASTS_MS) == 1


def test_one_sign_in_ends_and_the_others_go_on(book: Book) -> None:
    ada = book.add()
    book.do(people.begin, "1", ada, NOON)
    book.do(people.begin, "2", ada, NOON)
    book.do(people.end, "1")
    assert book.do(people.signed_in, "1", NOON) is None
    found = book.do(people.signed_in, "2", NOON + 1)
    assert found is not None
    assert (found.person.id, found.seen_at) == (ada, NOON)
    assert book.do(people.end_all, ada) == 1


def test_a_hash_is_renewed_unless_the_password_was_changed_meanwhile(book: Book) -> None:
    ada = book.add()
    book.do(people.renew_hash, ada, HASH, "$argon2id$renewed")
    book.do(people.renew_hash, ada, HASH, "$argon2id$late")
    found = book.do(people.by_id, ada)
    assert found is not None
    assert found.password_hash == "$argon2id$renewed"


def test_who_can_sign_in_is_counted(book: Book) -> None:
    seeded = ("admin@example.test",)
    book.add("admin@example.test", "admin", hashed=None)
    assert book.do(people.count_who_can_sign_in, seeded) == 0
    assert book.do(people.count_who_can_sign_in, seeded, oidc=True) == 0
    book.add(hashed=None)
    assert book.do(people.count_who_can_sign_in, seeded) == 0
    assert book.do(people.count_who_can_sign_in, seeded, oidc=True) == 1
    book.add("grace@example.test")
    assert book.do(people.count_who_can_sign_in, seeded) == 1
    book.do(people.disable, "grace@example.test", NOON)
    assert book.do(people.count_who_can_sign_in, seeded) == 0


@pytest.mark.parametrize("act", ["set_password", "disable", "enable"])
def test_nobody_is_told_apart_from_somebody(book: Book, act: str) -> None:
    more = {"set_password": (HASH,), "disable": (NOON,), "enable": ()}[act]
    with pytest.raises(PersonRefused, match="there is no person 'nobody'"):
        book.do(getattr(people, act), "nobody", *more)


def test_five_tries_a_minute_for_each_key_and_the_fifth_last_tells_how_long_to_wait(book: Book) -> None:
    for second in range(LIMIT):
        assert book.do(attempt_once, ["login", "address"], NOON + second * 1000).wait_ms == 0
    at = NOON + LIMIT * 1000
    assert book.do(attempt_once, ["login", "elsewhere"], at) == Attempt(WINDOW_MS - LIMIT * 1000)
    assert book.do(attempt_once, ["somebody else", "address"], at).wait_ms == WINDOW_MS - LIMIT * 1000
    assert book.do(attempt_once, ["somebody else", "elsewhere"], at).wait_ms == 0
    assert book.do(attempts.count, "elsewhere", at) == 1
    assert book.do(attempt_once, ["login", "address"], NOON + WINDOW_MS).wait_ms == 0


def test_a_try_that_succeeded_is_not_counted_and_old_ones_go(book: Book) -> None:
    for _ in range(LIMIT + 1):
        tried = book.do(attempt_once, ["login", "address"], NOON)
        assert tried.wait_ms == 0
        book.do(attempts.take_back, tried.ids)
    assert book.do(attempts.count, "login", NOON) == 0
    book.do(attempt_once, ["login", "address"], NOON)
    assert book.do(attempts.prune, NOON + WINDOW_MS - 1) == 0
    assert book.do(attempts.prune, NOON + WINDOW_MS) == 2


async def test_replicas_that_start_at_the_same_moment_seed_each_person_once(
    shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_identity, begun = people.by_identity, iter([True])

    def slow_at_first(connection: Connection, identity: str) -> people.StoredPerson | None:
        """The answer, and, the first time, long enough until it is used for another replica to make it wrong."""
        found = by_identity(connection, identity)
        if next(begun, False):
            connection.execute(text("SELECT pg_sleep(0.3)"))
        return found

    monkeypatch.setattr(people, "by_identity", slow_at_first)
    async with AsyncExitStack() as stack:
        writers = [await stack.enter_async_context(writing(shared_url)) for _ in range(6)]
        # Each has its connection by then, so that they begin together.
        await asyncio.gather(*(writer.run(lambda unit: unit.now) for writer in writers))
        await asyncio.gather(*map(seed_people, writers))
        found = await writers[0].run(lambda unit: [person.login for person in people.everybody(unit.connection)])
    assert sorted(found) == sorted(LOGINS)

"""Passwords are hashed with Argon2id off the event loop, a few at a time, and a login nobody has tells nothing."""

import asyncio
import threading

import pytest
from argon2 import PasswordHasher

from orchestrator.people import passwords
from orchestrator.people.passwords import AT_A_TIME, IN_ALL, LONGEST, Passwords, TooBusy, Verdict, chosen
from storage.people import PersonRefused

SECRET = "correct horse battery"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def test_the_parameters_are_those_of_the_rfc() -> None:
    hashed = Passwords().hash(SECRET)
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert SECRET not in hashed


async def test_the_right_password_is_told_from_any_other() -> None:
    kept = Passwords(CHEAP)
    hashed = kept.hash(SECRET)
    assert await kept.verify(hashed, SECRET) == Verdict(True)
    for wrong in ("", SECRET + " ", SECRET.upper(), SECRET + "x" * 2000):
        assert await kept.verify(hashed, wrong) == Verdict(False)
    assert await kept.verify(None, SECRET) == Verdict(False)
    assert await kept.verify("no hash at all", SECRET) == Verdict(False)
    kept.close()


async def test_a_letter_is_the_same_however_it_is_composed() -> None:
    kept = Passwords(CHEAP)
    assert (await kept.verify(kept.hash("pass\u00e9 simple, oui"), "passe\u0301 simple, oui")).is_right
    longest = "e\u0301" * LONGEST
    assert (await kept.verify(kept.hash(chosen("ada", longest)), longest)).is_right
    kept.close()


async def test_a_hash_of_other_parameters_is_renewed() -> None:
    old, new = Passwords(CHEAP), Passwords(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
    verdict = await new.verify(old.hash(SECRET), SECRET)
    assert verdict.is_right
    assert verdict.renewed is not None
    assert await new.verify(verdict.renewed, SECRET) == Verdict(True)
    old.close()
    new.close()


@pytest.mark.parametrize("password", ["", "short", "x" * 11, "x" * 1025, "Ada@Example.test", "ａｄａ@example.test"])
def test_what_is_too_short_too_long_or_the_login_is_no_password(password: str) -> None:
    with pytest.raises(PersonRefused):
        chosen("ada@example.test", password)


@pytest.mark.parametrize("password", ["x" * 12, "x" * 1024, "with spaces in it", "日本語のパスワードですよ本当に"])
def test_anything_else_is(password: str) -> None:
    assert chosen("ada@example.test", password)


class Counting(PasswordHasher):
    """Takes until it is let go, and counts how many are at it."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.calls: list[str] = []
        self.began = threading.Semaphore(0)
        self.go = threading.Event()

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]  # noqa: A002
        self.calls.append(str(hash))
        self.began.release()
        assert self.go.wait(10)
        return super().verify(hash, password)  # type: ignore[return-value]


async def test_two_are_looked_at_at_a_time_and_too_many_are_sent_away_even_if_they_leave() -> None:
    hasher = Counting()
    kept = Passwords(hasher)
    waiting = [asyncio.create_task(kept.verify(None, SECRET)) for _ in range(IN_ALL)]
    for _ in range(AT_A_TIME):
        assert await asyncio.to_thread(hasher.began.acquire, timeout=10)
    assert len(hasher.calls) == AT_A_TIME
    waiting[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]
    with pytest.raises(TooBusy):
        await kept.verify(None, SECRET)
    hasher.go.set()
    assert await asyncio.gather(*waiting[1:]) == [Verdict(False)] * (IN_ALL - 1)
    assert await kept.verify(None, SECRET) == Verdict(False)
    kept.close()


async def test_a_login_that_nobody_has_costs_one_verification_too() -> None:
    hasher = Counting()
    hasher.go.set()
    kept = Passwords(hasher)
    await kept.verify(None, SECRET)
    await kept.verify(hasher.hash(SECRET), "another one")
    assert len(hasher.calls) == 2
    kept.close()


def test_reading_the_module_brings_no_argon2() -> None:
    assert "argon2" not in vars(passwords)

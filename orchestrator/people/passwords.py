"""Passwords: what may be one, and Argon2id (RFC 9106, the second recommended option: 3 passes over 64 MiB in 4 lanes).

Hashing takes a third of a second and 64 MiB on purpose, so it runs in threads of its own, two at a time, and whoever
would wait behind too many others is sent away. A login that nobody has costs the same time as one that somebody has.
"""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from storage.people import PersonRefused, folded

if TYPE_CHECKING:
    from argon2 import PasswordHasher

T = TypeVar("T")
SHORTEST, LONGEST = 12, 1024
# Of so many characters one letter may be composed.
PARTS = 4
AT_A_TIME, IN_ALL = 2, 32


class TooBusy(Exception):
    """So many passwords are being looked at that another one would wait for too long."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password is the right one. `renewed`: its hash by today's parameters, where the old one has others."""

    is_right: bool
    renewed: str | None = None


def chosen(login: str, password: str) -> str:
    """A new password as it is hashed. Raises PersonRefused for one that is too short, too long, or the login."""
    found = normal(password)
    if not SHORTEST <= len(found) <= LONGEST:
        raise PersonRefused(f"the password must have {SHORTEST} to {LONGEST:,} characters; choose another")
    if folded(found) == folded(login):
        raise PersonRefused("the password must not be the login; choose another")
    return found


def normal(password: str) -> str:
    """A password in one form, whatever the keyboard composes its letters of (NIST SP 800-63B, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


class Passwords:
    """Hashes and verifies. `hasher`: other parameters than the recommended ones."""

    def __init__(self, hasher: "PasswordHasher | None" = None) -> None:
        self._hasher = hasher
        self._nobodys: str | None = None
        self._threads = ThreadPoolExecutor(AT_A_TIME, "passwords")
        self._waiting = 0

    def hash(self, password: str) -> str:
        """The hash to keep of a password, with its salt and parameters. Takes its time: not in an event loop."""
        return self._ready().hash(normal(password))

    async def verify(self, hashed: str | None, password: str) -> Verdict:
        """Whether `hashed` is of this password; None is of none, and found out as slowly. Raises TooBusy."""
        found = normal(password[: LONGEST * PARTS + 1])
        if len(found) > LONGEST:
            return Verdict(False)
        return await self._run(lambda: self._verify(hashed, found))

    def close(self) -> None:
        """Let the threads end; what nobody has begun is dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= IN_ALL:
            raise TooBusy
        self._waiting += 1
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        # Counted until it is done, not until whoever asked has left.
        running.add_done_callback(self._one_less)
        return await asyncio.shield(running)

    def _one_less(self, _done: object) -> None:
        self._waiting -= 1

    def _verify(self, hashed: str | None, password: str) -> Verdict:
        from argon2.exceptions import InvalidHashError, VerificationError

        hasher = self._ready()
        if self._nobodys is None:
            self._nobodys = hasher.hash(secrets.token_hex())
        try:
            hasher.verify(self._nobodys if hashed is None else hashed, password)
        except (VerificationError, InvalidHashError):
            return Verdict(False)
        if hashed is None:
            return Verdict(False)
        return Verdict(True, hasher.hash(password) if hasher.check_needs_rehash(hashed) else None)

    def _ready(self) -> "PasswordHasher":
        if self._hasher is None:
            from argon2 import PasswordHasher
            from argon2.profiles import RFC_9106_LOW_MEMORY

            self._hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        return self._hasher

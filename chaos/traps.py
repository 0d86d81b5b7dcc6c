"""Traps laid in one life of the service: at a named failpoint, or at the N-th call to the database or to Twilio.

A trap springs once. It notes in its file how many calls it has counted and whether it has sprung, before it does what
it does, for it may be the last thing that this process does.
"""

import asyncio
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from sqlalchemy import Engine, event

from orchestrator.adapters.twilio_transport import TwilioTransport
from storage import failpoints

DELAY_S = 0.7
ARM = signal.SIGUSR1
T = TypeVar("T")


class TrapSprung(Exception):
    """What a failpoint raises: something that nobody expects there."""


@dataclass(frozen=True, slots=True)
class Trap:
    """Where it is laid, what it does, and the file it notes that in.

    `place`: a failpoint's name, "database" or "twilio". `act`: kill, raise, delay or freeze at a failpoint; raise, hang
    or raise_after at a call. `kind`: a failpoint springs only once an effect of this kind has begun, and then in the
    hands of one of that kind or of none; a freeze, whenever it was armed by the signal `ARM`, in the hands of one of
    that kind. `number`: which call it is.
    """

    place: str
    act: str
    file: str
    kind: str | None = None
    number: int = 1

    def plain(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return asdict(self)


def found(file: Path) -> tuple[int, bool]:
    """What a trap noted: how many calls it counted, and whether it has sprung."""
    if not file.exists():
        return 0, False
    count, sprung = file.read_text().split()
    return int(count), sprung == "1"


def lay(trap: Trap) -> None:
    """Lay a trap in this process."""
    if trap.place == "database":
        _lay_in_database(_Counter(trap))
    elif trap.place == "twilio":
        _lay_in_twilio(_Counter(trap))
    elif trap.act == "freeze":
        failpoints.set_hook(_Freezer(trap))
    else:
        failpoints.set_hook(_Failpoint(trap))


class _Counter:
    """Counts towards the call that springs the trap."""

    def __init__(self, trap: Trap) -> None:
        self.trap = trap
        self.count = 0
        self._file = os.open(trap.file, os.O_WRONLY | os.O_CREAT, 0o600)
        self._note(sprung=False)

    def _note(self, *, sprung: bool) -> None:
        os.pwrite(self._file, f"{self.count:08d} {sprung:d}".encode(), 0)

    def springs(self) -> bool:
        """Another one; whether it is the one."""
        self.count += 1
        self._note(sprung=self.count >= self.trap.number)
        return self.count == self.trap.number


class _Failpoint(_Counter):
    def __init__(self, trap: Trap) -> None:
        super().__init__(trap)
        self._waits_for = trap.kind

    def __call__(self, name: str, kind: str | None) -> None:
        if name == "effect.begun" and kind == self._waits_for:
            self._waits_for = None
        if self._waits_for is not None or name != self.trap.place or kind not in (None, self.trap.kind):
            return
        if self.springs():
            self._act(name)

    def _act(self, name: str) -> None:
        if self.trap.act == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.trap.act == "raise":
            raise TrapSprung(name)
        time.sleep(DELAY_S)


class _Freezer:
    """Stops the process, once for each `ARM` it is sent, at the next moment it comes to the place."""

    def __init__(self, trap: Trap) -> None:
        self._trap = trap
        self._is_armed = False
        signal.signal(ARM, self._arm)

    def _arm(self, *_told: object) -> None:
        self._is_armed = True

    def __call__(self, name: str, kind: str | None) -> None:
        if self._is_armed and (name, kind) == (self._trap.place, self._trap.kind):
            self._is_armed = False
            os.kill(os.getpid(), signal.SIGSTOP)


def _lay_in_database(counter: _Counter) -> None:
    def call(work: Callable[[], T]) -> T:
        if not counter.springs():
            return work()
        if counter.trap.act == "hang":
            time.sleep(DELAY_S)
            return work()
        if counter.trap.act == "raise_after":
            work()
        raise sqlite3.OperationalError("disk I/O error")

    class Cursor(sqlite3.Cursor):
        def execute(self, *given: Any) -> "Cursor":
            return call(lambda: super(Cursor, self).execute(*given))

        def executemany(self, *given: Any) -> "Cursor":
            return call(lambda: super(Cursor, self).executemany(*given))

    class Connection(sqlite3.Connection):
        def cursor(self, _factory: Any = None) -> Any:
            return super().cursor(Cursor)

        def commit(self) -> None:
            call(super().commit)

    def connect(dialect: Any, _record: Any, _given: Any, options: dict[str, Any]) -> None:
        if dialect.driver == "pysqlite":
            options["factory"] = Connection

    event.listen(Engine, "do_connect", connect)


def _lay_in_twilio(counter: _Counter) -> None:
    request = TwilioTransport.request

    async def trapped(self: TwilioTransport, *given: Any, **named: Any) -> Any:
        if not counter.springs():
            return await request(self, *given, **named)
        if counter.trap.act == "hang":
            # Longer than EFFECT_TIMEOUT_S: as far as we can know, it may have been carried out.
            await asyncio.sleep(DELAY_S)
            raise TimeoutError
        if counter.trap.act == "raise_after":
            await request(self, *given, **named)
        raise aiohttp.ServerDisconnectedError

    TwilioTransport.request = trapped  # type: ignore[method-assign]

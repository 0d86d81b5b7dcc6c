"""The record of every REST write and every webhook, with what came of it."""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from orchestrator.sandbox.forms import Pairs, as_object
from orchestrator.sandbox.rules import webhook_date

KEPT = 100_000
NO_ANSWER = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One call. `status` 0: no answer came, or went out. `note` says what the status cannot; `committed` (REST only)
    whether the write was carried out."""

    seq: int
    at: str
    kind: Literal["rest", "webhook"]
    method: str
    path: str
    form: dict[str, Any]
    status: int
    committed: bool | None
    note: str | None

    def json(self) -> dict[str, Any]:
        """The entry as the control API shows it."""
        return {name: getattr(self, name) for name in self.__slots__}


class Ledger:
    """Entries numbered from 1 in the order in which they were settled; the newest hundred thousand are kept."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._seq = 0
        self._entries: deque[Entry] = deque(maxlen=KEPT)

    def rest(self, method: str, path: str, form: Pairs, status: int, committed: bool, note: str | None = None) -> None:
        """A REST write was answered."""
        self._enter("rest", method, path, form, status, committed, note)

    def webhook(self, method: str, path: str, form: Pairs, status: int, note: str | None = None) -> None:
        """A webhook was answered, or was not."""
        self._enter("webhook", method, path, form, status, None, note)

    def since(self, seq: int) -> list[Entry]:
        """The entries numbered above `seq`."""
        return list(self._entries)[bisect_right(self._entries, seq, key=lambda entry: entry.seq) :]

    def clear(self) -> None:
        """Forget the entries; the numbers go on, so nobody who follows is misled."""
        self._entries.clear()

    def _enter(
        self,
        kind: Literal["rest", "webhook"],
        method: str,
        path: str,
        form: Pairs,
        status: int,
        committed: bool | None,
        note: str | None,
    ) -> None:
        self._seq += 1
        at = webhook_date(self._now())
        self._entries.append(Entry(self._seq, at, kind, method, path, as_object(form), status, committed, note))

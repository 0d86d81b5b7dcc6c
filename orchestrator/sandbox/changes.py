"""Telling whoever watches that something changed: the page's live view hangs on this and nothing else."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

Kind = Literal["conversation", "message", "participant", "worker", "faults", "reset"]

# A watcher that is this far behind has stopped reading; it is let go and may come back.
_BACKLOG = 1000


@dataclass(frozen=True, slots=True)
class Change:
    """One change; `sid` names what changed (a conversation, for what lies in it)."""

    seq: int
    kind: Kind
    sid: str | None


Watch = asyncio.Queue[Change | None]


class Changes:
    """Numbers every change from 1 and hands it to all who watch."""

    def __init__(self) -> None:
        self.seq = 0
        self._watches: set[Watch] = set()

    def tell(self, kind: Kind, sid: str | None = None) -> None:
        """Something of this kind changed."""
        self.seq += 1
        change = Change(self.seq, kind, sid)
        for watch in tuple(self._watches):
            self._hand_over(watch, change)

    @contextmanager
    def watched(self) -> Iterator[Watch]:
        """A queue of changes from now on; None ends it."""
        watch: Watch = asyncio.Queue(_BACKLOG)
        self._watches.add(watch)
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    def end(self) -> None:
        """Let every watcher go."""
        for watch in tuple(self._watches):
            self._let_go(watch)

    def _hand_over(self, watch: Watch, change: Change) -> None:
        if watch.full():
            self._let_go(watch)
        else:
            watch.put_nowait(change)

    def _let_go(self, watch: Watch) -> None:
        self._watches.discard(watch)
        while watch.full():
            watch.get_nowait()
        watch.put_nowait(None)

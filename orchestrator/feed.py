"""Feed: which conversations changed, told to whoever watches as soon as it is committed, whichever replica did it.

A change is a number and some SIDs; what they look like now is read from the store. The last changes are kept in a ring,
and a subscription is a place in it: who falls behind gets several as one, and who falls out of it is told that whatever
he shows may be stale.

Until somebody here watches, nothing is kept. Over PostgreSQL a replica tells the others only while one of them has said
that somebody watches there: it says so at once, every few seconds, and when it is asked. Who cannot hear, tells.
"""

import asyncio
import re
import secrets
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from storage.writer import Batches

RING = 1_000
# More conversations than this at once are everything; so are more than fit into a hint of PostgreSQL's (8,000 bytes).
MANY, HINT_MANY = 1_000, 200
CHANGED, WATCHED, WHO_WATCHES = "changed", "watched", "watching?"
ALL = "*"
# Seldom enough to cost nothing under load; changes of two hints' time reach others within a tenth of a second.
TELL_EVERY_S = 0.05
SAY_EVERY_S, BELIEVED_S = 20.0, 60.0
# By then everybody has heard the first word that somebody watches, and answered the question who does.
HEARD_S, ANSWERED_S = 0.5, 2.0
_ID = re.compile(r"([0-9a-f]+):([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Change:
    """Conversations that changed. `id`: where to go on from; `sids`: None where whatever is shown may be stale."""

    id: str
    sids: frozenset[str] | None


class Feed:
    """The changes of all commits of this database since somebody here first asked for them."""

    def __init__(self, writer: Batches) -> None:
        self._writer = writer
        self._epoch = secrets.token_hex(4)
        self._count = 0
        self._ring: deque[frozenset[str] | None] = deque(maxlen=RING)
        self._next = asyncio.Event()
        self._is_watched = asyncio.Event()
        self._is_closed = False
        self._others_watch_until = float("-inf")
        self._untold: set[str] = set()
        self._teller: asyncio.TimerHandle | None = None
        self._tell_at = float("-inf")
        if writer.is_shared:
            self._hearing(False)

    @property
    def latest(self) -> str:
        """The id of the last change. What is read from the store after this is asked for has it in it."""
        self._watch()
        return self._id(self._count)

    @contextmanager
    def subscribe(self, after: str | None = None) -> Iterator["Subscription"]:
        """The changes from now on, or after the one with this id. One that is not known, or not any more, makes the
        first a change of everything."""
        self._watch()
        yield Subscription(self, self._count if after is None else self._number(after))

    def start(self) -> None:
        """Hear what other replicas tell; whoever calls `hear` must be ready to."""
        self._writer.on_hearing = self._hearing
        if self._writer.hears:
            self._hearing(True)

    async def run(self) -> None:
        """Tell other replicas that somebody watches here, once that is so, until cancelled."""
        await self._is_watched.wait()
        self._say(WATCHED)
        await asyncio.sleep(HEARD_S)
        # What others have changed before they heard it was not told.
        self._publish(None)
        while True:
            await asyncio.sleep(SAY_EVERY_S)
            self._say(WATCHED)

    def close(self) -> None:
        """End all subscriptions."""
        self._is_closed = True
        self._next.set()

    def hear(self, what: str) -> bool:
        """A hint, perhaps of another replica; whether it was one of these."""
        kind, _, rest = what.partition(":")
        if kind not in (CHANGED, WATCHED, WHO_WATCHES):
            return False
        epoch, _, sids = rest.partition(":")
        if epoch == self._epoch:
            return True
        if kind == CHANGED:
            self._publish(None if sids == ALL else sids.split(","))
        elif kind == WATCHED:
            self._believe_until(self._now() + BELIEVED_S)
        elif self._is_watched.is_set():
            self._say(WATCHED)
        return True

    def _since(self, number: int) -> Change | None:
        """Everything that changed after the change of this number, as one; None where nothing did."""
        missed = self._count - number
        if not missed:
            return None
        sids: frozenset[str] | None = None
        if missed <= len(self._ring):
            kept = list(islice(self._ring, len(self._ring) - missed, None))
            known = [them for them in kept if them is not None]
            sids = frozenset().union(*known) if len(known) == len(kept) else None
        return Change(self._id(self._count), None if sids is not None and len(sids) > MANY else sids)

    async def after(self, number: int) -> Change | None:
        """The same, waited for; None where the feed has ended."""
        while not self._is_closed:
            change = self._since(number)
            if change is not None:
                return change
            await self._next.wait()
        return None

    def _id(self, number: int) -> str:
        return f"{self._epoch}:{number}"

    def _number(self, known: str) -> int:
        """Below all there is for an id that is none of ours, which makes it too old."""
        found = _ID.fullmatch(known)
        is_ours = found is not None and found[1] == self._epoch and int(found[2]) <= self._count
        return int(found[2]) if found is not None and is_ours else self._count - RING - 1

    def _watch(self) -> None:
        if not self._is_watched.is_set():
            self._is_watched.set()
            self._writer.on_changed = self._committed

    def _committed(self, sids: Collection[str]) -> None:
        self._publish(sids)
        if self._now() < self._others_watch_until:
            self._tell(sids)
        elif not self._is_watched.is_set():
            self._writer.on_changed = None

    def _publish(self, sids: Collection[str] | None) -> None:
        if not self._is_watched.is_set():
            return
        self._count += 1
        self._ring.append(None if sids is None else frozenset(sids))
        happened, self._next = self._next, asyncio.Event()
        happened.set()

    # Other replicas

    def _hearing(self, hears: bool) -> None:
        if not hears:
            self._believe_until(float("inf"))
            return
        self._believe_until(self._now() + ANSWERED_S)
        self._say(WHO_WATCHES)
        # What was told meanwhile was not heard.
        self._publish(None)

    def _believe_until(self, until: float) -> None:
        self._others_watch_until = until
        self._writer.on_changed = self._committed

    def _say(self, what: str) -> None:
        self._writer.tell(f"{what}:{self._epoch}")

    def _tell(self, sids: Collection[str]) -> None:
        self._untold |= set(sids)
        if self._teller is None:
            self._teller = asyncio.get_running_loop().call_at(self._tell_at, self._tell_now)

    def _tell_now(self) -> None:
        sids, self._untold, self._teller = self._untold, set(), None
        self._tell_at = self._now() + TELL_EVERY_S
        self._writer.tell(f"{CHANGED}:{self._epoch}:{ALL if len(sids) > HINT_MANY else ','.join(sorted(sids))}")

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


class Subscription:
    """Changes one after the other, as far as the feed has gone whenever the next one is asked for; an end when the
    service stops."""

    def __init__(self, feed: Feed, number: int) -> None:
        self._feed = feed
        self._number = number

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Change:
        change = await self._feed.after(self._number)
        if change is None:
            raise StopAsyncIteration
        self._number = int(change.id.rpartition(":")[2])
        return change

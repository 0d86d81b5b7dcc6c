"""Silences: a transaction's part in who has said STOP, on which channel, until START: in this conversation and in all
that come after it, whoever serves them.

An address is a customer on one channel, so it is the key. Who has said STOP is read with what else is known of the
address of a message, and written only where it changes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import bindparam, delete

from states.conversation import Conversation
from states.events import CustomerOptedOut, Event, MessageReceived
from storage.schema import silence
from storage.statements import Sql, Statement


@dataclass(slots=True)
class Silences:
    """Who has said STOP, as far as this transaction knows it. `now` in milliseconds since 1970."""

    sql: Sql
    now: int
    _known: dict[str, bool] = field(default_factory=dict)
    _changed: dict[str, bool] = field(default_factory=dict)

    def read(self, addresses: Iterable[str], silenced: Iterable[str]) -> None:
        """Of these addresses, these have said STOP in the store."""
        self._known |= dict.fromkeys(addresses, False) | dict.fromkeys(silenced, True)
        self._known |= self._changed

    def knows(self, address: str) -> bool:
        """Whether it was read who of this address has said STOP."""
        return address in self._known

    def has(self, address: str) -> bool:
        """Whether this address has said STOP; it must have been read."""
        return self._known[address]

    def note(self, before: Conversation, following: Conversation, event: Event) -> None:
        """Take over what an event has made of the silence of its customer."""
        match event:
            case MessageReceived():
                was = event.author in before.silenced if event.stopped is None else event.stopped
                self._change(event.author, was, event.author in following.silenced)
            case CustomerOptedOut() if following.address is not None:
                self._change(following.address, following.address in before.silenced, True)

    def _change(self, address: str, was: bool, is_now: bool) -> None:
        if was != is_now:
            self._known[address] = self._changed[address] = is_now

    def flush(self) -> None:
        """Write what has changed."""
        for address, is_silent in sorted(self._changed.items()):
            self.sql.run(_ADD if is_silent else _REMOVE, address=address, since=self.now)
        self._changed = {}


_ADD = Statement(
    lambda words: (
        words.insert(silence).values(address=bindparam("address"), since=bindparam("since")).on_conflict_do_nothing()
    )
)
_REMOVE = Statement(lambda _words: delete(silence).where(silence.c.address == bindparam("address")))

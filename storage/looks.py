"""Waiting looks: where a message was or will be published that no webhook has told of yet.

A pre-action event leaves one; each customer message taken in takes the oldest one that fits off. A look is at a
conversation, or at a pair of addresses while the conversation does not exist. `Looks` is their part of a transaction.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from storage.schema import look
from storage.statements import Sql, Statement, inserting


@dataclass(slots=True)
class Looks:
    """The looks as one transaction sees them: read for all its works at once, written together by `flush`."""

    sql: Sql
    now: int
    _at: dict[str, list[Any]] = field(default_factory=dict)
    _new: list[dict[str, Any]] = field(default_factory=list)
    _gone: set[int] = field(default_factory=set)

    def read_ahead(self, places: Iterable[str]) -> None:
        """Read the looks at these conversations (SIDs) and addresses."""
        fresh = [place for place in places if place not in self._at]
        self._at |= {place: [] for place in fresh}
        for row in self.sql.all(_AT_PLACES, places=self.sql.words.listed(fresh)):
            place = row.address if row.conversation_sid is None else row.conversation_sid
            self._at[place].append(row)

    def add(
        self,
        *,
        due_at: int,
        conversation_sid: str | None = None,
        service_sid: str | None = None,
        address: str | None = None,
        proxy_address: str | None = None,
        friendly_name: str | None = None,
        whole: bool = False,
    ) -> None:
        """Leave a look, due at `due_at` (milliseconds since 1970)."""
        self._new.append(
            {
                "conversation_sid": conversation_sid,
                "service_sid": service_sid,
                "address": address,
                "proxy_address": proxy_address,
                "friendly_name": friendly_name,
                "whole": whole,
                "created_at": self.now,
                "due_at": due_at,
            }
        )

    def at_pair(self, address: str, proxy_address: str | None) -> Any | None:
        """The oldest look at this pair of addresses; without a proxy address, at any pair of this address."""
        return next((row for row in self._looks(address) if proxy_address in (None, row.proxy_address)), None)

    def take_off(self, sid: str, address: str | None, proxy_address: str | None) -> None:
        """A customer message of this conversation was taken in: the oldest look that waited for one is not needed."""
        fitting = [row for row in self._looks(sid) if not row.whole]
        at_address = [] if address is None else self._looks(address)
        fitting += [row for row in at_address if proxy_address in (None, row.proxy_address) and not row.whole]
        if fitting:
            self._gone.add(min(row.id for row in fitting))

    def _looks(self, place: str) -> list[Any]:
        """The looks at a place that are still waited for, oldest first."""
        if self._new:
            self.flush()
            self._at.clear()
        if place not in self._at:
            self.read_ahead([place])
        found = self._at[place]
        return [row for row in found if row.id not in self._gone] if found else found

    def flush(self) -> None:
        """Write what was gathered."""
        if self._new:
            self.sql.many(_INSERT, self._new)
            self._new = []
        if self._gone:
            self.sql.run(_DELETE, ids=self.sql.words.listed(self._gone))

    def due(self, limit: int) -> list[Any]:
        """The looks that are due, oldest first."""
        return self.sql.all(_DUE, now=self.now, limit=limit)

    def postpone(self, look_id: int, due_at: int, tries: int) -> None:
        """Look again later. A look that a message has taken off meanwhile stays off."""
        self.sql.run(_POSTPONE, look_id=look_id, at=due_at, count=tries)

    def drop(self, look_id: int) -> None:
        """This look has done its work."""
        self.sql.run(_DELETE, ids=self.sql.words.listed([look_id]))


_COLUMNS = (
    "conversation_sid",
    "service_sid",
    "address",
    "proxy_address",
    "friendly_name",
    "whole",
    "created_at",
    "due_at",
)
_INSERT = inserting(look, *_COLUMNS)
_AT_PLACES = Statement(
    lambda words: (
        select(look)
        .where(words.is_one_of(look.c.conversation_sid, "places") | words.is_one_of(look.c.address, "places"))
        .order_by(look.c.id)
    )
)
_DELETE = Statement(lambda words: delete(look).where(words.is_one_of(look.c.id, "ids")))
_DUE = Statement(
    lambda _words: (
        select(look).where(look.c.due_at <= bindparam("now")).order_by(look.c.due_at).limit(bindparam("limit"))
    )
)
_POSTPONE = Statement(
    lambda _words: (
        update(look).where(look.c.id == bindparam("look_id")).values(due_at=bindparam("at"), tries=bindparam("count"))
    )
)

"""Pruning: what is done and over is deleted after a time, in steps that no webhook has to wait for.

Only an effect that was carried out or skipped goes, and only the key of an event that was decided: what is open, parked
or rejected still concerns somebody. History and conversations stay for ever; they explain, and by them a fact is known
again whose key is gone.

A step walks the primary key for one window and deletes what is old enough there. So it needs no index of its own, and
costs what a window costs, however large the table is.
"""

from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Table, and_, bindparam, delete, func, literal_column, select

from storage.schema import inbox, outbox
from storage.statements import Statement
from storage.unit import Unit

WINDOW = 500
DAY_MS = 86_400_000
# A key lives that long whatever is asked for: in a conversation younger than this, what has no key is new.
KEYS_LIVE_MS = DAY_MS


class Step(NamedTuple):
    """What one step did. `after`: the key that the next one goes on behind, None where there is nothing more."""

    pruned: int
    after: Any


class Prunable:
    """A table that is pruned. `first` sorts before every key; `is_over` may ask for what is older than `:before`."""

    def __init__(self, table: Table, key: Column[Any], first: int | str, is_over: ColumnElement[bool]) -> None:
        self.name = table.name
        self.first = first
        window = select(key.label("key")).where(key > bindparam("after")).order_by(key).limit(bindparam("rows"))
        part = window.subquery()
        self._window = Statement(lambda _words: select(func.max(part.c.key).label("last"), func.count().label("rows")))
        within = and_(key > bindparam("after"), key <= bindparam("last"))
        self._prune = Statement(lambda _words: delete(table).where(within, is_over))

    def step(self, unit: Unit, after: int | str, before: int, window: int = WINDOW) -> Step:
        """Go through the `window` rows behind the key `after`; what was over `before` (milliseconds since 1970) is
        deleted."""
        seen = unit.sql.one(self._window, after=after, rows=window)
        if seen.rows == 0:
            return Step(0, None)
        pruned = unit.sql.run(self._prune, after=after, last=seen.last, before=before)
        return Step(pruned, seen.last if seen.rows == window else None)


def _was(column: Column[str], *statuses: str) -> ColumnElement[bool]:
    return column.in_([literal_column(f"'{status}'") for status in statuses])


EFFECTS = Prunable(
    outbox, outbox.c.seq, 0, and_(_was(outbox.c.status, "done", "skipped"), outbox.c.done_at < bindparam("before"))
)
KEYS = Prunable(inbox, inbox.c.key, "", and_(_was(inbox.c.status, "done"), inbox.c.received_at < bindparam("before")))
PRUNABLE = (EFFECTS, KEYS)


def over_before(now: int, kept_ms: int) -> int:
    """What was over before this time is not kept any more; all in milliseconds."""
    return now - max(kept_ms, KEYS_LIVE_MS)

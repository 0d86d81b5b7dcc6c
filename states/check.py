"""`check(table)`: what a table can be wrong in without anybody noticing until a customer does."""

from collections.abc import Sequence

from states.draft import Draft
from states.table import STATES, Row


def check(table: Sequence[Row]) -> list[str]:
    """The faults of a table, none if it is sound: unknown states and names, names with a dot, rows that stand twice,
    rows that can never fire, and a (state, trigger) whose last row has a guard or which has no row at all."""
    return [*_unknown(table), *_order(table)]


def _unknown(table: Sequence[Row]) -> list[str]:
    faults = []
    for row in table:
        faults += [f"{row.trigger}: unknown state {s!r}" for s in (*row.sources, row.dest) if s and s not in STATES]
        faults += [f"{row.trigger}: dotted name {n!r}" for n in (*row.guards, *row.does) if "." in n]
        faults += [
            f"{row.trigger}: Draft has no {n!r}"
            for n in (*row.guards, *row.does)
            if not callable(getattr(Draft, n, None))
        ]
    return faults


def _order(table: Sequence[Row]) -> list[str]:
    faults = []
    for trigger in dict.fromkeys(row.trigger for row in table):
        for state in STATES:
            rows = [row for row in table if row.trigger == trigger and state in row.sources]
            if not rows or rows[-1].guards:
                faults.append(f"{state}/{trigger}: no row without a guard comes last")
            guards = [frozenset(row.guards) for row in rows]
            faults += [
                f"{state}/{trigger}: row {n + 1} can never fire"
                for n, later in enumerate(guards)
                if any(earlier <= later for earlier in guards[:n])
            ]
    return faults

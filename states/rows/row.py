"""One row of the table, and the states it stands between."""

from dataclasses import dataclass

STATES = ("greeting", "awaiting_choice", "routing", "with_worker", "closed")
INITIAL = "greeting"
OPEN = STATES[:-1]


@dataclass(frozen=True, slots=True)
class Row:
    """One row: on `trigger` in any of `sources`, if all `guards` hold, do `does` in order and go to `dest`."""

    trigger: str
    sources: tuple[str, ...]
    dest: str | None
    does: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()

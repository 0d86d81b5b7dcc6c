"""The table as others read it: JSON for programs, Mermaid for the eye, Markdown, effects included, for the reader."""

from typing import Any

from states.draft import Draft
from states.table import INITIAL, STATES, TRANSITIONS, Row


def effects_of(row: Row) -> list[str]:
    """The kinds of effect a row may ask for, in order."""
    kinds = [kind for name in row.does for kind in getattr(getattr(Draft, name), "kinds", [])]
    return list(dict.fromkeys(kinds))


def as_json() -> dict[str, Any]:
    """States, the initial one, and one entry for each source of each row; an internal row has `dest` null."""
    transitions = [
        {
            "trigger": row.trigger,
            "source": source,
            "dest": row.dest,
            "guards": list(row.guards),
            "effects": effects_of(row),
            "does": list(row.does),
        }
        for row in TRANSITIONS
        for source in row.sources
    ]
    return {"states": list(STATES), "initial": INITIAL, "transitions": transitions}


def arrows() -> dict[tuple[str, str], list[str]]:
    """The moves between states with their labels, in the table's order; internal rows are left to the table."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for row in TRANSITIONS:
        for source in row.sources:
            if row.dest is not None:
                guards = f" [{', '.join(row.guards)}]" if row.guards else ""
                arrows.setdefault((source, row.dest), []).append(f"{row.trigger}{guards}")
    return arrows


def as_mermaid() -> str:
    """A Mermaid state diagram of every move between states."""
    lines = ["stateDiagram-v2", "    direction LR", f"    [*] --> {INITIAL}"]
    for (source, dest), labels in arrows().items():
        lines.append(f"    {source} --> {dest}: {'<br/>'.join(labels)}")
    return "\n".join([*lines, "    closed --> [*]", ""])


def as_markdown() -> str:
    """The diagram and the whole table."""
    lines = ["| from | trigger | guards | to | effects |", "|---|---|---|---|---|"]
    for row in TRANSITIONS:
        cells = [", ".join(row.sources), row.trigger, ", ".join(row.guards), row.dest or "(stays)"]
        lines.append(f"| {' | '.join(cells)} | {', '.join(effects_of(row))} |".replace("  ", " "))
    head = "# The state machine\n\nMade by `make diagram` from `states/table.py`; do not edit.\n"
    return f"{head}\n```mermaid\n{as_mermaid()}```\n\n" + "\n".join(lines) + "\n"

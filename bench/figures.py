"""Figures, and the table they are printed as."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Self


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table. `values`: one of each round; `reach` and `goal`: what is owed, and what we are after."""

    what: str
    values: Sequence[float]
    reach: str
    goal: str
    unit: str = ""

    def json(self) -> dict[str, object]:
        """The figure for other programs."""
        return {
            "what": self.what,
            "unit": self.unit or "ratio",
            "median": median(self.values),
            "values": list(self.values),
            "reach": self.reach,
            "goal": self.goal,
        }

    def cells(self) -> tuple[str, str, str, str]:
        """The row, its median with the lowest and the highest value behind it."""
        low, high = min(self.values), max(self.values)
        spread = f" ({_short(low)} to {_short(high)})" if len(self.values) > 1 else ""
        return self.what, f"{_short(median(self.values))}{spread} {self.unit}".rstrip(), self.reach, self.goal


@dataclass(slots=True)
class Found:
    """What a group of measurements found: rows for the table, and notes below it that say how."""

    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __iadd__(self, other: "Found") -> Self:
        self.figures += other.figures
        self.notes += other.notes
        return self


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table."""
    rows = [("what", "measured", "reach", "goal"), ("---",) * 4, *(figure.cells() for figure in figures)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def progress(text: str) -> None:
    """Say on standard error what is under way; standard output is for the table."""
    print(f"  {text}", file=sys.stderr, flush=True)  # noqa: T201


def _short(value: float) -> str:
    """Three digits, or all that are before the point."""
    return f"{value:,.0f}" if abs(value) >= 50 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"

"""What every scenario of chaos shares: a scale, a seed, and a figure that says what was done and what came of it."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is asked of a scenario. `share` of the full figure, 1.0 with FULL=1; `seed` repeats a run."""

    share: float
    seed: int

    def of(self, full: int, at_least: int = 1) -> int:
        """A number of the full figure, scaled down."""
        return max(at_least, round(full * self.share))


@dataclass(slots=True)
class Figure:
    """One row of the table. `did`: the faults that were really done, counted; `violations`: what must not have
    happened, none if the promise held; `notes`: what was measured beside it, and waiting times that were shortened."""

    fault: str
    did: str
    violations: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """Whether every promise held."""
        return not self.violations


Scenario = Callable[[Scale], Coroutine[Any, Any, Figure]]

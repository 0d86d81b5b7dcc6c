"""Faults on request: what may go wrong between the sandbox and its client, and by which dice.

The dice of the REST API and of the webhooks are thrown apart, each seeded, so the same calls meet the same faults.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from orchestrator.sandbox.errors import BadInput

MAX_DELAY_MS = 600_000
_STATUSES = range(200, 600)


def _finite(value: Any, what: str, highest: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadInput(f"{what} must be a number, not {type(value).__name__}")
    if not math.isfinite(value) or not 0 <= value <= highest:
        raise BadInput(f"{what} must be from 0 to {highest:g}")
    return value


def _rate(value: Any, what: str) -> float:
    return _finite(value, what, 1)


def _seed(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadInput(f"{what} must be an integer")
    return value


def _errors(value: Any, what: str) -> dict[int, float]:
    if not isinstance(value, dict):
        raise BadInput(f"{what} must be an object of rates by status")
    for status in value:
        if not (status.isascii() and status.isdigit() and len(status) == 3 and int(status) in _STATUSES):
            raise BadInput(f"{what}: {status[:20]!r} is no status from 200 to 599")
    return {int(status): _rate(rate, f"{what}.{status}") for status, rate in value.items()}


def _span(value: Any, what: str) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise BadInput(f"{what} must be [from, to]")
    low, high = (_finite(edge, what, MAX_DELAY_MS) for edge in value)
    if low > high:
        raise BadInput(f"{what} must not end before it begins")
    return low, high


def _delay(value: Any, what: str) -> float:
    return _finite(value, what, MAX_DELAY_MS)


def _seconds(value: Any, what: str) -> float:
    return _finite(value, what, MAX_DELAY_MS / 1000)


_READERS: dict[str, Callable[[Any, str], Any]] = {
    "seed": _seed,
    "latency_ms": _delay,
    "errors": _errors,
    "errors_after_commit": _rate,
    "cut_after_commit": _rate,
    "commit_delay_ms": _span,
    "list_lag_s": _seconds,
    "webhook_loss": _rate,
    "webhook_duplicate": _rate,
    "webhook_delay_ms": _span,
}


@dataclass(slots=True)
class Faults:
    """The switches, all off unless set. Rates from 0 to 1; `errors` holds rates by status; with `commit_delay_ms` what
    `cut_after_commit` cuts off is carried out that much later than the cut."""

    seed: int | None = None
    latency_ms: float = 0
    errors: dict[int, float] = field(default_factory=dict)
    errors_after_commit: float = 0
    cut_after_commit: float = 0
    commit_delay_ms: tuple[float, float] | None = None
    list_lag_s: float = 0
    webhook_loss: float = 0
    webhook_duplicate: float = 0
    webhook_delay_ms: tuple[float, float] | None = None
    _rest_dice: random.Random = field(init=False)
    _webhook_dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._rest_dice = self._dice("rest")
        self._webhook_dice = self._dice("webhooks")

    @classmethod
    def read(cls, data: Any) -> "Faults":
        """The faults a JSON object describes. Raises BadInput for anything else."""
        if not isinstance(data, dict):
            raise BadInput("Faults are a JSON object")
        unknown = sorted(set(data) - set(_READERS))
        if unknown:
            raise BadInput(f"No such fault: {', '.join(unknown)[:200]}; there are {', '.join(_READERS)}")
        return cls(**{name: _READERS[name](value, name) for name, value in data.items()})

    def json(self) -> dict[str, Any]:
        """The switches as `read` takes them, those left alone too; what has no value is left out."""
        switches = {name: getattr(self, name) for name in _READERS}
        return {name: value for name, value in switches.items() if value is not None}

    def error_before(self) -> int | None:
        """The status this call is refused with before anything is done, if it is: one throw for all statuses."""
        throw = self._rest_dice.random()
        for status, rate in self.errors.items():
            if throw < rate:
                return status
            throw -= rate
        return None

    def fails_after(self) -> bool:
        """Whether this write is carried out and answered 500."""
        return self._rest_dice.random() < self.errors_after_commit

    def cuts_after(self) -> bool:
        """Whether this write is carried out and its connection cut."""
        return self.commit_delay_ms is None and self._cuts()

    def commits_late_s(self) -> float | None:
        """How many seconds after its connection is cut this write is carried out; None for one that is not cut so."""
        if self.commit_delay_ms is None or not self._cuts():
            return None
        return self._rest_dice.uniform(*self.commit_delay_ms) / 1000

    def loses_webhook(self) -> bool:
        """Whether this webhook never leaves."""
        return self._webhook_dice.random() < self.webhook_loss

    def repeats_webhook(self) -> bool:
        """Whether this webhook is sent twice."""
        return self._webhook_dice.random() < self.webhook_duplicate

    def webhook_delay_s(self) -> float | None:
        """How long this webhook waits, in seconds; None keeps webhooks in their order."""
        if self.webhook_delay_ms is None:
            return None
        return self._webhook_dice.uniform(*self.webhook_delay_ms) / 1000

    def _cuts(self) -> bool:
        return self._rest_dice.random() < self.cut_after_commit

    def _dice(self, purpose: str) -> random.Random:
        return random.Random() if self.seed is None else random.Random(f"{self.seed}/{purpose}")

"""Deadlines: until when somebody waits for a result. One timer for all who wait: nearly every result comes in time, and
a timer for each, made and taken back, would cost a webhook more than its wait does."""

import asyncio
import math
from typing import Any


class Deadlines:
    """Ends the waiting for futures of `loop` with a TimeoutError, each at its own time by the loop's clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[asyncio.Future[Any], float] = {}
        self._timer: asyncio.Handle | None = None
        # uvloop's handle of a time that has passed already does not say which that was.
        self._wakes_at = math.inf

    def watch(self, future: asyncio.Future[Any], deadline: float) -> None:
        """End the waiting for this future at `deadline`, unless it is forgotten before."""
        self._waiting[future] = deadline
        if deadline < self._wakes_at:
            self._wake_at(deadline)

    def forget(self, future: asyncio.Future[Any]) -> None:
        """Nobody waits for this future any more."""
        self._waiting.pop(future, None)

    def _wake_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._wakes_at, self._timer = when, self._loop.call_at(when, self._end, when)

    def _end(self, now: float) -> None:
        """End what was to end by `now`; who waits longer, or has come since, is looked at in his turn."""
        self._wakes_at, self._timer = math.inf, None
        for future in [future for future, deadline in self._waiting.items() if deadline <= now]:
            del self._waiting[future]
            if not future.done():
                future.set_exception(TimeoutError("the store has not committed in time"))
        if self._waiting:
            self._wake_at(min(self._waiting.values()))

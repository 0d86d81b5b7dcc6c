"""An alarm: what waits for it wakes when somebody rings, or when the nearest of the times told has come."""

import asyncio

# A clock of ours and the loop's may differ by some milliseconds: what is due a moment later is waited for once.
SHORTEST_S = 0.02


class Alarm:
    """Rung by hand or by time. To be used inside a running loop."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def ring(self) -> None:
        """Wake whoever waits, or who waits next."""
        self._rung.set()

    def ring_in(self, seconds: float) -> None:
        """Ring so much later, unless it rings before that anyway."""
        loop = asyncio.get_running_loop()
        at = loop.time() + max(SHORTEST_S, seconds)
        if self._timer is None or at < self._timer.when():
            self._stop()
            self._timer = loop.call_at(at, self._rung.set)

    def reset(self) -> None:
        """It has not rung, and no time has been told."""
        self._rung.clear()
        self._stop()

    async def wait(self) -> None:
        """Wait until it has rung."""
        await self._rung.wait()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

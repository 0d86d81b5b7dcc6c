"""Fresh: many callers who want a fresh answer to one question share one call that began after they asked."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Fresh(Generic[T]):
    """Asks `ask` at most once at a time; a call that is under way serves nobody who came after its start."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._running: asyncio.Task[T] | None = None
        self._following: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        """The answer to a call that began after this one. Raises what `ask` raises."""
        if self._following is not None:
            task = self._following
        elif self._running is None or self._running.done():
            task = self._running = _forgiven(asyncio.create_task(self._first()))
        else:
            task = self._following = _forgiven(asyncio.create_task(self._next(self._running)))
        return await asyncio.shield(task)

    async def _first(self) -> T:
        return await self._ask()

    async def _next(self, before: asyncio.Task[T]) -> T:
        await asyncio.wait([before])
        self._running, self._following = asyncio.current_task(), None
        return await self._ask()


def _forgiven(task: asyncio.Task[T]) -> asyncio.Task[T]:
    """The task, whose failure is no news where everybody who asked has left: at a stop, for one."""
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task

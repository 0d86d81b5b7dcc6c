"""Who has left: once a second the database is asked, in one question for all open streams, which sign-ins hold no more.

Whoever signed out, was disabled or got another password is told nothing from then on. While no stream is open nothing
is asked.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import structlog

from orchestrator.people import sessions
from orchestrator.service import Service
from storage.errors import StorageError

log = structlog.get_logger()
EVERY_S = 1.0


@dataclass(slots=True)
class Doorkeeper:
    """Looks after the open streams. `open_ones`: the tokens they were opened with; `end`: what ends those of some."""

    open_ones: Callable[[], Collection[str]]
    end: Callable[[Collection[str]], None]
    _watch: "asyncio.Task[None] | None" = field(default=None)

    def look_after(self, service: Service) -> None:
        """Begin to ask, unless that is done already; it stops by itself with the last stream."""
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._look_after(service))

    async def rest(self) -> None:
        """Ask no more: the service stops."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)

    async def _look_after(self, service: Service) -> None:
        while tokens := self.open_ones():
            try:
                self.end(await sessions.over(service, tokens))
            except StorageError as error:
                log.warning("sign_ins_unknown", reason=str(error))
            await asyncio.sleep(EVERY_S)

"""Overviews: a dozen open boards cost what one does, and none is shown what was read before it asked."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from orchestrator.console import overview
from orchestrator.console.overview import Overviews
from orchestrator.service import Service
from storage.errors import StorageError


class Played:
    """A service whose readings the test counts; each gives its number, once `gate` is open."""

    def __init__(self) -> None:
        self.readings = 0
        self.begun, self.gate = asyncio.Event(), asyncio.Event()
        self.fails = False
        self.reader = self

    async def read(self, _question: Callable[..., Any]) -> int:
        self.readings += 1
        self.begun.set()
        number = self.readings
        await self.gate.wait()
        if self.fails:
            raise StorageError("away")
        return number


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    monkeypatch.setattr(overview, "REST_S", 0.01)
    return Played()


async def test_who_asks_while_one_is_read_gets_the_next(played: Played) -> None:
    overviews, service = Overviews(), cast(Service, played)
    first = asyncio.create_task(overviews.fresh(service))
    await played.begun.wait()
    others = [asyncio.create_task(overviews.fresh(service)) for _ in range(5)]
    await asyncio.sleep(0)
    played.gate.set()
    assert await asyncio.gather(first, *others) == [1, 2, 2, 2, 2, 2]


async def test_a_page_that_will_ask_again_is_shown_the_last_one(played: Played) -> None:
    overviews, service = Overviews(), cast(Service, played)
    played.gate.set()
    assert await overviews.recent(service) == cast(Any, 1)
    assert await overviews.recent(service) == cast(Any, 1)
    assert await overviews.fresh(service) == cast(Any, 2)


async def test_after_a_failure_it_is_read_again(played: Played) -> None:
    overviews, service = Overviews(), cast(Service, played)
    played.gate.set()
    played.fails = True
    with pytest.raises(StorageError):
        await overviews.fresh(service)
    played.fails = False
    assert await overviews.fresh(service) == cast(Any, 2)

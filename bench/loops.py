"""The event loop that is measured under: uvloop where it is installed, as the service itself does; else asyncio's."""

import asyncio
from collections.abc import Coroutine
from importlib.util import find_spec
from typing import Any, TypeVar

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end, like `asyncio.run`."""
    if find_spec("uvloop") is None:
        return asyncio.run(main)
    import uvloop

    ended: T = uvloop.run(main)
    return ended


def name() -> str:
    """Which loop `run` takes, for the notes."""
    return "asyncio" if find_spec("uvloop") is None else "uvloop"

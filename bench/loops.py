"""The event loop that is measured under: uvloop where it is installed, as the service itself does; else asyncio's."""

import asyncio
from collections.abc import Coroutine
from importlib.metadata import version
from typing import Any, TypeVar

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end, like `asyncio.run`."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    ended: T = uvloop.run(main)
    return ended


def name() -> str:
    """Which loop `run` takes, for the notes."""
    try:
        import uvloop
    except ImportError:
        return "asyncio's loop"
    return f"uvloop {version(uvloop.__name__)}"

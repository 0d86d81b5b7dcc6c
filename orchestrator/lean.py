"""Imports left out: what a library takes if it is there, and what is never needed here.

They would only lengthen the start and lie in memory for good. structlog takes rich, and rich takes pygments, for
tracebacks in colour, while ours are printed without.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Those of these packages that are not imported yet pass for missing meanwhile."""
    left_out = [name for name in names if name not in sys.modules]
    for name in left_out:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in left_out:
            del sys.modules[name]

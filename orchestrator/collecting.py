"""The garbage collector, kept from looking through what is there to stay.

What the imports make is no garbage. Python looks through it some hundred times while it is made, which costs a fifth of
the start, and again whenever much has been made since, which is a pause in the midst of webhooks.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Objects made between two collections. Python's own 700 is met by a few webhooks; ten times as many as here leave 12 MB
# of garbage about under load, and save nothing, since what is there to stay is looked through no more.
GARBAGE_THRESHOLD = 5_000


@contextmanager
def made_to_stay() -> Iterator[None]:
    """Around imports and whatever else is made for good: it is never looked through, neither now nor later."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(GARBAGE_THRESHOLD)
        gc.enable()

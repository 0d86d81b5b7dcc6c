"""Steps a second of a peer: a call that runs one durable step, from one thread or from many."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def per_second(step: Callable[[str], object], threads: int, seconds: float) -> float:
    """How many steps are done a second, each under a name of its own, after some that do not count."""
    for number in range(5):
        step(f"warm-up-{number}")
    began = time.perf_counter()

    def work(thread: int) -> int:
        done = 0
        while time.perf_counter() < began + seconds:
            step(f"{thread}-{done}")
            done += 1
        return done

    with ThreadPoolExecutor(threads) as pool:
        done = sum(pool.map(work, range(threads)))
    return done / (time.perf_counter() - began)

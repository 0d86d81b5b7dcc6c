"""Children that must not outlive the process that started them, however it ends."""

import ctypes
import signal
import sys
import threading
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def dies_with_parent(number: int = signal.SIGKILL) -> Callable[[], None] | None:
    """What a child calls first (`preexec_fn`, or after a fork) so that the system sends it `number` when its parent
    ends, even by kill -9; None where there is no such thing. Raises RuntimeError outside the main thread: Linux sends
    the signal when the *thread* ends that started the child."""
    if not sys.platform.startswith("linux"):
        return None
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("a child that is to end with its parent is started by the main thread")
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, number)

"""A process that has imported the whole service once, and forks a copy of it for each life.

A fresh interpreter needs longer to import the program than the program lives between two kills. A line of JSON in
(`variables`: the settings, `log`: where its output goes, `trap`: one to lay in it), the pid out; at its death pid and
exit code, negative for a signal. Several may live at a time. Its own pid says that it is ready. asyncio starts in the
copy, never here.
"""

import gc
import importlib
import json
import os
import select
import signal
import sys
import traceback
from typing import Any, NoReturn

# The service imports these where it first needs them; a copy would do so again and again.
import twilio.rest.conversations.v1
import twilio.rest.taskrouter.v1  # noqa: F401

from chaos.orphans import dies_with_parent
from chaos.traps import Trap, lay
from orchestrator import app  # noqa: F401
from orchestrator.adapters import twilio_conversations, twilio_taskrouter, twilio_transport  # noqa: F401
from orchestrator.running import run_service
from orchestrator.settings import Settings

importlib.import_module("asyncpg")

STDIN = 0


def main() -> None:
    """Fork for each line and tell of each death, until standard input ends."""
    gc.freeze()
    deaths, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    _say(os.getpid())
    unfinished = b""
    while True:
        ready, _, _ = select.select([STDIN, deaths], [], [])
        if deaths in ready:
            os.read(deaths, 4096)
            _bury()
        if STDIN in ready:
            some = os.read(STDIN, 65_536)
            if not some:
                return
            *lines, unfinished = (unfinished + some).split(b"\n")
            for line in lines:
                _fork(json.loads(line))


def _say(*numbers: int) -> None:
    print(*numbers, flush=True)  # noqa: T201


def _bury() -> None:
    """Tell of everybody who has died since."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _say(pid, os.waitstatus_to_exitcode(status))


def _fork(wanted: dict[str, Any]) -> None:
    pid = os.fork()
    if pid == 0:
        _live(wanted)
    _say(pid)


def _live(wanted: dict[str, Any]) -> NoReturn:
    """Be the service until told to stop, with an output of its own."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if tie := dies_with_parent():
        tie()
    log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), STDIN)
    os.dup2(log, 1)
    os.dup2(log, 2)
    code = 1
    try:
        if wanted["trap"] is not None:
            lay(Trap(**wanted["trap"]))
        code = run_service(Settings.load(wanted["variables"]), with_sandbox=False)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()

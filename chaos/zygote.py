"""A process that has imported the whole service once, and forks a copy of it for each life.

A fresh interpreter needs longer to import the program than the program lives between two kills. A line of JSON in
(`variables`: the settings, `log`: where its output goes, `trap`: one to lay in it), the pid out; after its death its
exit code, negative for a signal. Its own pid says that it is ready. asyncio starts in the copy, never here.
"""

import gc
import json
import os
import sys
import traceback
from typing import Any, NoReturn

# The service imports these where it first needs them; a copy would do so again and again.
import twilio.rest.conversations.v1
import twilio.rest.taskrouter.v1  # noqa: F401

from chaos.traps import Trap, lay
from orchestrator import app  # noqa: F401
from orchestrator.adapters import twilio_conversations, twilio_taskrouter, twilio_transport  # noqa: F401
from orchestrator.running import run_service
from orchestrator.settings import Settings


def main() -> None:
    """Fork until standard input ends."""
    gc.freeze()
    print(os.getpid(), flush=True)  # noqa: T201
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _live(json.loads(line))
        print(pid, flush=True)  # noqa: T201
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


def _live(wanted: dict[str, Any]) -> NoReturn:
    """Be the service until told to stop, with an output of its own."""
    log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
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

"""What trying a real neighbour takes: a free port, waiting until it answers, and saying how far it is."""

import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen


@dataclass(frozen=True)
class Trial:
    """A neighbour that is started here: its name, how long it may take, and how often it is asked meanwhile."""

    name: str
    start_limit_s: float
    ask_every_s: float

    def wait_for(self, url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
        """Return when it answers; leave with what it said when it does not."""
        deadline = time.monotonic() + self.start_limit_s
        while process.poll() is None and time.monotonic() < deadline:
            try:
                with urlopen(url, timeout=5):  # noqa: S310
                    return
            except (URLError, OSError):
                time.sleep(self.ask_every_s)
        sys.exit(f"{self.name}: it did not start; see {log}:\n{log.read_text()[-2000:]}")

    def tell(self, text: str) -> None:
        """Say how far it is."""
        print(f"{self.name}: {text}", flush=True)  # noqa: T201


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])

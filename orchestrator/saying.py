"""Speaking to a running sandbox from the command line."""

import json
import urllib.error
import urllib.request
from typing import Any

TIMEOUT_S = 30


class SandboxDown(Exception):
    """No sandbox answers."""


class SandboxRefused(Exception):
    """The sandbox did not take the message in."""


def inbound(base_url: str, message: dict[str, str]) -> Any:
    """Send a customer's message; the sandbox's answer. Raises SandboxDown or SandboxRefused."""
    request = urllib.request.Request(  # noqa: S310 - the address is our own loopback
        f"{base_url}/sandbox/inbound",
        data=json.dumps(message).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise SandboxRefused(
            f"the sandbox answered {error.code}: {error.read(500).decode(errors='replace')}"
        ) from error
    except OSError as error:
        raise SandboxDown(f"no sandbox answers at {base_url}") from error

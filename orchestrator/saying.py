"""Speaking to a running sandbox from the command line."""

import http.client
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
    return _call(f"{base_url}/sandbox/inbound", json.dumps(message).encode())


def entries(base_url: str) -> list[dict[str, Any]]:
    """The sandbox's ledger: every REST write and every webhook. Raises SandboxDown or SandboxRefused."""
    return list(_call(f"{base_url}/sandbox/ledger")["entries"])


def _call(url: str, body: bytes | None = None) -> Any:
    request = urllib.request.Request(  # noqa: S310 - the address is our own loopback
        url, data=body, headers={"Content-Type": "application/json"}
    )
    directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with directly.open(request, timeout=TIMEOUT_S) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise SandboxRefused(f"the sandbox refused it ({error.code}): {_reason(error)}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise SandboxDown(f"no sandbox answers at {url.split('/sandbox/')[0]}") from error


def _reason(error: urllib.error.HTTPError) -> str:
    """The sandbox's sentence, or the beginning of whatever else was answered."""
    body = error.read(500).decode(errors="replace")
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body

"""What follows from other variables where a variable itself is not set; without credentials, the sandbox's accounts."""

import sys
from collections.abc import Mapping
from typing import Any

from orchestrator.sandbox import seeds
from orchestrator.variables.names import FLEX_VARIABLES


def derived(given: Mapping[str, Any], sandbox: bool) -> dict[str, Any]:
    """What to add to, or put over, the variables that are `given`."""
    host, port = given.get("HOST", "127.0.0.1"), given.get("PORT", 8080)
    more: dict[str, Any] = {}
    if "PUBLIC_URL" not in given:
        more["PUBLIC_URL"] = f"http://[{host}]:{port}" if ":" in str(host) else f"http://{host}:{port}"
    if "LOG_FORMAT" not in given and sys.stderr.isatty():
        more["LOG_FORMAT"] = "console"
    if "PROXY_NUMBERS" not in given:
        prefixes = {"+33": "FR", "+44": "UK", "+": "XX"}
        names = {prefix: f"FRONTLINE_PROXY_NUMBER_{country}" for prefix, country in prefixes.items()}
        more["PROXY_NUMBERS"] = {p: given[name] for p, name in names.items() if name in given}
    return {**more, **_sandbox_account(given), **_sandbox_flex(given)} if sandbox else more


def _local(given: Mapping[str, Any]) -> str:
    return f"http://127.0.0.1:{given.get('SANDBOX_PORT', 8081)}"


def _sandbox_account(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "TWILIO_ACCOUNT_SID": seeds.ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": seeds.AUTH_TOKEN,
        "TWILIO_API_URL": given.get("TWILIO_API_URL", _local(given)),
        "TASKROUTER_WORKSPACE_SID": seeds.WORKSPACE_SID,
        "TASKROUTER_QUEUE_SID": seeds.TASK_QUEUE_SID,
        "MESSAGING_SERVICE_SID": seeds.MESSAGING_SERVICE_SID,
        "PROXY_NUMBERS": {_prefix_of(channel): sender for channel, sender in seeds.NUMBERS.items()},
        "WHATSAPP_TEMPLATES": given.get(
            "WHATSAPP_TEMPLATES", {name: sid for name, (sid, _body, _samples) in seeds.TEMPLATES.items()}
        ),
    }


def _prefix_of(channel: str) -> str:
    return "+" if channel == "sms" else f"{channel}:"


def _sandbox_flex(given: Mapping[str, Any]) -> dict[str, Any]:
    """The second account of the sandbox, unless another is set."""
    if given.keys() & set(FLEX_VARIABLES):
        return {}
    return {
        "FLEX_ACCOUNT_SID": seeds.FLEX_ACCOUNT_SID,
        "FLEX_AUTH_TOKEN": seeds.FLEX_AUTH_TOKEN,
        "FLEX_WORKSPACE_SID": seeds.FLEX_WORKSPACE_SID,
        "FLEX_WORKFLOW_SID": seeds.FLEX_WORKFLOW_SID,
        "FLEX_API_URL": given.get("FLEX_API_URL", _local(given)),
    }

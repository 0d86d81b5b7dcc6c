"""Settings loaded from variables, or the faults of these."""

import pytest

from orchestrator.errors import SettingsError
from orchestrator.settings import Settings

ACCOUNT = "AC" + "0" * 32
CREDENTIALS = {"TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": "canary-token"}
WORKSPACE = {"TASKROUTER_WORKSPACE_SID": "WS" + "1" * 32, "TASKROUTER_QUEUE_SID": "WQ" + "2" * 32}


def faults(**variables: str) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        Settings.load(variables)
    return raised.value.faults


def loaded(**variables: str) -> Settings:
    return Settings.load({**CREDENTIALS, **variables})


FLEX = {
    "FLEX_ACCOUNT_SID": "AC" + "9" * 32,
    "FLEX_AUTH_TOKEN": "secret",
    "FLEX_WORKSPACE_SID": "WS" + "9" * 32,
    "FLEX_WORKFLOW_SID": "WW" + "9" * 32,
}

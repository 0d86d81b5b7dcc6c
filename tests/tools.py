"""What is not Python and may be missing on a machine."""

import os
from typing import NoReturn

import pytest


def lacking(reason: str) -> NoReturn:
    """Skip where something is not installed; fail where EXPERT_HUB_REQUIRE_TOOLS=1 says that it must be."""
    if os.environ.get("EXPERT_HUB_REQUIRE_TOOLS") == "1":
        pytest.fail(f"{reason}, or unset EXPERT_HUB_REQUIRE_TOOLS")
    pytest.skip(reason)

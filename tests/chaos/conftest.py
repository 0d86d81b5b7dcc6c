"""What the tests of chaos share."""

import os
from typing import NoReturn

import pytest

from tests.e2e.conftest import bare_house  # noqa: F401 a fixture
from tests.process.conftest import place  # noqa: F401 a fixture


def lacking(reason: str) -> NoReturn:
    """Skip where something is not installed; fail where EXPERT_HUB_REQUIRE_TOOLS=1 says that it must be."""
    if os.environ.get("EXPERT_HUB_REQUIRE_TOOLS") == "1":
        pytest.fail(f"{reason}, or unset EXPERT_HUB_REQUIRE_TOOLS")
    pytest.skip(reason)

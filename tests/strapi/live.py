"""The import from a real Strapi that holds tests/strapi/customers.json: run by `make strapi`, and by no other run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.conftest import clean_environment


class Hub:
    """The program with a database of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """What `expert-hub` says to these words."""
        return subprocess.run(
            [sys.executable, "-m", "orchestrator", *arguments],
            cwd=self._folder,
            env={
                **clean_environment(),
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "DATABASE_URL": f"sqlite+aiosqlite:///{self._folder}/hub.db",
                "STRAPI_URL": os.environ["LIVE_STRAPI_URL"],
                "STRAPI_TOKEN": os.environ["LIVE_STRAPI_TOKEN"],
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path)


def test_the_good_customers_are_copied_once_and_the_bad_one_is_named(hub: Hub) -> None:
    first, again = (hub.run("customers", "import", "--from", "strapi") for _ in range(2))
    assert first.stdout == "3 read, 3 added or changed, 1 refused\n"
    assert again.stdout == "3 read, 0 added or changed, 1 refused\n"
    for answer in (first, again):
        assert answer.returncode == 1
        (line,) = answer.stderr.splitlines()
        assert line.startswith("strapi: record ")
        assert "sms: '12'" in line
    maria, robert, susan = json.loads(hub.run("customers", "list", "--json").stdout)
    assert (maria["display_name"], maria["language"], maria["worker"]) == ("Maria Sanchez", "es-MX", "ada@example.test")
    assert maria["consent"] == [{"channel": "sms", "answer": "yes", "date": "2026-01-31", "source": "web form"}]
    assert [channel["type"] for channel in robert["channels"]] == ["email", "sms"]
    assert susan["channels"] == [{"type": "whatsapp", "value": "whatsapp:+15550100003"}]

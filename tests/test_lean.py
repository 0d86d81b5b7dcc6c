"""Imports left out: what a library could take passes for missing, and is there again afterwards."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.lean import without


def test_a_package_passes_for_missing_meanwhile_and_is_there_again() -> None:
    sys.modules.pop("this", None)
    with without("this"), pytest.raises(ImportError):
        __import__("this")
    assert "this" not in sys.modules


def test_what_is_imported_already_stays() -> None:
    with without("json"):
        import json
    assert sys.modules["json"] is json


def test_a_command_brings_no_package_for_coloured_tracebacks() -> None:
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "orchestrator", "conversations", "history"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "structlog" in told.stderr
    assert "pygments" not in told.stderr


def test_a_start_on_sqlite_loads_neither_alembic_nor_the_other_database(tmp_path: Path) -> None:
    start = (
        "import sys; from orchestrator import app; from storage.opening import upgrade;"
        f"upgrade('sqlite+aiosqlite:///{tmp_path}/hub.db'); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, check=True).stdout.split()
    assert "sqlalchemy.dialects.sqlite" in loaded
    assert not {"alembic", "asyncpg", "sqlalchemy.dialects.postgresql"} & set(loaded)

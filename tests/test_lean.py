"""Imports left out: what a library could take passes for missing, and is there again afterwards."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.lean import without

# The service as the command starts it, until it has said that it is ready.
START = """
import asyncio, sys
from orchestrator import cli
from orchestrator.authorities import authorities_unread
with authorities_unread():
    from aiohttp import ClientSession, connector, web
from orchestrator.app import build_app
from orchestrator.settings import Settings

async def start():
    runner = web.AppRunner(build_app(Settings.load()))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with ClientSession() as session, session.get(f"http://127.0.0.1:{port}/readyz") as answer:
        assert answer.status == 200
    if connector._SSL_CONTEXT_VERIFIED.get_ca_certs():
        print("authorities")
    print(*sys.modules)
    await runner.cleanup()

asyncio.run(start())
"""
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The modules of a service that has just said it is ready."""
    variables = {
        "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('start')}/hub.db",
        "TWILIO_API_URL": NOWHERE,
        "CRM": "strapi",
        "STRAPI_URL": NOWHERE,
        "STRAPI_TOKEN": "a-token",
    }
    started = subprocess.run(
        [sys.executable, "-c", START], env=os.environ | variables, capture_output=True, text=True, check=True
    )
    return set(started.stdout.split())


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


def test_a_command_does_not_look_for_plugins_in_every_installed_package() -> None:
    start = (
        "import sys; sys.argv[1:] = ['conversations', 'history'];"
        "sys.addaudithook(lambda event, given: event == 'open' and print(given[0]));"
        "from orchestrator.__main__ import main; main()"
    )
    opened = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, check=False).stdout
    assert "orchestrator" in opened
    assert "entry_points.txt" not in opened


def test_a_start_on_sqlite_loads_neither_alembic_nor_the_other_database(tmp_path: Path) -> None:
    start = (
        "import sys; from orchestrator import app; from storage.opening import upgrade;"
        f"upgrade('sqlite+aiosqlite:///{tmp_path}/hub.db'); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, check=True).stdout.split()
    assert "sqlalchemy.dialects.sqlite" in loaded
    assert not {"alembic", "asyncpg", "sqlalchemy.dialects.postgresql"} & set(loaded)


@pytest.mark.parametrize(
    "unneeded",
    [
        "authorities",
        "email_validator",
        "jinja2",
        "orchestrator.again",
        "orchestrator.console.board",
        "orchestrator.console.conversation",
        "orchestrator.phone.conversation",
        "orchestrator.people.signing_in",
        "orchestrator.phone.desk",
        "sqlalchemy.ext.asyncio",
        "states.drawing",
        "storage.threads",
    ],
)
def test_a_start_does_not_wait_for_what_readiness_does_not_need(loaded: set[str], unneeded: str) -> None:
    assert "orchestrator.webhooks" in loaded
    assert unneeded not in loaded

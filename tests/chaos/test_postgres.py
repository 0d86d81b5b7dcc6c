"""The throw-away PostgreSQL: it answers, survives an immediate stop, and leaves nothing behind."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from chaos import postgres_binaries
from chaos.postgres import NoPostgres, Postgres, PostgresFailed, throwaway
from chaos.postgres_binaries import WHEEL, binaries, within_reach

ROOT = Path(__file__).parents[2]
ABANDONED = """
import os, signal
from chaos.postgres import throwaway
with throwaway() as server:
    print(server._process.pid, server._folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


async def test_it_answers_under_the_url_it_names(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
    try:
        assert await connection.fetchval("SELECT current_database()") == postgres_url.rpartition("/")[2]
    finally:
        await connection.close()


@pytest.mark.usefixtures("postgres")
def test_what_was_committed_survives_an_immediate_stop_and_nothing_else_does() -> None:
    with throwaway() as server:
        server.query("CREATE TABLE kept (number integer)")
        server.query("INSERT INTO kept SELECT generate_series(1, 1000)")
        with pytest.raises(PostgresFailed, match="division by zero"):
            server.query("INSERT INTO kept SELECT 1 / (number - 1000) FROM kept")
        spent_s = server.cpu_s()
        server.stop_immediately()
        with pytest.raises(PostgresFailed, match="refused"):
            server.query("SELECT 1")
        assert server.cpu_s() >= spent_s > 0
        server.start()
        assert server.query("SELECT count(*) FROM kept") == "1000"
        assert server.cpu_s() > spent_s


def test_the_time_of_processes_that_have_ended_is_counted(postgres: Postgres) -> None:
    before_s = postgres.cpu_s()
    postgres.query("SELECT count(*) FROM generate_series(1, 500000)")
    assert 0.02 < postgres.cpu_s() - before_s < 10


def test_databases_are_copies_of_a_template_that_is_filled_once(postgres: Postgres) -> None:
    filled = []

    def prepare(url: str) -> None:
        filled.append(url)
        postgres.query("CREATE TABLE prepared (number integer)", url.rpartition("/")[2])

    one, other = (postgres.fresh_database(prepare).rpartition("/")[2] for _ in range(2))
    postgres.query("INSERT INTO prepared VALUES (1)", one)
    assert postgres.query("SELECT count(*) FROM prepared", other) == "0"
    assert len(filled) == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere nothing ends a child with its parent")
@pytest.mark.usefixtures("postgres")
def test_it_ends_with_the_process_that_started_it_even_by_kill_nine() -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", ABANDONED], env=environment, stdout=subprocess.PIPE, check=False)
    pid, folder = done.stdout.decode().split()
    process = Path("/proc", pid, "stat")
    deadline = time.monotonic() + 10
    while process.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    shutil.rmtree(folder)
    assert not process.exists()


def test_where_there_is_none_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PGBIN", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres_binaries, "_DEBIAN", tmp_path)
    monkeypatch.setattr(postgres_binaries, "WHEEL", "no_such_wheel")
    with pytest.raises(NoPostgres, match=r"apt-get install postgresql.*PGBIN"):
        binaries()
    monkeypatch.setenv("PGBIN", str(tmp_path))
    with pytest.raises(NoPostgres, match=f"PGBIN={tmp_path} lacks one of initdb"):
        binaries()


def test_the_binaries_of_a_wheel_that_is_closed_to_others_are_copied(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    installed = tmp_path / "closed" / WHEEL / "pginstall" / "bin"
    for folder in (installed, tmp_path / "closed" / f"{WHEEL}.libs"):
        folder.mkdir(parents=True)
    (installed / "postgres").touch()
    (tmp_path / "closed").chmod(0o700)
    copied = within_reach(installed, tmp_path / "spare")
    assert copied == tmp_path / "spare" / WHEEL / "pginstall" / "bin"
    assert (copied / "postgres").exists()
    assert within_reach(tmp_path / "system" / "bin", tmp_path / "spare") == tmp_path / "system" / "bin"

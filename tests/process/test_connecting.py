"""Connecting and the doctor as an operator runs them: with a terminal to be asked on, and their exit codes."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.sandbox import seeds
from tests.process.conftest import PATIENCE_S, Place

DOWN, MISCONFIGURED = 69, 78
BEFORE = Path("data", "twilio-before.json")


def on_a_terminal(place: Place, answer: str, *arguments: str) -> tuple[int, str]:
    """A command that is typed at, and answered; its exit code and what it printed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", *arguments],
        cwd=place.folder,
        env=place.variables,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    out, err = process.communicate(timeout=PATIENCE_S)
    os.close(ours)
    assert "Write this?" in err
    return process.returncode, out


async def test_on_a_terminal_it_asks_and_no_means_no(place: Place) -> None:
    place.sandbox()
    words = ("twilio", "connect", "--public-url", "https://hub.example.com")
    code, out = on_a_terminal(place, "n", *words)
    assert (code, out.splitlines()[-1]) == (0, "Nothing was written.")
    assert (await place.get(f"{place.sandbox_url}/sandbox/ledger"))["entries"] == []
    code, out = on_a_terminal(place, "y", *words)
    assert (code, (place.folder / BEFORE).exists()) == (0, True), out
    assert len((await place.get(f"{place.sandbox_url}/sandbox/ledger"))["entries"]) == 2
    again = place.run(*words)
    assert (again.code, again.out.splitlines()[-1]) == (0, "Nothing is to be done.")
    assert place.run("twilio", "disconnect", "--yes").code == 0
    assert not (place.folder / BEFORE).exists()


def test_there_is_nothing_to_restore_before_anything_was_connected(place: Place) -> None:
    (line,) = place.run("twilio", "disconnect", "--yes").refused(1)
    assert str(BEFORE) in line


def test_the_doctor_needs_twilio(place: Place) -> None:
    answer = place.run("doctor")
    assert answer.code == DOWN
    assert answer.err == ""
    (line,) = [line for line in answer.out.splitlines() if line.split()[1] == "credentials"]
    assert line.startswith("wrong ")


async def test_the_doctor_beside_a_running_service_and_after_it_has_stopped(place: Place) -> None:
    service = place.serve("--sandbox")
    answer = place.run("doctor")
    assert answer.code == 0, answer
    assert {line.split()[0] for line in answer.out.splitlines()} == {"ok", "skipped"}
    service.close()
    place.sandbox()
    stopped = place.run("doctor", "--json")
    assert stopped.code == 1
    assert [each["check"] for each in stopped.json["checks"] if each["verdict"] == "wrong"] == ["public URL"]


@pytest.mark.parametrize("words", ["doctor", "twilio connect --yes"])
def test_a_wrong_configuration_exits_78_and_shows_no_secret(place: Place, words: str) -> None:
    account = {"TWILIO_ACCOUNT_SID": seeds.ACCOUNT_SID, "TWILIO_AUTH_TOKEN": "not a token", "HOST": "no host!"}
    answer = place.run(*words.split(), **account)
    assert answer.code == MISCONFIGURED
    told = answer.out + answer.err
    assert "TWILIO_AUTH_TOKEN" in told
    assert "HOST" in told
    assert "not a token" not in told
    assert "Traceback" not in told

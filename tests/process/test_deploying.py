"""What is deployed, as far as that can be tried without a container engine or a running systemd.

The container file is read as its builder would read it, and the service is started from what it copies as in its
container: nothing but the data folder is written to, and there is no home.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest
from typer.main import get_command

from orchestrator.cli import app
from tests.process.conftest import Place, until
from tests.tools import lacking

ROOT = Path(__file__).parents[2]
CONTAINERFILE = (ROOT / "Containerfile").read_text()
UNIT = ROOT / "deploy" / "expert-hub.service"


def instructions() -> list[tuple[str, str]]:
    """The instructions of the container file, comments gone and continued lines joined."""
    lines = "\n".join(line for line in CONTAINERFILE.splitlines() if not line.startswith("#"))
    whole = [line for line in re.sub(r"\\\n", " ", lines).splitlines() if line.strip()]
    return [(line.split(None, 1)[0], " ".join(line.split(None, 1)[1].split())) for line in whole]


def of(name: str) -> list[str]:
    return [words for instruction, words in instructions() if instruction == name]


@pytest.fixture
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the container file copies and nothing else, read-only."""
    target = tmp_path_factory.mktemp("opt")
    for words in of("COPY"):
        if "--from" not in words:
            *names, _target = words.split()
            for name in names:
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / name, target / name)
    for path in (target, *target.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    yield target
    for path in (target, *target.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)


def test_every_file_beside_the_code_goes_into_the_package() -> None:
    """setuptools takes what the patterns of setup.cfg match, from the folder of the package a file lies in."""
    declared = ConfigParser()
    declared.read(ROOT / "setup.cfg")
    patterns = [pattern.strip() for pattern in declared["options.package_data"]["*"].split(",")]
    files = [path for name in ("states", "storage", "orchestrator") for path in (ROOT / name).rglob("*")]
    beside = [path for path in files if path.is_file() and path.suffix not in (".py", ".pyc")]
    assert beside
    left_out = []
    for path in beside:
        package = next(folder for folder in path.parents if (folder / "__init__.py").exists())
        inside = path.relative_to(package)
        if not any(inside.match(pattern) and len(inside.parts) == len(Path(pattern).parts) for pattern in patterns):
            left_out.append(str(inside))
    assert left_out == []


def stamps(folder: Path) -> dict[str, float]:
    return {str(path): path.stat().st_mtime for path in folder.rglob("*")}


async def test_the_service_runs_from_a_read_only_folder_with_its_data_elsewhere_and_no_home(
    place: Place, installed: Path
) -> None:
    data = place.folder / "volume"
    data.mkdir()
    place.variables = {name: value for name, value in place.variables.items() if name not in ("HOME", "PYTHONPATH")}
    place.variables |= {"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}
    place.variables["DATABASE_URL"] = f"sqlite+aiosqlite:///{data}/hub.db"
    before = stamps(installed)
    assert [json.loads(words) for words in of("ENTRYPOINT")] == [["expert-hub"]]
    account = {
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": "0" * 32,
        "TWILIO_API_URL": "http://127.0.0.1:9",
    }
    process = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-P", "-m", "orchestrator", *json.loads(of("CMD")[-1])],
        cwd=installed,
        env=place.variables | account,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await until(lambda: ready(place))
        assert healthy(place) == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait(5)
    assert healthy(place) != 0
    assert stamps(installed) == before
    assert (data / "hub.db").exists()


async def ready(place: Place) -> bool:
    return await place.ready() == 200


def healthy(place: Place) -> int:
    """The exit code of the container's own health check."""
    (check,) = re.findall(r"HEALTHCHECK.*? CMD (\[.*\])$", re.sub(r"\\\n", " ", CONTAINERFILE), re.MULTILINE)
    program, *arguments = json.loads(check)
    assert program == "python"
    done = subprocess.run(
        [sys.executable, *arguments], env={"PORT": str(place.port)}, stderr=subprocess.DEVNULL, timeout=10, check=False
    )
    return done.returncode


def test_the_container_is_no_root_has_one_volume_and_no_secret() -> None:
    assert len(of("FROM")) == 2
    assert {words.split()[0] for words in of("FROM")} == {"docker.io/library/python:3.11-slim"}
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", of("USER")[-1])
    assert of("VOLUME") == ["/data"]
    assert "--constraint constraints.txt" in " ".join(of("RUN"))
    set_here = dict(word.split("=", 1) for words in of("ENV") for word in words.split())
    assert set_here["DATABASE_URL"].startswith("sqlite+aiosqlite:////data/")
    assert [name for name in set_here if re.search("TOKEN|PASSWORD|SID", name)] == []
    ignored = (ROOT / ".containerignore").read_text().splitlines()
    assert ignored[1] == "*"
    copied = {name for words in of("COPY") if "--from" not in words for name in words.split()[:-1]}
    assert copied == {line[1:] for line in ignored if line.startswith("!")}


def test_the_procfile_names_commands_there_are() -> None:
    lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    assert set(lines) == {"web", "release"}
    for command in lines.values():
        program, *words = shlex.split(command)
        assert program == "expert-hub"
        found = get_command(app)
        names = [word for word in words if not word.startswith("-") and word in getattr(found, "commands", {})]
        for name in names:
            found = found.commands[name]  # type: ignore[attr-defined]
        known = {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= known


def test_the_unit_is_one_systemd_takes_and_is_confined(tmp_path: Path) -> None:
    """The program's path is a stand-in, for it is not installed where the unit has it."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        lacking("systemd-analyze is not there: install systemd")
    program = tmp_path / "expert-hub"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/expert-hub/bin/expert-hub", str(program)))
    for arguments in (("verify", "--man=no"), ("security", "--offline=true", "--no-pager", "--threshold=15")):
        done = subprocess.run([analyze, *arguments, str(unit)], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr + done.stdout[-300:]
    told = [line.split("=", 1) for line in UNIT.read_text().splitlines() if "=" in line and not line.startswith("#")]
    assert ["User", "expert-hub"] in told
    assert ["RestartPreventExitStatus", "78"] in told
    assert os.path.basename(program) == "expert-hub"

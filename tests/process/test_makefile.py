"""The Makefile lists what it can do, and the README names only what is there."""

import re
import subprocess
from pathlib import Path

from tests.process.conftest import Place, clean_environment

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()


def make(*arguments: str) -> str:
    """What make prints, having succeeded."""
    done = subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        env={name: value for name, value in clean_environment().items() if not name.startswith("MAKE")},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    return done.stdout


def phony() -> list[str]:
    """The targets that are no files."""
    return re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split()  # type: ignore[index]


def test_make_alone_lists_every_target_with_a_line_each() -> None:
    lines = make().splitlines()
    listed = [line.split()[1] for line in lines if re.fullmatch(r" *make [a-z-]+ +\S.*", line)]
    assert len(lines) == len(listed)
    assert listed == phony()
    assert {"run", "test"} <= set(listed)
    assert make("help").splitlines() == lines


def test_what_make_would_do_is_what_the_targets_say() -> None:
    recipes = {target: make("--dry-run", target) for target in ("run", "test")}
    assert "expert-hub serve" in recipes["run"]
    assert "pytest" in recipes["test"]


def test_the_commands_of_the_readme_exist(place: Place) -> None:
    readme = (ROOT / "README.md").read_text()
    named = {" ".join(words.split()) for words in re.findall(r"(?:`|bin/)expert-hub ((?:[a-z]+ ?){1,2})", readme)}
    assert named
    answers = place.run_all(*(f"{command} --help" for command in sorted(named)))
    assert {command: answer.code for command, answer in answers.items() if answer.code} == {}
    assert set(re.findall(r"`make ([a-z-]+)`", readme)) <= set(phony())

"""The README and the documents fail here when they lie."""

import re
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from orchestrator.cli import app
from orchestrator.settings import Settings
from orchestrator.settings_table import Variable, settings_table
from states.diagram import as_markdown

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()

sys.path.insert(0, str(ROOT / "scripts"))
from refresh_docs import env_example, readme  # noqa: E402


def test_the_settings_and_the_diagram_are_those_of_the_code() -> None:
    assert readme(README) == README, "run `make diagram`"
    assert (ROOT / "docs" / "state-machine.md").read_text() == as_markdown(), "run `make diagram`"


def test_the_example_of_an_environment_is_that_of_the_code_and_changes_nothing() -> None:
    text = (ROOT / ".env.example").read_text()
    assert text == env_example(), "run `make diagram`"
    assert [line for line in text.splitlines() if line and not line.startswith("#")] == []
    offered = dict(line[1:].split("=", 1) for line in text.splitlines() if re.match(r"#[A-Z]", line))
    assert offered.keys() == {row.name for row in settings_table()}
    defaults = Settings.load({})
    settable = {name: value for name, value in offered.items() if value != "http://HOST:PORT"}
    assert Settings.load(settable) == defaults


@pytest.mark.parametrize("row", settings_table(), ids=lambda row: row.name)
def test_every_variable_is_in_the_table_with_its_other_names(row: Variable) -> None:
    name, default, _meaning, also = row
    line = next(line for line in README.splitlines() if line.startswith(f"| `{name}` |"))
    assert default in line
    assert all(f"`{other}`" in line for other in also)


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    assert [link for link in links if not link.startswith("http") and not (ROOT / link).exists()] == []


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"make ([a-z]+)", README)) - {"nothing"}
    assert {"run", "test"} <= named
    assert named <= targets


def test_every_command_named_exists() -> None:
    known = get_command(app)
    lines = re.findall(r"(?:`|\.venv/bin/)expert-hub ((?:[a-z]+ ?)+)", README)
    assert lines
    for line in lines:
        command = known
        for word in line.split():
            found = getattr(command, "commands", {}).get(word)
            if found is None:
                break
            command = found
        assert command is not known, f"README names `expert-hub {line}`"


def test_both_sets_of_filters_are_told() -> None:
    for name in ("onConversationAdd", "onMessageAdd", "onParticipantAdded", "onMessageAdded", "onParticipantRemoved"):
        assert f"`{name}`" in README

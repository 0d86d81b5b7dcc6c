"""The commands as an operator types them: what they print, what they refuse and how, and their exit codes.

Where only words are looked at, the command runs in this process: a start of its own takes most of a second.
"""

import json
import os
import pty
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from orchestrator.cli import app
from orchestrator.running import any_port
from states.table import STATES
from tests.process.conftest import Place, clean_environment

COMMANDS = {
    "": ["serve", "sandbox", "say", "conversations", "customers", "diagram", "db"],
    "serve": ["--host", "--port", "--sandbox", "--no-sandbox"],
    "sandbox": ["--port", "--service-url"],
    "say": ["FROM", "TEXT", "--to", "--channel", "sms|whatsapp|chat"],
    "conversations": ["list", "show", "history"],
    "conversations list": ["--state", "--limit", "--after", "--json"],
    "conversations show": ["CH", "--json"],
    "conversations history": ["CH", "--json"],
    "customers": ["import", "list"],
    "customers import": ["FILE.csv|FILE.json", "--from", "strapi", "Importing twice changes nothing"],
    "customers list": ["--json"],
    "users": ["add", "list", "passwd", "disable", "enable"],
    "users add": ["LOGIN", "--role", "worker|supervisor|developer|admin", "--name", "--identity", "--no-password"],
    "users list": ["--json"],
    "users passwd": ["LOGIN", "standard input"],
    "users disable": ["LOGIN"],
    "users enable": ["LOGIN"],
    "diagram": ["--format", "mermaid|markdown|svg"],
    "db": ["upgrade", "current", "backup"],
    "db upgrade": [],
    "db current": ["--json"],
    "db backup": ["FILE"],
    "twilio": ["connect", "disconnect"],
    "twilio connect": ["--public-url", "--dry-run", "--yes", "--file", "--json"],
    "twilio disconnect": ["--dry-run", "--yes", "--force", "--file", "--json"],
    "doctor": ["--json"],
}
# What is wrong to type, and what the answer must name.
WRONG = {
    "": "Usage",
    "nonsense": "nonsense",
    "serve --nonsense": "--nonsense",
    "serve --port 70000": "--port",
    "sandbox --service-url localhost:8080": "--service-url",
    "say +15550100001": "TEXT",
    "say +15550100001 Hello --channel fax": "sms, whatsapp, chat, messenger or rcs",
    "conversations show": "CH",
    "conversations list --state asleep": "awaiting_choice",
    "conversations list --limit 0": "--limit",
    "customers import no-such-file.csv": "no-such-file.csv",
    "customers import": "--from strapi",
    "customers import --from hubspot": "strapi",
    "users add ada@example.test": "--role",
    "users add ada@example.test --role king": "worker, supervisor, developer, admin",
    "users passwd": "LOGIN",
    "diagram --format png": "mermaid, markdown or svg",
    "db backup": "FILE",
    "twilio connect --public-url http://hub.example.com?x=1": "query",
    "twilio connect --file .": "--file",
    "doctor everything": "everything",
}
DOWN, MISCONFIGURED = 69, 78
MARIA = "+15550100001"
CSV = """customer_id,display_name,sms,worker
1,Maria Sanchez,+15550100001,ada@example.test
2,,+15550100002,
3,Susan Leclerc,not a number,
4,Robert Ellis,+15550100004,
"""
JSON_ROWS = [
    {"customer_id": "1", "display_name": "Maria Sanchez", "channels": [{"type": "sms", "value": MARIA}]},
    {"customer_id": "2"},
    "no customer",
]


def test_the_program_explains_itself(place: Place) -> None:
    top, serve = place.run_all("--help", "serve --help").values()
    assert (top.code, top.err, serve.code, serve.err) == (0, "", 0, "")
    said = " ".join(top.out.split())
    for meaning in ("0 done", "1 failed", "2 wrong usage", "69 a needed service is down", "78 bad configuration"):
        assert meaning in said


@pytest.mark.parametrize(("command", "words"), COMMANDS.items(), ids=[name or "alone" for name in COMMANDS])
def test_every_command_explains_itself(command: str, words: list[str]) -> None:
    answer = CliRunner().invoke(app, [*command.split(), "--help"])
    assert answer.exit_code == 0
    assert answer.stdout.startswith("Usage: ")
    assert [word for word in words if word not in answer.stdout] == []


def test_every_command_and_option_is_described() -> None:
    def undescribed(command: Any, path: str) -> Iterator[str]:
        if not command.help:
            yield path
        for parameter in command.params:
            if not getattr(parameter, "help", None):
                yield f"{path} {parameter.name}"
        for name, sub_command in getattr(command, "commands", {}).items():
            yield from undescribed(sub_command, f"{path} {name}")

    assert list(undescribed(get_command(app), "expert-hub")) == []


@pytest.mark.parametrize(("command", "named"), WRONG.items())
def test_wrong_usage_names_what_is_wrong_and_exits_2(command: str, named: str) -> None:
    answer = CliRunner().invoke(app, command.split())
    assert answer.exit_code == 2
    assert named in answer.output


def test_wrong_usage_exits_2(place: Place) -> None:
    for answer in place.run_all("", "serve --port many").values():
        assert (answer.out + "\n".join(answer.refused(2))).startswith("Usage: ")


def test_saying_something_without_a_sandbox_exits_69_and_tells_how_to_start_one(place: Place) -> None:
    (line,) = place.run("say", MARIA, "Hello").refused(DOWN)
    assert place.sandbox_url in line
    assert "expert-hub sandbox" in line


@pytest.fixture
def csv(place: Place) -> Path:
    file = place.folder / "customers.csv"
    file.write_text(CSV)
    return file


def test_a_csv_file_is_imported_into_a_fresh_database_and_twice_changes_nothing(place: Place, csv: Path) -> None:
    answer = place.run("customers", "import", str(csv))
    lines = answer.refused(1)
    assert [line.split(": ")[:3] for line in lines] == [
        ["customers.csv", "line 3", "display_name"],
        ["customers.csv", "line 4", "sms"],
    ]
    assert "not a number" in lines[1]
    assert answer.out == "2 read, 2 added or changed, 2 refused\n"
    listed = place.run("customers", "list", "--json")
    assert [customer["customer_id"] for customer in listed.json] == ["1", "4"]
    assert listed.json[0] == {
        "customer_id": "1",
        "display_name": "Maria Sanchez",
        "channels": [{"type": "sms", "value": MARIA}],
        "avatar": None,
        "links": [],
        "details": {},
        "worker": "ada@example.test",
        "language": None,
        "consent": [],
    }
    csv.write_text("\n".join(line for line in CSV.splitlines() if line[0] in "c14"))
    again = place.run("customers", "import", str(csv))
    assert (again.code, again.out) == (0, "2 read, 0 added or changed, 0 refused\n")
    assert place.run("customers", "list", "--json") == listed


def test_importing_from_strapi_needs_its_settings_and_its_answer(place: Place) -> None:
    lines = place.run("customers", "import", "--from", "strapi").refused(MISCONFIGURED)
    assert [line.partition(": ")[2].partition(":")[0] for line in lines] == ["STRAPI_URL", "STRAPI_TOKEN"]
    nowhere = {"STRAPI_URL": f"http://127.0.0.1:{any_port(0)}", "STRAPI_TOKEN": "canary-token"}
    (line,) = place.run("customers", "import", "--from", "strapi", **nowhere).refused(DOWN)
    assert "Strapi did not answer" in line
    assert "canary" not in line


def test_a_long_import_counts_on_a_terminal(place: Place, csv: Path) -> None:
    terminal, its_end = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", "customers", "import", str(csv)],
        cwd=place.folder,
        env={**clean_environment(), **place.variables},
        stdout=subprocess.PIPE,
        stderr=its_end,
        timeout=60,
        check=False,
    )
    os.close(its_end)
    said = os.read(terminal, 10_000).decode()
    os.close(terminal)
    assert done.returncode == 1
    assert "\r2 read\r" in said.replace("\r\r", "\r")


def test_a_json_file_is_imported_and_its_bad_rows_listed(place: Place) -> None:
    (place.folder / "customers.json").write_text(json.dumps(JSON_ROWS))
    lines = place.run("customers", "import", "customers.json").refused(1)
    assert [line.split(": ")[:2] for line in lines] == [["customers.json", "row 2"], ["customers.json", "row 3"]]
    assert [customer["customer_id"] for customer in place.run("customers", "list", "--json").json] == ["1"]


def test_what_a_fresh_place_holds_is_nothing_and_looking_makes_no_database(place: Place) -> None:
    unknown = f"conversations show CH{'0' * 32}"
    answers = place.run_all("customers list --json", "conversations list --json", unknown)
    customers, conversations, shown = answers.values()
    assert (customers.code, customers.json) == (0, [])
    assert (conversations.code, conversations.json) == (0, {"conversations": [], "next": None})
    assert "no database yet" in customers.err
    assert shown.refused(1)
    assert list(place.folder.iterdir()) == []


async def test_the_commands_tell_of_conversations_what_the_debug_routes_do(place: Place) -> None:
    service = place.serve()
    said = place.run("say", MARIA, "Hello")
    assert said.code == 0
    first = said.json["conversation_sid"]
    second = await place.say("+15550100002", "Hello")
    dumps = {sid: await place.quiet(sid) for sid in (first, second)}
    listed = await place.get(f"{place.url}/debug/conversations")
    assert [summary["conversation_sid"] for summary in listed["conversations"]] == [second, first]
    same = {
        "conversations list --json": listed,
        f"conversations show {first}": dumps[first],
        f"conversations history {first} --json": dumps[first]["history"],
    }
    beside = place.run_all(*same)
    assert {command: answer.json for command, answer in beside.items()} == same
    service.process.terminate()
    assert service.ended() == 0
    assert place.run_all(*same) == beside
    history, missing, table = place.run_all(
        f"conversations history {first}", f"conversations history CH{'0' * 32}", "conversations list --limit 1"
    ).values()
    assert len(history.out.splitlines()) == 1 + len(dumps[first]["history"])
    assert "CH" + "0" * 32 in missing.refused(1)[0]
    assert [row.split()[:2] for row in table.out.splitlines()[1:]] == [
        [second, "awaiting_choice"],
        ["more:", "--after"],
    ]


def test_the_diagram_comes_in_three_formats_and_needs_no_settings(place: Place) -> None:
    beginnings = {"mermaid": "stateDiagram", "markdown": "# ", "svg": "<svg"}
    answers = place.run_all(*(f"diagram --format {form}" for form in beginnings), PORT="nonsense")
    for answer, beginning in zip(answers.values(), beginnings.values(), strict=True):
        assert answer.code == 0
        assert beginning in answer.out[:200]
        assert [state for state in STATES if state not in answer.out] == []


def test_a_schema_is_told_and_brought_up_to_date(place: Place) -> None:
    before = place.run("db", "current", "--json").json
    assert before["revision"] is None
    assert place.run("db", "upgrade").out.strip() == before["needed"]
    assert place.run("db", "current").out == f"{before['needed']} (this version needs {before['needed']})\n"


async def test_a_backup_is_made_beside_a_running_service_and_overwrites_nothing(place: Place) -> None:
    service = place.serve()
    await place.quiet(await place.say(MARIA, "Hello"))
    copy = place.folder / "copy.db"
    answer = place.run("db", "backup", str(copy))
    assert answer.code == 0
    assert str(copy) in answer.out
    listed = place.run("conversations", "list", "--json")
    service.process.terminate()
    assert service.ended() == 0
    content = copy.read_bytes()
    (line,) = place.run("db", "backup", str(copy)).refused(1)
    assert "copy.db exists" in line
    assert copy.read_bytes() == content
    assert place.run("conversations", "list", "--json", DATABASE_URL=f"sqlite+aiosqlite:///{copy}").json == listed.json


def test_a_backup_that_cannot_be_made_is_told_and_leaves_nothing(place: Place) -> None:
    (line,) = place.run("db", "backup", "copy.db").refused(MISCONFIGURED)
    assert "there is no database" in line
    place.run("db", "upgrade")
    (line,) = place.run("db", "backup", "no-such-folder/copy.db").refused(1)
    assert "no-such-folder/copy.db" in line
    assert not (place.folder / "copy.db").exists()


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"PORT": "eighty", "LOG_LEVEL": "loud"}, ["LOG_LEVEL", "PORT"]),
        ({"TWILIO_AUTH_TOKEN": "s3cret token"}, ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"]),
        ({"CRM": "strapi", "STRAPI_PASSWORD": "s3cret", "BOT": "http"}, ["BOT_URL", "STRAPI_TOKEN", "STRAPI_URL"]),
        ({"PUBLIC_URL": "ftp://user:s3cret@example.test"}, ["PUBLIC_URL"]),
        ({"DATABASE_URL": "mysql://user:s3cret@example.test/db"}, ["DATABASE_URL"]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_wrong_settings_exit_78_with_a_line_for_each_fault(
    place: Place, variables: dict[str, str], named: list[str]
) -> None:
    answer = place.run("serve", **variables)
    lines = answer.refused(MISCONFIGURED)
    assert sorted(re.findall(r"^expert-hub: ([A-Z_]+)", "\n".join(lines), re.MULTILINE)) == named
    assert all("found" in line and "expected" in line for line in lines)
    assert "s3cret" not in answer.out + answer.err
    assert list(place.folder.iterdir()) == []


def test_the_environment_goes_before_the_file_of_settings(place: Place) -> None:
    (place.folder / ".env").write_text("LOG_LEVEL=loud\n")
    (line,) = place.run("db", "current").refused(MISCONFIGURED)
    assert "LOG_LEVEL" in line
    assert place.run("db", "current", LOG_LEVEL="info").code == 0


def test_a_postgresql_that_is_not_there_is_told_in_one_sentence_that_shows_no_password(place: Place, csv: Path) -> None:
    commands = ("serve", "conversations list", f"customers import {csv.name}", "db upgrade")
    answers = place.run_all(*commands, DATABASE_URL=f"postgresql+asyncpg://hub:s3cret@127.0.0.1:{any_port(0)}/hub")
    for answer in answers.values():
        (line,) = answer.refused(DOWN)
        assert "PostgreSQL does not answer" in line
        assert "s3cret" not in answer.out + answer.err
        assert answer.out == ""


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_a_port_that_is_taken_is_told(place: Place, taken: int) -> None:
    for answer in place.run_all(f"serve --no-sandbox --port {taken}", f"sandbox --port {taken}").values():
        (line,) = answer.refused(MISCONFIGURED)
        assert re.match(rf"expert-hub: .*PORT: .* {taken} .*in use", line)
        assert answer.out == ""


def test_a_damaged_database_is_told_with_what_to_do(place: Place) -> None:
    (place.folder / "hub.db").write_text("no database at all, just a letter to somebody " * 10)
    for answer in place.run_all("serve", "conversations list", "db current").values():
        (line,) = answer.refused(MISCONFIGURED)
        assert re.search("damaged.*restore it from a backup", line)


def test_a_folder_that_cannot_be_made_is_told(place: Place) -> None:
    (place.folder / "file").touch()
    url = f"sqlite+aiosqlite:///{place.folder}/file/sub/hub.db"
    for answer in place.run_all("serve", "db upgrade", DATABASE_URL=url).values():
        (line,) = answer.refused(MISCONFIGURED)
        assert "DATABASE_URL: cannot make the folder" in line

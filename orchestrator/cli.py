"""The commands. Exit codes: 0 done, 1 failed, 2 wrong usage, 69 a needed service is down, 78 bad configuration.

Commands that only read open the database read-only, beside a running service or without one; those that write do it in
one short transaction.
"""

import json
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from orchestrator.errors import SettingsError
from orchestrator.settings import Settings
from states.table import STATES
from storage.errors import DatabaseUnusable, StorageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")
FAILED, DOWN, MISCONFIGURED = 1, 69, 78

# Plain text everywhere: an error is one line that can be searched for, and nothing is loaded to draw boxes.
commands = partial(typer.Typer, no_args_is_help=True, rich_markup_mode=None)
app = commands(
    name="expert-hub",
    help="A conversation orchestrator for clienteling over Twilio Conversations.",
    epilog="Settings come from the environment and from .env; the README lists them. "
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 69 a needed service is down, 78 bad configuration.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
conversations = commands(help="See where conversations are, and why.")
customers = commands(help="The built-in customer book.")
db = commands(help="The database: schema and backup.")
app.add_typer(conversations, name="conversations")
app.add_typer(customers, name="customers")
app.add_typer(db, name="db")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JsonAnyway = Annotated[bool, typer.Option("--json", help="Accepted; it is JSON in any case.")]
Sid = Annotated[str, typer.Argument(metavar="CH…", help="The conversation's SID.")]


def fail(message: str, code: int = FAILED) -> NoReturn:
    """Say why on standard error, and exit."""
    typer.echo(f"expert-hub: {message}", err=True)
    raise typer.Exit(code)


def main() -> None:
    """Run a command; what is wrong with the configuration or the database is told in lines, not in a traceback."""
    try:
        app()
    except SettingsError as error:
        for fault in error.faults:
            typer.echo(f"expert-hub: {fault}", err=True)
        sys.exit(MISCONFIGURED)
    except DatabaseUnusable as error:
        typer.echo(f"expert-hub: {error}", err=True)
        sys.exit(MISCONFIGURED)
    except StorageError as error:
        typer.echo(f"expert-hub: {error}", err=True)
        sys.exit(DOWN)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of the setting HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on, instead of the setting PORT; 0: any.", min=0, max=65535)
    ] = None,
    sandbox: Annotated[
        bool | None,
        typer.Option(
            "--sandbox/--no-sandbox", help="Run a local Twilio too, or not; without Twilio credentials it does."
        ),
    ] = None,
) -> None:
    """Run the service, and the sandbox unless Twilio is set."""
    from orchestrator.running import any_port, run_service

    settings = Settings.load(host=host, port=port)
    if not settings.port or not settings.sandbox_port:
        port, sandbox_port = any_port(settings.port), any_port(settings.sandbox_port)
        settings = Settings.load(host=host, port=port, sandbox_port=sandbox_port)
    raise typer.Exit(run_service(settings, settings.sandbox_mode if sandbox is None else sandbox))


@app.command()
def sandbox(
    port: Annotated[
        int | None, typer.Option(help="Port to listen on, instead of the setting SANDBOX_PORT.", min=0, max=65535)
    ] = None,
    service_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The service its webhooks go to, instead of the setting PUBLIC_URL."),
    ] = None,
) -> None:
    """Run the local Twilio alone."""
    from orchestrator.running import run_sandbox

    settings = Settings.load(sandbox_port=port)
    raise typer.Exit(run_sandbox(settings, service_url or settings.public_url))


@app.command()
def say(
    sender: Annotated[
        str, typer.Argument(metavar="FROM", help="The customer's number, like +15550100001; for chat his identity.")
    ],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What the customer writes.")],
    to: Annotated[
        str | None, typer.Option(metavar="PROXY", help="The number he writes to, instead of the sandbox's own.")
    ] = None,
    channel: Annotated[str, typer.Option(metavar="sms|whatsapp|chat", help="What he writes through.")] = "sms",
) -> None:
    """Send a customer's message through the running sandbox."""
    from orchestrator.saying import SandboxDown, SandboxRefused, inbound

    if channel not in ("sms", "whatsapp", "chat"):
        raise typer.BadParameter("must be sms, whatsapp or chat", param_hint="--channel")
    settings = Settings.load()
    message = {"from": sender, "body": text, "channel": channel} | ({} if to is None else {"to": to})
    try:
        answer = inbound(f"http://127.0.0.1:{settings.sandbox_port}", message)
    except SandboxDown as error:
        fail(f"{error}; start it with `expert-hub serve` or `expert-hub sandbox`", DOWN)
    except SandboxRefused as error:
        fail(str(error))
    _print_json(answer)


@conversations.command("list")
def list_conversations(
    state: Annotated[str | None, typer.Option(metavar="|".join(STATES), help="Only those in this state.")] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=500)] = 50,
    after: Annotated[
        int | None, typer.Option(metavar="NEXT", help="Go on from where an earlier page ended.", min=1)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Conversations, newest first."""
    from orchestrator import dumps
    from storage.conversations import page

    if state is not None and state not in STATES:
        raise typer.BadParameter(f"must be one of {', '.join(STATES)}", param_hint="--state")
    found, following = _read(lambda connection: page(connection, state, limit, after))
    summaries = [dumps.summary(conversation) for conversation in found]
    if as_json:
        _print_json({"conversations": summaries, "next": None if following is None else str(following)})
        return
    rows = (
        (s["conversation_sid"], s["state"], s["updated_at"], (s["worker"] or {}).get("identity", "")) for s in summaries
    )
    _print_table(("CONVERSATION", "STATE", "UPDATED", "WORKER"), rows)
    if following is not None:
        typer.echo(f"more: --after {following}")


@conversations.command()
def show(sid: Sid, as_json: JsonAnyway = False) -> None:  # noqa: ARG001
    """One conversation whole, as JSON: where it is, how it came there, what it asked of the world."""
    _print_json(_dump(sid))


@conversations.command("history")
def show_history(sid: Sid, as_json: AsJson = False) -> None:
    """What happened to one conversation, decision by decision."""
    rows = _dump(sid)["history"]
    if as_json:
        _print_json(rows)
        return
    cells = ((str(r["version"]), r["at"], r["source"], r["trigger"], r["dest"], ",".join(r["effects"])) for r in rows)
    _print_table(("", "AT", "FROM", "TRIGGER", "TO", "EFFECTS"), cells)


@customers.command("import")
def import_customers(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.csv|FILE.json",
            help="A CSV file with the columns customer_id, display_name, sms, whatsapp, chat, email, avatar, links,"
            " details, worker, as far as needed; or a JSON list of objects, with channels as a list of type and value.",
            exists=True,
            dir_okay=False,
            readable=True,
        ),
    ],
) -> None:
    """Bring customers into the book.

    Importing twice changes nothing. Bad rows are listed and the good ones kept; the exit code is 1 if there were any.
    """
    from orchestrator.customer_book import import_file

    report = import_file(Settings.load().database_url, file)
    typer.echo(f"{report.read} read, {report.changed} added or changed, {len(report.faults)} refused")
    unit = "line" if file.suffix.lower() == ".csv" else "row"
    for fault in report.faults:
        place = file.name if fault.line is None else f"{file.name}: {unit} {fault.line}"
        typer.echo(f"{place}: {fault.reason}", err=True)
    if report.faults:
        raise typer.Exit(FAILED)


@customers.command("list")
def list_customers(as_json: AsJson = False) -> None:
    """Everybody in the book."""
    from dataclasses import asdict

    from storage.customers import all_customers

    found = _read(lambda connection: [asdict(customer) for customer in all_customers(connection)])
    if as_json:
        _print_json(found)
        return
    rows = (
        (c["customer_id"], c["display_name"], c["worker"] or "", " ".join(ch["value"] for ch in c["channels"]))
        for c in found
    )
    _print_table(("ID", "NAME", "WORKER", "CHANNELS"), rows)


@app.command()
def diagram(
    form: Annotated[
        str, typer.Option("--format", metavar="mermaid|markdown|svg", help="What to draw it as.")
    ] = "mermaid",
) -> None:
    """Draw the state machine, from the table itself."""
    from states import diagram as drawn
    from states.drawing import as_svg

    drawings: dict[str, Callable[[], str]] = {
        "mermaid": drawn.as_mermaid,
        "markdown": drawn.as_markdown,
        "svg": as_svg,
    }
    if form not in drawings:
        raise typer.BadParameter("must be mermaid, markdown or svg", param_hint="--format")
    typer.echo(drawings[form](), nl=False)


@db.command("upgrade")
def upgrade_database() -> None:
    """Bring the schema up to date.

    A database that does not exist is made. The service does the same when it starts.
    """
    from storage.opening import upgrade

    typer.echo(upgrade(Settings.load().database_url))


@db.command("current")
def current_schema(as_json: AsJson = False) -> None:
    """Show the revision of the schema, and the one needed."""
    from storage.opening import HEAD, revision_of

    found = revision_of(Settings.load().database_url)
    if as_json:
        _print_json({"revision": found, "needed": HEAD})
        return
    typer.echo(f"{found or 'no database yet'} (this version needs {HEAD})")


@db.command("backup")
def backup_database(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The copy; it must not exist yet.", dir_okay=False)],
) -> None:
    """Copy the database, while it is being served or not."""
    from storage.opening import backup

    url = Settings.load().database_url
    try:
        backup(url, file)
    except FileExistsError:
        fail(f"{file} exists; name a file that does not")
    except DatabaseUnusable:
        raise
    except StorageError as error:
        fail(f"{file}: {error}")
    typer.echo(f"backed up to {file} ({file.stat().st_size} bytes)")


def _read(work: Callable[["Connection"], T]) -> T:
    """Run `work` on a read-only connection; where there is no database yet, on an empty one."""
    from storage.opening import HEAD, reading, revision_of

    url = Settings.load().database_url
    found = revision_of(url)
    if found is None:
        return _on_nothing(work)
    if found != HEAD:
        raise DatabaseUnusable(
            f"the database is at schema revision {found} and this version reads {HEAD};"
            " run `expert-hub db upgrade`, or a newer expert-hub if that refuses"
        )
    with reading(url) as connection:
        return work(connection)


def _on_nothing(work: Callable[["Connection"], T]) -> T:
    from sqlalchemy import create_engine

    from storage.schema import metadata

    typer.echo("expert-hub: no database yet; `expert-hub serve` or `expert-hub customers import` makes it", err=True)
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        return work(connection)


def _dump(sid: str) -> dict[str, Any]:
    from orchestrator import dumps
    from storage.conversations import dump

    found = _read(lambda connection: dump(connection, sid))
    if found is None:
        fail(f"no conversation {sid[:34]} in this database")
    return dumps.full(found)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _print_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Columns as wide as what they hold; control characters of outside text are shown, not obeyed."""
    shown = [head, *(tuple(_harmless(cell) for cell in row) for row in rows)]
    widths = [max(len(row[n]) for row in shown) for n in range(len(head))]
    for row in shown:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _harmless(cell: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in cell)

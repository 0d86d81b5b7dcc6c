"""The commands. Exit codes: 0 done, 1 failed, 2 wrong usage, 69 a needed service is down, 78 bad configuration.

Commands that only read open the database read-only, beside a running service or without one; those that write do it in
one short transaction.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, cast

import typer

from orchestrator.authorities import authorities_unread
from orchestrator.collecting import made_to_stay
from orchestrator.commands.conversations import conversations
from orchestrator.commands.customers import customers
from orchestrator.commands.database import db
from orchestrator.commands.doctor import doctor
from orchestrator.commands.parked import effects, inbox
from orchestrator.commands.shared import DOWN, FAILED, MISCONFIGURED, AsJson, commands, fail, print_json, read
from orchestrator.commands.twilio import twilio
from orchestrator.commands.users import users
from orchestrator.errors import SettingsError
from orchestrator.settings import Settings
from storage.engine import is_postgres
from storage.errors import DatabaseUnusable, StorageError

if TYPE_CHECKING:
    from orchestrator.service import Role

app = commands(
    name="expert-hub",
    help="A conversation orchestrator for clienteling over Twilio Conversations.",
    epilog="Settings come from the environment and from .env; the README lists them. "
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 69 a needed service is down, 78 bad configuration.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(conversations, name="conversations")
app.add_typer(customers, name="customers")
app.add_typer(effects, name="effects")
app.add_typer(inbox, name="inbox")
app.add_typer(users, name="users")
app.add_typer(db, name="db")
app.add_typer(twilio, name="twilio")
app.command()(doctor)


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
    role: Annotated[
        str,
        typer.Option(
            metavar="web|effects|all",
            help="What this replica does: take webhooks, carry out effects, or both. All but `all` need PostgreSQL.",
        ),
    ] = "all",
) -> None:
    """Run the service, and the sandbox unless Twilio is set."""
    if role not in ("web", "effects", "all"):
        raise typer.BadParameter("must be web, effects or all", param_hint="--role")
    with made_to_stay(), authorities_unread():
        from orchestrator.running import any_port, run_service

    settings = Settings.load(host=host, port=port)
    if not settings.port or not settings.sandbox_port:
        port, sandbox_port = any_port(settings.port), any_port(settings.sandbox_port)
        settings = Settings.load(host=host, port=port, sandbox_port=sandbox_port)
    if role != "all" and not is_postgres(settings.database_url):
        raise SettingsError(
            ["DATABASE_URL: found an SQLite file, which one process serves whole; expected PostgreSQL, or --role all"]
        )
    raise typer.Exit(run_service(settings, settings.sandbox_mode if sandbox is None else sandbox, cast("Role", role)))


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
    from orchestrator.sandbox.rules import is_web_url

    if service_url is not None and not is_web_url(service_url):
        raise typer.BadParameter("must be an address like http://127.0.0.1:8080", param_hint="--service-url")
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
    channel: Annotated[str, typer.Option(metavar="sms|whatsapp|chat|messenger|rcs", help="His channel.")] = "sms",
) -> None:
    """Send a customer's message through the running sandbox."""
    from orchestrator.saying import SandboxDown, SandboxRefused, inbound

    if channel not in ("sms", "whatsapp", "messenger", "rcs", "chat"):
        raise typer.BadParameter("must be sms, whatsapp, chat, messenger or rcs", param_hint="--channel")
    settings = Settings.load()
    message = {"from": sender, "body": text, "channel": channel} | ({} if to is None else {"to": to})
    try:
        answer = inbound(f"http://127.0.0.1:{settings.sandbox_port}", message)
    except SandboxDown as error:
        fail(f"{error}; start it with `expert-hub serve` or `expert-hub sandbox`", DOWN)
    except SandboxRefused as error:
        fail(str(error))
    print_json(answer)


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


@app.command()
def verify(
    ledger: Annotated[
        bool, typer.Option("--ledger/--no-ledger", help="Hold the database against the running sandbox's ledger too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check every promise made of the database: nothing lost, nothing doubled, nothing stuck.

    The exit code is 1 if one does not hold.
    """
    from orchestrator.saying import SandboxDown, entries
    from orchestrator.verifying import Stores
    from orchestrator.verifying import verify as check
    from storage.pruning import DAY_MS, over_before
    from storage.writer import wall_clock

    try:
        settings = Settings.load()
        found = entries(f"http://127.0.0.1:{settings.sandbox_port}") if ledger else None
    except SandboxDown as error:
        fail(str(error), DOWN)
    now = wall_clock()
    kept_since = over_before(now, round(settings.retention_days * DAY_MS))
    violations = read(lambda connection: check(Stores(connection, now, found, kept_since)))
    if as_json:
        print_json(violations)
    else:
        for promise, broken in violations.items():
            typer.echo(f"{'BROKEN' if broken else 'holds '}  {promise.replace('_', ' ')}")
            for violation in broken:
                typer.echo(f"        {violation}")
    if any(violations.values()):
        raise typer.Exit(FAILED)

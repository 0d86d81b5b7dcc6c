"""`expert-hub customers`: the built-in customer book."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.commands.shared import DOWN, FAILED, AsJson, commands, fail, print_json, print_table, read
from orchestrator.settings import Settings

if TYPE_CHECKING:
    from orchestrator.customer_book import ImportReport

customers = commands(help="The built-in customer book.")


@customers.command("import")
def import_customers(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE.csv|FILE.json",
            help="A CSV file with the columns customer_id, display_name, sms, whatsapp, chat, email, avatar, links,"
            " details, worker, language, consent, as far as needed; or a JSON list of objects, with channels as a list"
            " of type and value. docs/customers.md tells more.",
            exists=True,
            dir_okay=False,
            readable=True,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="strapi", help="Instead of a file: the Strapi of the settings STRAPI_*."),
    ] = None,
) -> None:
    """Bring customers into the book.

    Importing twice changes nothing. Bad rows are listed and the good ones kept; the exit code is 1 if there were any.
    """
    from orchestrator.customer_book import import_file

    if source not in (None, "strapi"):
        raise typer.BadParameter("must be strapi", param_hint="--from")
    if (file is None) == (source is None):
        raise typer.BadParameter("name a FILE.csv or FILE.json, or --from strapi, and not both")
    with _progress() as tell:
        if file is None:
            report, name, unit = _from_strapi(tell), "strapi", "record"
        else:
            report = import_file(Settings.load().database_url, file, tell)
            name, unit = file.name, "line" if file.suffix.lower() == ".csv" else "row"
    typer.echo(f"{report.read} read, {report.changed} added or changed, {len(report.faults)} refused")
    for fault in report.faults:
        place = name if fault.line is None else f"{name}: {unit} {fault.line}"
        typer.echo(f"{place}: {fault.reason}", err=True)
    if report.faults:
        raise typer.Exit(FAILED)


def _from_strapi(tell: Callable[[int], None]) -> "ImportReport":
    from orchestrator.customer_copy import copy_strapi
    from orchestrator.errors import CrmUnavailable

    settings = Settings.load(crm="strapi")
    try:
        return asyncio.run(copy_strapi(settings, tell))
    except CrmUnavailable as error:
        fail(f"{error}; what was read before is in the book, and importing again goes on", DOWN)


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """How many customers were read so far, for whoever watches; nothing where nobody does."""
    if not sys.stderr.isatty():
        yield lambda _read: None
        return
    yield lambda read: typer.echo(f"\r{read} read", err=True, nl=False)
    typer.echo("\r", err=True, nl=False)


@customers.command("list")
def list_customers(as_json: AsJson = False) -> None:
    """Everybody in the book."""
    from dataclasses import asdict

    from storage.customers import all_customers

    found = read(lambda connection: [asdict(customer) for customer in all_customers(connection)])
    if as_json:
        print_json(found)
        return
    rows = (
        (
            c["customer_id"],
            c["display_name"],
            c["worker"] or "",
            c["language"] or "",
            " ".join(ch["value"] for ch in c["channels"]),
            " ".join(f"{said['channel']}:{said['answer']}" for said in c["consent"]),
        )
        for c in found
    )
    print_table(("ID", "NAME", "WORKER", "LANGUAGE", "CHANNELS", "CONSENT"), rows)

"""`expert-hub customers`: the built-in customer book."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.commands.shared import FAILED, AsJson, commands, print_json, print_table, read
from orchestrator.settings import Settings

customers = commands(help="The built-in customer book.")


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

    found = read(lambda connection: [asdict(customer) for customer in all_customers(connection)])
    if as_json:
        print_json(found)
        return
    rows = (
        (c["customer_id"], c["display_name"], c["worker"] or "", " ".join(ch["value"] for ch in c["channels"]))
        for c in found
    )
    print_table(("ID", "NAME", "WORKER", "CHANNELS"), rows)

"""`expert-hub db`: schema and backup."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.commands.shared import AsJson, commands, fail, print_json
from orchestrator.settings import Settings
from storage.errors import DatabaseUnusable, StorageError

db = commands(help="The database: schema and backup.")


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
        print_json({"revision": found, "needed": HEAD})
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

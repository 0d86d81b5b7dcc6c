"""What all commands share: how they fail, read the database, and print."""

import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from orchestrator.settings import Settings
from storage.errors import DatabaseUnusable

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")
FAILED, DOWN, MISCONFIGURED = 1, 69, 78

# Plain text everywhere: an error is one line that can be searched for, and nothing is loaded to draw boxes.
commands = partial(typer.Typer, no_args_is_help=True, rich_markup_mode=None)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def fail(message: str, code: int = FAILED) -> NoReturn:
    """Say why on standard error, and exit."""
    typer.echo(f"expert-hub: {message}", err=True)
    raise typer.Exit(code)


def read(work: Callable[["Connection"], T]) -> T:
    """Run `work` on a read-only connection; where there is no database yet, on an empty one."""
    from storage.opening import HEAD, revision_of
    from storage.opening import read as ask

    url = Settings.load().database_url
    found = revision_of(url)
    if found is None:
        return _on_nothing(work)
    if found != HEAD:
        raise DatabaseUnusable(
            f"the database is at schema revision {found} and this version reads {HEAD};"
            " run `expert-hub db upgrade`, or a newer expert-hub if that refuses"
        )
    return ask(url, work)


def _on_nothing(work: Callable[["Connection"], T]) -> T:
    from sqlalchemy import create_engine

    from storage.schema import metadata

    typer.echo("expert-hub: no database yet; `expert-hub serve` or `expert-hub customers import` makes it", err=True)
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        return work(connection)


def print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Columns as wide as what they hold; control characters of outside text are shown, not obeyed."""
    shown = [head, *(tuple(_harmless(cell) for cell in row) for row in rows)]
    widths = [max(len(row[n]) for row in shown) for n in range(len(head))]
    for row in shown:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _harmless(cell: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in cell)

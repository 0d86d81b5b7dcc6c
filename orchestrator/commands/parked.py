"""`expert-hub effects` and `expert-hub inbox`: what was given up, for a person to decide about."""

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.commands.shared import AsJson, commands, fail, print_json, print_table, read
from orchestrator.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

effects = commands(help="What could not be done: list it, try it again, or settle it as not to be done.")
inbox = commands(help="What could not be decided: list it, or decide it again.")

Key = Annotated[str, typer.Argument(metavar="KEY", help="As `list` shows it.")]
Everything = Annotated[bool, typer.Option("--all", help="Also what is still under way.")]
Limit = Annotated[int, typer.Option(help="How many at most.", min=1, max=10_000)]


@effects.command("list")
def list_effects(everything: Everything = False, limit: Limit = 100, as_json: AsJson = False) -> None:
    """Effects that were parked or rejected, oldest first."""
    from orchestrator.dumps import iso
    from storage.parked import GIVEN_UP
    from storage.parked import effects as listed
    from storage.schema import OPEN_STATUSES

    statuses = (*GIVEN_UP, *OPEN_STATUSES) if everything else GIVEN_UP
    rows = read(lambda connection: listed(connection, statuses, limit))
    if as_json:
        shown = ("key", "kind", "lane", "status", "attempts", "last_error", "result_sid")
        times = ("created_at", "due_at", "done_at")
        found = [row._mapping for row in rows]
        print_json(
            [
                {name: row[name] for name in shown}
                | {name: iso(row[name]) for name in times}
                | {"payload": json.loads(row["payload"])}
                for row in found
            ]
        )
        return
    cells = (
        (r.key, r.kind, r.status, str(r.attempts), iso(r.done_at or r.due_at) or "", r.last_error or "") for r in rows
    )
    print_table(("EFFECT", "KIND", "STATUS", "TRIES", "SINCE", "WHY"), cells)


@effects.command("retry")
def retry(key: Key) -> None:
    """Try an effect again that was parked or rejected; a message is looked for before it is sent again."""
    from storage.parked import retry_effect

    _decide(lambda connection: retry_effect(connection, key, _now()))
    typer.echo(f"{key} will be tried again")


@effects.command("skip")
def skip(key: Key) -> None:
    """Settle an effect that was parked or rejected as not to be done."""
    from storage.parked import skip_effect

    _decide(lambda connection: skip_effect(connection, key, _now()))
    typer.echo(f"{key} is skipped")


@inbox.command("list")
def list_events(everything: Everything = False, limit: Limit = 100, as_json: AsJson = False) -> None:
    """Events that were parked, oldest first."""
    from orchestrator.dumps import iso
    from storage.parked import events as listed

    statuses = ("parked", "waiting") if everything else ("parked",)
    rows = read(lambda connection: listed(connection, statuses, limit))
    if as_json:
        shown = ("key", "conversation_sid", "kind", "status", "tries", "last_error")
        print_json(
            [
                {name: row._mapping[name] for name in shown}
                | {"received_at": iso(row.received_at), "due_at": iso(row.due_at)}
                for row in rows
            ]
        )
        return
    cells = ((r.key, r.conversation_sid, r.kind, r.status, str(r.tries), r.last_error or "") for r in rows)
    print_table(("EVENT", "CONVERSATION", "KIND", "STATUS", "TRIES", "WHY"), cells)


@inbox.command("replay")
def replay(key: Key) -> None:
    """Let a parked event be decided again."""
    from storage.parked import replay_event

    _decide(lambda connection: replay_event(connection, key, _now()))
    typer.echo(f"{key} will be decided again")


def _decide(work: "Callable[[Connection], None]") -> None:
    """Run `work` in one short transaction, beside a running service or not."""
    from storage.opening import write
    from storage.parked import NotGivenUp

    try:
        write(Settings.load().database_url, work)
    except NotGivenUp as error:
        fail(str(error))


def _now() -> int:
    return time.time_ns() // 1_000_000

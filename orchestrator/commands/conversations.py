"""`expert-hub conversations`: where conversations are, and why."""

from typing import Annotated, Any

import typer

from orchestrator.commands.shared import AsJson, commands, fail, print_json, print_table, read
from states.table import STATES

conversations = commands(help="See where conversations are, and why.")

JsonAnyway = Annotated[bool, typer.Option("--json", help="Accepted; it is JSON in any case.")]
Sid = Annotated[str, typer.Argument(metavar="CH…", help="The conversation's SID.")]


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
    found, following = read(lambda connection: page(connection, state, limit, after))
    summaries = [dumps.summary(each) for each in found]
    if as_json:
        print_json({"conversations": summaries, "next": None if following is None else str(following)})
        return
    rows = (
        (s["conversation_sid"], s["state"], s["updated_at"], (s["worker"] or {}).get("identity", "")) for s in summaries
    )
    print_table(("CONVERSATION", "STATE", "UPDATED", "WORKER"), rows)
    if following is not None:
        typer.echo(f"more: --after {following}")


@conversations.command()
def show(sid: Sid, as_json: JsonAnyway = False) -> None:  # noqa: ARG001
    """One conversation whole, as JSON: where it is, how it came there, what it asked of the world."""
    print_json(_dump(sid))


@conversations.command("history")
def show_history(sid: Sid, as_json: AsJson = False) -> None:
    """What happened to one conversation, decision by decision."""
    rows = _dump(sid)["history"]
    if as_json:
        print_json(rows)
        return
    cells = ((str(r["version"]), r["at"], r["source"], r["trigger"], r["dest"], ",".join(r["effects"])) for r in rows)
    print_table(("", "AT", "FROM", "TRIGGER", "TO", "EFFECTS"), cells)


def _dump(sid: str) -> dict[str, Any]:
    from orchestrator import dumps
    from storage.conversations import dump
    from storage.writer import wall_clock

    found = read(lambda connection: dump(connection, sid))
    if found is None:
        fail(f"no conversation {sid[:34]} in this database")
    return dumps.full(found, wall_clock())

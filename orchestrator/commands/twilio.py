"""`expert-hub twilio`: set a real account to call this service, and put it back."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from orchestrator.commands.shared import DOWN, MISCONFIGURED, AsJson, commands, fail, print_json
from orchestrator.errors import EffectError, Held, Rejected
from orchestrator.settings import Settings

if TYPE_CHECKING:
    from orchestrator.connecting.changing import Return, StoppedHalfway
    from orchestrator.connecting.survey import Survey

WRONG_USAGE = 2

twilio = commands(help="A real account: set it to call this service, and put it back.")

File = Annotated[
    Path,
    typer.Option(metavar="FILE", help="Where what was there before is kept, to restore from.", dir_okay=False),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show it and write nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
BEFORE = Path("data/twilio-before.json")


@twilio.command("connect")
def connect(
    public_url: Annotated[
        str | None,
        typer.Option(metavar="https://…", help="The base URL Twilio is to call, instead of the setting PUBLIC_URL."),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    file: File = BEFORE,
    as_json: AsJson = False,
) -> None:
    """Set the account's webhooks, senders and TaskRouter events for this service.

    Shows what is and what will be, and asks before it writes. What was there is kept in a file first. A second run
    finds nothing to do; one after a failure finishes.
    """
    settings = Settings.load()
    base = _base(settings, public_url)
    try:
        asyncio.run(_connect(settings, base, file, _Asking(dry_run, yes, as_json)))
    except EffectError as error:
        _twilio_said_no(error)


@twilio.command("disconnect")
def disconnect(
    dry_run: DryRun = False,
    yes: Yes = False,
    force: Annotated[bool, typer.Option("--force", help="Restore also what somebody changed after `connect`.")] = False,
    file: File = BEFORE,
    as_json: AsJson = False,
) -> None:
    """Restore what `connect` changed, from its file, and rename the file.

    What somebody else changed since is shown and left alone.
    """
    try:
        asyncio.run(_disconnect(Settings.load(), file, force, _Asking(dry_run, yes, as_json)))
    except EffectError as error:
        _twilio_said_no(error)


class _Asking:
    """How to show what will be done, and whether it may be."""

    def __init__(self, dry_run: bool, yes: bool, as_json: bool) -> None:
        self.dry_run, self.yes, self.as_json = dry_run, yes, as_json

    def may_write(self) -> bool:
        """Ask where nobody has said yes. Ends the command where nobody can be asked."""
        if self.dry_run or self.yes:
            return not self.dry_run
        if not sys.stdin.isatty():
            fail("this would write, and there is no terminal to ask on: say --yes, or --dry-run to look", WRONG_USAGE)
        typer.echo("Write this? [y/N] ", err=True, nl=False)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def say(self, line: str) -> None:
        """A line for people."""
        if not self.as_json:
            typer.echo(line)

    def conclude(self, told: dict[str, Any], line: str) -> None:
        """The end, for whoever reads it."""
        if self.as_json:
            print_json(told)
        else:
            typer.echo(line)


async def _connect(settings: Settings, base: str, file: Path, asking: _Asking) -> None:
    from orchestrator.connecting import words
    from orchestrator.connecting.before import FileRefused
    from orchestrator.connecting.changing import StoppedHalfway, set_all
    from orchestrator.connecting.client import account
    from orchestrator.connecting.survey import survey

    async with account(settings) as client:
        found = await survey(client, settings, base)
        for line in words.difference_lines(found.differences):
            asking.say(line)
        for note in found.notes:
            asking.say(f"Note: {note}")
        if not found.to_do:
            asking.conclude(_told(found, base, None), "Nothing is to be done.")
            return
        if not asking.may_write():
            asking.conclude(_told(found, base, None), "Nothing was written.")
            return
        try:
            await set_all(found, file, settings.twilio_account_sid)
        except FileRefused as error:
            fail(str(error))
        except StoppedHalfway as stop:
            _stopped(stop, "connect")
        left = (await survey(client, settings, base)).to_do
    if left:
        fail(f"Twilio took it and shows something else for: {', '.join(each.resource.title for each in left)}")
    asking.conclude(
        _told(found, base, file), f"Written. What was there before is in {file}. Now check it: expert-hub doctor"
    )


def _told(found: "Survey", base: str, written_to: Path | None) -> dict[str, Any]:
    from orchestrator.connecting import words

    return {
        "public_url": base,
        "resources": [
            {"resource": each.resource.key, "mark": each.mark, "fields": words.as_json(each.changes)}
            for each in found.differences
        ],
        "notes": found.notes,
        "written": written_to is not None,
        "file": None if written_to is None else str(written_to),
    }


async def _disconnect(settings: Settings, file: Path, force: bool, asking: _Asking) -> None:
    from orchestrator.connecting import before, words
    from orchestrator.connecting.changing import StoppedHalfway, put_back, way_back
    from orchestrator.connecting.client import account

    try:
        kept = before.load(file, settings.twilio_account_sid)
    except before.FileRefused as error:
        fail(str(error))
    if kept is None:
        fail(f"there is no {file}: nothing was connected from here, or it was restored already")
    async with account(settings) as client:
        returns = list(reversed(await way_back(client, kept)))
        for line in words.return_lines(returns, force):
            asking.say(line)
        to_do = [each for each in returns if each.verdict == "restore" or (force and each.verdict == "changed")]
        left_alone = [each for each in returns if each.verdict == "changed" and not force]
        if asking.dry_run or (to_do and not asking.may_write()):
            asking.conclude(_returned(returns, force, None), "Nothing was written.")
            return
        try:
            await put_back(to_do)
        except StoppedHalfway as stop:
            _stopped(stop, "disconnect")
    put_away = before.put_away(file)
    remark = f"; to restore what was left alone: --force --file {put_away}" if left_alone else ""
    asking.conclude(_returned(returns, force, put_away), f"Restored. The file is now {put_away}{remark}")


def _returned(returns: "list[Return]", force: bool, renamed: Path | None) -> dict[str, Any]:
    from orchestrator.connecting import words

    return {
        "resources": [
            {
                "resource": each.resource.key,
                "mark": words.return_mark(each, force),
                "fields": words.as_json(each.changes),
            }
            for each in returns
        ],
        "written": renamed is not None,
        "file": None if renamed is None else str(renamed),
    }


def _base(settings: Settings, given: str | None) -> str:
    from orchestrator.connecting.wanted import public_base

    try:
        return public_base(given or settings.public_url, local=settings.sandbox_mode)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--public-url" if given else "PUBLIC_URL") from error


def _stopped(stop: "StoppedHalfway", command: str) -> NoReturn:
    typer.echo(f"expert-hub: {stop.done} of {stop.of} written; run `twilio {command}` again to finish", err=True)
    _twilio_said_no(stop.error)


def _twilio_said_no(error: EffectError) -> NoReturn:
    if isinstance(error, Held):
        fail(f"Twilio refuses TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN ({error})", MISCONFIGURED)
    if isinstance(error, Rejected):
        fail(f"Twilio refused ({error})")
    fail(f"Twilio does not answer ({error}); nothing more was written", DOWN)

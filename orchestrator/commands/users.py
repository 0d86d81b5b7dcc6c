"""`expert-hub users`: who may sign in. A password is typed or piped in; no command line and no output shows one."""

import getpass
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from orchestrator.commands.shared import AsJson, commands, fail, print_json, print_table, read
from orchestrator.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")
ROLES = ("worker", "supervisor", "developer", "admin")
# More bytes than any password has characters, whatever they are encoded in.
LINE_MAX = 8192

users = commands(help="Who may sign in, and as what.")

Login = Annotated[str, typer.Argument(metavar="LOGIN", help="A name or an e-mail address, in any letter case.")]


@users.command()
def add(
    login: Login,
    role: Annotated[str, typer.Option(metavar="|".join(ROLES), help="What this person may do.")],
    name: Annotated[str | None, typer.Option(help="The name others see; the login unless given.")] = None,
    identity: Annotated[
        str | None, typer.Option(help="The TaskRouter worker this person is; for a worker the login unless given.")
    ] = None,
    password: Annotated[
        bool,
        typer.Option("--password/--no-password", help="Ask for a password, or let this person sign in by OIDC only."),
    ] = True,
) -> None:
    """Add a person.

    The password is asked for twice, or read from standard input as one line where that is no terminal.
    """
    if role not in ROLES:
        raise typer.BadParameter(f"must be one of {', '.join(ROLES)}", param_hint="--role")
    from storage import people
    from storage.writer import wall_clock

    found = _refusing(lambda: people.valid_login(login))
    if identity is None and role == "worker":
        identity = found
    hashed = _new_password(found) if password else None
    now = wall_clock()
    _write(lambda connection: people.add(connection, found, name or found, role, identity, hashed, now))
    typer.echo(f"{found} is added as {role}")


@users.command("list")
def list_users(as_json: AsJson = False) -> None:
    """Everybody who was added."""
    from orchestrator.dumps import iso
    from storage.people import everybody

    found = [
        {
            "login": one.login,
            "name": one.name,
            "role": one.role,
            "identity": one.identity,
            "has_password": one.password_hash is not None,
            "has_oidc": one.oidc_subject is not None,
            "created_at": iso(one.created_at),
            "disabled_at": iso(one.disabled_at),
        }
        for one in read(everybody)
    ]
    if as_json:
        print_json(found)
        return
    head = ("LOGIN", "NAME", "ROLE", "IDENTITY", "PASSWORD", "DISABLED")
    rows = (
        (
            str(one["login"]),
            str(one["name"]),
            str(one["role"]),
            str(one["identity"] or ""),
            "yes" if one["has_password"] else "no",
            str(one["disabled_at"] or ""),
        )
        for one in found
    )
    print_table(head, rows)


@users.command()
def passwd(login: Login) -> None:
    """Give a person another password, and end all sign-ins of this person.

    It is asked for twice, or read from standard input as one line where that is no terminal.
    """
    from storage import people

    _write(lambda connection: people.need(connection, login))
    hashed = _new_password(login)
    _write(lambda connection: people.set_password(connection, login, hashed))
    typer.echo(f"{people.folded(login)} has another password; all sign-ins are ended")


@users.command()
def disable(login: Login) -> None:
    """Let a person in no more, and end all sign-ins of this person."""
    from storage import people
    from storage.writer import wall_clock

    now = wall_clock()
    _write(lambda connection: people.disable(connection, login, now))
    typer.echo(f"{people.folded(login)} is disabled; all sign-ins are ended")


@users.command()
def enable(login: Login) -> None:
    """Let a person in again who was disabled."""
    from storage import people

    _write(lambda connection: people.enable(connection, login))
    typer.echo(f"{people.folded(login)} is enabled")


def _new_password(login: str) -> str:
    """The hash of a password that somebody chooses now."""
    from orchestrator.people.passwords import Passwords, chosen

    typed = _typed() if sys.stdin.isatty() else _piped()
    password = _refusing(lambda: chosen(login, typed))
    return Passwords().hash(password)


def _typed() -> str:
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        fail("the two passwords differ; nothing was changed")
    return first


def _piped() -> str:
    try:
        return sys.stdin.buffer.readline(LINE_MAX).decode().rstrip("\r\n")
    except UnicodeDecodeError:
        fail("the password on standard input is no UTF-8 text")


def _write(work: "Callable[[Connection], T]") -> T:
    """Run `work` in one short transaction, beside a running service or not."""
    from storage.opening import write

    return _refusing(lambda: write(Settings.load().database_url, work))


def _refusing(work: Callable[[], T]) -> T:
    from storage.people import PersonRefused

    try:
        return work()
    except PersonRefused as error:
        fail(str(error))

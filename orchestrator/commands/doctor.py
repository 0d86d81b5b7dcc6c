"""`expert-hub doctor`: everything the service needs, looked at from where it runs."""

import asyncio
from typing import TYPE_CHECKING

import typer

from orchestrator.commands.shared import MISCONFIGURED, AsJson, print_json
from orchestrator.errors import SettingsError
from orchestrator.settings import Settings

if TYPE_CHECKING:
    from orchestrator.doctor.findings import Finding


def doctor(as_json: AsJson = False) -> None:
    """Check everything the service needs, and say what mends what is wrong.

    Beside a running service or without one; nothing is changed. Exit codes: 0 nothing is wrong, 1 something is, 69
    Twilio or the database does not answer, 78 settings, credentials or the database cannot be used.
    """
    from orchestrator.doctor.findings import exit_code, wrong

    try:
        settings = Settings.load()
    except SettingsError as error:
        _tell([wrong("settings", fault, code=MISCONFIGURED) for fault in error.faults], as_json)
        raise typer.Exit(MISCONFIGURED) from error
    from orchestrator.doctor.examination import examine

    findings = asyncio.run(examine(settings))
    _tell(findings, as_json)
    raise typer.Exit(exit_code(findings))


def _tell(findings: "list[Finding]", as_json: bool) -> None:
    if as_json:
        checks = [
            {"check": each.check, "verdict": each.verdict, "found": each.found, "mend": each.mend} for each in findings
        ]
        print_json({"ok": all(each.verdict != "wrong" for each in findings), "checks": checks})
        return
    width = max(len(each.check) for each in findings)
    for each in findings:
        line = f"{each.verdict:7}  {each.check:{width}}  {each.found}" + (f"  ->  {each.mend}" if each.mend else "")
        typer.echo("".join(char if char.isprintable() else "?" for char in line))

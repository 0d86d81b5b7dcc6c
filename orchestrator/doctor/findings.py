"""What a check found: one line for a person, and what it means for the exit code."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

FAILED, DOWN, MISCONFIGURED = 1, 69, 78


@dataclass(frozen=True, slots=True)
class Finding:
    """`mend`: the command or the setting that mends it. `code`: the exit code of something wrong."""

    check: str
    verdict: Literal["ok", "warning", "wrong", "skipped"]
    found: str
    mend: str | None = None
    code: int = FAILED


def ok(check: str, found: str) -> Finding:
    """As it must be."""
    return Finding(check, "ok", found)


def wrong(check: str, found: str, mend: str | None = None, code: int = FAILED) -> Finding:
    """Not as it must be."""
    return Finding(check, "wrong", found, mend, code)


def skipped(check: str, why: str) -> Finding:
    """Not looked at."""
    return Finding(check, "skipped", why)


def exit_code(findings: Iterable[Finding]) -> int:
    """The worst of them: 78 bad configuration before 69 a needed service is down before 1; 0 where nothing is wrong."""
    return max((each.code for each in findings if each.verdict == "wrong"), default=0)


def without_secrets(finding: Finding, secrets: Iterable[str]) -> Finding:
    """The finding with every secret value in it hidden, wherever an error brought one in."""
    found, mend = finding.found, finding.mend
    for secret in filter(None, secrets):
        found = found.replace(secret, "***")
        mend = mend and mend.replace(secret, "***")
    return replace(finding, found=found, mend=mend)

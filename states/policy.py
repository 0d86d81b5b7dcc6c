"""Choices over plain data: what a customer's text asks for, and which worker is next.

Pure functions, so each rule can be read, tested and argued about on its own. Every scan is linear in the
text: the repetitions are possessive, and one that failed is not begun again in its middle.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from states.events import Route

KEYWORD = "agent"
"""The word that asks for anyone available."""

_LETTERLIKE = (
    *range(0x2100, 0x2150),
    *range(0x24B6, 0x24EA),
    *range(0xFF01, 0xFF5F),
    *range(0x1D400, 0x1D800),
)
_FOLDED = {code: unicodedata.normalize("NFKC", chr(code)) for code in _LETTERLIKE}
_PLAIN = {code: plain for code, plain in _FOLDED.items() if plain.isascii() and len(plain) == 1}
"""Full-width, circled, bold… forms of an ASCII character, and that character."""

_ADDRESS = re.compile(r"(?<![\w.+&%~#'@-])([\w.+&%~#'-]++)@([\w-]++(?:\.[\w-]++)++)(?!@)")
_DOMAIN_LABEL = re.compile(r"(?!-)[^\W_](?:[^\W_]|-){0,62}(?<!-)")
_KEYWORD = re.compile(rf"(?<![^\W_]){KEYWORD}(?![^\W_])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a text asks for. `identity`: the email address as it was written, for route `email` alone."""

    route: Route
    identity: str | None = None


@dataclass(frozen=True, slots=True)
class IdleWorker:
    """A worker who could take a customer. `last_assigned_ms`: ms since 1970, None: never assigned. `turn` tells apart
    assignments of the same millisecond: the lower was the earlier."""

    identity: str
    worker_sid: str
    last_assigned_ms: int | None
    turn: int = 0


def read_choice(text: str) -> Choice:
    """What `text` asks for: the first email address in it, else an agent if it has the word, else nothing.

    Letter case does not matter, nor does the form of an ASCII character: what NFKC folds into one (Unicode
    Standard Annex 15) counts as it, a full-width `ＡＧＥＮＴ` for one. NFKC of the whole is too much for what
    a stranger wrote: it can grow a text eighteenfold and take quadratic time.
    """
    plain = text.translate(_PLAIN)
    address = next(filter(None, map(_as_address, _ADDRESS.finditer(plain))), None)
    if address is not None:
        return Choice("email", address)
    return Choice("agent") if _KEYWORD.search(plain) else Choice("no")


def chosen(text: str, offered: Mapping[str, str] | None) -> str:
    """What a customer means who was offered choices: what stands for the one he names, by its number or its words in
    any letter case, else his text."""
    if not offered:
        return text
    plain = text.translate(_PLAIN).strip().rstrip(".)").casefold()
    by_name = {str(number): value for number, value in enumerate(offered.values(), 1)}
    by_name |= {shown.strip().rstrip(".)").casefold(): value for shown, value in offered.items()}
    return by_name.get(plain, text)


def longest_idle(workers: Sequence[IdleWorker], excluding: Collection[str]) -> IdleWorker | None:
    """The worker idle longest: those never assigned first, then the oldest assignment; ties go by identity.

    `excluding` are identities that may not be chosen, in any letter case. None: nobody is left.
    """
    barred = {identity.casefold() for identity in excluding}
    candidates = [worker for worker in workers if worker.identity.casefold() not in barred]
    return min(candidates, key=_idleness, default=None)


def _idleness(worker: IdleWorker) -> tuple[bool, int, int, str]:
    return worker.last_assigned_ms is not None, worker.last_assigned_ms or 0, worker.turn, worker.identity


def _as_address(found: re.Match[str]) -> str | None:
    """What was found, without the punctuation around it, if its parts are as RFC 5321 wants them."""
    local = found[1].lstrip(".'&%~#-")
    domain = found[2].rstrip("-_")
    fits = len(local) + len(domain) < 254
    return f"{local}@{domain}" if fits and _is_local_part(local) and _is_domain(domain) else None


def _is_local_part(local: str) -> bool:
    return 0 < len(local) <= 64 and ".." not in local and not local.endswith(".")


def _is_domain(domain: str) -> bool:
    labels = domain.split(".")
    top = labels[-1]
    if len(top) < 2 or not top[-1].isalpha():
        return False
    return all(_DOMAIN_LABEL.fullmatch(label) for label in labels)

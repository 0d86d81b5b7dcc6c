"""To whom a customer goes back: who is considered, in which order, and who is passed over for which reason.

The relationship is that of a customer, whatever conversation or channel he writes in. First comes the owner whom the
CRM names, then the worker who was last with the customer, unless that is too long ago, then who covers for these. The
first who is available is chosen, and nobody is waited for; what is left is the pool.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from states.conversation import Conversation

DAY_MS = 86_400_000

Standing = Literal["available", "offline", "gone", "unknown"]
"""What a worker is at the moment; `gone`: works here no more; `unknown`: TaskRouter does not answer."""

_REASONS: dict[Standing, str] = {
    "available": "chosen",
    "offline": "offline",
    "gone": "no longer works here",
    "unknown": "TaskRouter does not answer",
}
_POOL = "pool: whoever has been idle longest"
_PHONE = re.compile(r"(?:[a-z]+:)*(\+[0-9]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Spoken:
    """Who was last with a customer, and when (milliseconds since 1970)."""

    identity: str
    last_at: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who is considered. `role`: `owner`, `last` or `cover of …`; `hindrance`: why it cannot be him, whatever
    he is at the moment."""

    role: str
    identity: str | None
    hindrance: str | None = None

    def told(self, reason: str) -> str:
        """How the history tells what became of him: `owner: ada@example.test offline`."""
        return f"{self.role}: {reason}" if self.identity is None else f"{self.role}: {self.identity} {reason}"


@dataclass(frozen=True, slots=True)
class Weighed:
    """Who is chosen, if anybody is; who is not there at the moment though the customer knows him; and what became of
    each who was considered."""

    chosen: Candidate | None
    away: str | None
    considered: tuple[str, ...]


def key_of(address: str | None, customer_id: str | None) -> str | None:
    """The key a relationship is kept under: the customer's where the CRM knows him, else his address, whatever channel
    a phone number is reached by. None where neither is known."""
    if customer_id is not None:
        return f"customer/{customer_id}"
    if address is None:
        return None
    number = _PHONE.fullmatch(address)
    return f"address/{address if number is None else number[1]}"


def keys_of(address: str | None, customer_id: str | None) -> list[str]:
    """The keys to look under, the best first: what was kept before the CRM knew a customer stands under his address."""
    keys = (key_of(address, customer_id), key_of(address, None))
    return list(dict.fromkeys(key for key in keys if key is not None))


def company(before: Conversation, after: Conversation) -> str | None:
    """The worker who is, or was until now, with the customer, where a decision says anything new of it: somebody came
    or left, the conversation ended, or it became known who the customer is."""
    ended = after.state == "closed" != before.state
    if after.workers == before.workers and not (ended or after.customer != before.customer):
        return None
    here = after.workers or before.workers
    return here[-1].identity if here else None


def candidates(
    owner: Candidate, last: Spoken | None, cover: Mapping[str, str], now: int, limit_ms: int
) -> list[Candidate]:
    """Who is considered, in order. `cover`: folded identity to who covers for him; `limit_ms`: how long ago is too
    long."""
    known = _each_once([owner, _last(last, now, limit_ms)])
    covering = [
        Candidate(f"cover of {it.identity}", cover[it.identity.casefold()])
        for it in known
        if it.identity is not None and it.hindrance is None and it.identity.casefold() in cover
    ]
    return _each_once([*known, *covering])


def owner_of(identity: str | None, *, crm_answers: bool = True) -> Candidate:
    """The owner as a candidate, with the reason where there is none."""
    if identity:
        return Candidate("owner", identity)
    return Candidate("owner", None, "nobody" if crm_answers else "the CRM does not answer")


def weigh(considered: Sequence[Candidate], standing: Mapping[str, Standing]) -> Weighed:
    """Choose the first who is available. `standing`: of the identities that may be chosen, folded; those behind the
    chosen one are not looked at."""
    told, away = [], None
    for it in considered:
        if it.identity is None or it.hindrance is not None:
            told.append(it.told(it.hindrance or "nobody"))
            continue
        is_now = standing.get(it.identity.casefold(), "unknown")
        told.append(it.told(_REASONS[is_now]))
        if is_now == "available":
            return Weighed(it, away, tuple(told))
        if is_now == "offline" and away is None:
            away = it.identity
    return Weighed(None, away, (*told, _POOL))


def _last(last: Spoken | None, now: int, limit_ms: int) -> Candidate:
    if last is None:
        return Candidate("last", None, "nobody")
    ago_ms = now - last.last_at
    return Candidate("last", last.identity, f"{ago_ms // DAY_MS} days ago" if ago_ms > limit_ms else None)


def _each_once(found: Sequence[Candidate]) -> list[Candidate]:
    seen: set[str] = set()
    once = []
    for it in found:
        folded = None if it.identity is None or it.hindrance is not None else it.identity.casefold()
        once.append(Candidate(it.role, it.identity, "considered already") if folded in seen else it)
        if folded is not None:
            seen.add(folded)
    return once

"""Who calls whom: which numbers can be written to, the pairs of addresses they stand for, and the worker of the two."""

from collections.abc import Collection, Mapping

from orchestrator.addresses import is_possible_phone, senders_for, senders_in
from states.returning import DAY_MS, keys_of
from storage import relationships
from storage.unit import Unit

# Twilio's numbers of callers who do not show theirs: RESTRICTED, BLOCKED, UNKNOWN, ANONYMOUS, UNAVAILABLE.
_HIDDEN = frozenset({"+7378742833", "+2562533", "+8566696", "+266696687", "+86282452253"})


def can_be_written_to(caller: str) -> bool:
    """Whether this is a telephone number, rather than somebody who hides his, a client or a SIP address."""
    return caller.startswith("+") and caller not in _HIDDEN and is_possible_phone(caller)


def pairs(caller: str, called: str) -> list[tuple[str, str]]:
    """The pairs of addresses these two numbers have: by text message, and by WhatsApp."""
    return [(caller, called), (f"whatsapp:{caller}", f"whatsapp:{called}")]


def sender(caller: str, called: str, proxy_numbers: Mapping[str, str]) -> str:
    """Who writes to a caller: the number that he called, if it is one of our senders, else the one for his prefix."""
    ours = {sender for listed in proxy_numbers.values() for sender in senders_in(listed)}
    return called if called in ours else next(iter(senders_for("sms", caller, proxy_numbers)), called)


def same_worker(unit: Unit, among: Collection[tuple[str, str]], last: str | None, owner: str | None) -> str | None:
    """The identity of the worker whom the customer is or was with: the one in his open conversation, else the `last`
    one, else his `owner`."""
    for address, proxy in among:
        for sid in unit.open_with_pair(address, proxy):
            stored = unit.peek(sid)
            if stored is not None and stored.conversation.workers:
                return stored.conversation.workers[-1].identity
    return last or owner


def last_worker(unit: Unit, caller: str, customer_id: str | None, limit_days: float) -> str | None:
    """The identity of the worker this caller talked to last, on whatever channel, unless it was too long ago."""
    spoken = relationships.last_of(unit.connection, keys_of(caller, customer_id))
    is_recent = spoken is not None and spoken.last_at >= unit.now - round(limit_days * DAY_MS)
    return spoken.identity if spoken is not None and is_recent else None

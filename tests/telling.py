"""What threads and lists are read from, told as Twilio tells it, and read as pages read it."""

from collections.abc import Sequence
from typing import Any

from orchestrator.taking import admit_result, take
from states.events import CallEnded, CallMissed, ConversationClosed
from states.facts import Fact, MessagePublished, ParticipantGone
from states.names import ParticipantSid
from states.roles import Knowledge
from storage.talk import Receipt
from storage.threads import Entry, Line, mine, thread
from tests.places import Place
from tests.stores import NOON, WORKER, member, message, report, sid, started

CH = sid("CH", 1)
SYSTEM = "system"
GRACE = "grace@example.test"
BOTH_WORK = Knowledge(frozenset({WORKER, GRACE}))
CLOSED = ConversationClosed("API")


def tell(place: Place, *facts: Fact, conversation: int = 1, at: int = NOON, known: Knowledge = BOTH_WORK) -> None:
    """Webhooks, in one transaction."""
    place.do(lambda unit: [take(unit, report(fact, conversation), known) for fact in facts], at)


def left(participant: int) -> ParticipantGone:
    return ParticipantGone(ParticipantSid(sid("MB", participant)), WORKER)


def ours(index: int, body: str = "welcome") -> MessagePublished:
    return message(index, body, SYSTEM, None)


def theirs(index: int, body: str = "how can I help?", author: str = WORKER) -> MessagePublished:
    return message(index, body, author, 2)


def told(place: Place, **asked: Any) -> list[Entry]:
    return place.read(lambda connection: thread(connection, CH, **asked))[0]


def said(entries: Sequence[Entry]) -> list[tuple[int | None, str, str]]:
    return [(entry.index, entry.side, entry.body) for entry in entries]


def reached(place: Place, number: int, status: str, who: int = 1, error_code: int | None = None) -> None:
    receipt = Receipt(CH, sid("IM", number), sid("MB", who), status, error_code)
    place.do(lambda unit: unit.talk.reached(receipt))


def list_of(place: Place, identity: str = WORKER, **asked: Any) -> list[Line]:
    return place.read(lambda connection: mine(connection, identity, **asked))[0]


def with_worker(place: Place, number: int = 1, at: int = NOON) -> None:
    """A conversation whose customer has written once and whose worker has come; SIDs are of one conversation."""
    address = f"+1555{number:07}"
    first = message(0, author=address, participant=100 * number, number=100 * number)
    tell(place, started(address), first, member(WORKER, 100 * number + 2), conversation=number, at=at)


def called(place: Place, event: CallEnded | CallMissed, at: int) -> None:
    place.do(lambda unit: admit_result(unit, CH, event.call_sid, event), at)

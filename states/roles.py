"""Who is who: what makes a participant a worker or a customer, and so an event of a fact.

The rule (the outward contract, section 3): a participant with an address is a customer; one with an identity is a
worker if TaskRouter has a worker of that identity, else a customer in a chat; without TaskRouter an identity is a
worker's if somebody signs in here under it, or if it is beside a channel customer. Whom we added ourselves, because he
took the conversation over, is a worker in it whoever he is. A message is a customer's when its participant is one.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from states.conversation import Conversation
from states.events import CustomerJoined, Event, MessageReceived, WorkerJoined, WorkerLeft
from states.facts import Fact, MessagePublished, ParticipantGone, ParticipantPresent
from states.languages import Tongues
from states.names import ParticipantSid

_CHANNEL_ADDRESS = re.compile(r"\+[0-9]|(?:whatsapp|messenger|instagram|rcs|sms|gbm|apple):.", re.IGNORECASE)


def is_channel_address(author: str) -> bool:
    """Whether an author is an address of a channel (`+1555…`, `whatsapp:+1555…`) rather than a chat identity."""
    return _CHANNEL_ADDRESS.match(author) is not None


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known of who works here. `workers`: casefolded identities, None without TaskRouter; `sure`: looked up
    for this very question, participants included, so that who is no worker is a customer; `tongues`: by which a
    customer's language is known; `people`: casefolded identities of those who sign in here, which count without
    TaskRouter."""

    workers: Collection[str] | None
    sure: bool = False
    tongues: Tongues | None = None
    people: Collection[str] = ()


class Unsure(Exception):
    """Whose fact this is must be looked up first."""


def event_of(fact: Fact | Event, conversation: Conversation, known: Knowledge) -> Event | None:
    """The event a fact is, or None where the machine has nothing to decide (a worker's message, our own, a customer
    who leaves). Raises Unsure when it cannot be told without looking."""
    match fact:
        case MessagePublished():
            return _message(fact, conversation, known)
        case ParticipantPresent():
            return _arrival(fact, conversation, known)
        case ParticipantGone():
            return _departure(fact, conversation, known)
        case _:
            return fact


def _message(fact: MessagePublished, conversation: Conversation, known: Knowledge) -> Event | None:
    if not _is_customers(fact, conversation, known):
        return None
    return MessageReceived(
        message_sid=fact.message_sid,
        index=fact.index,
        author=fact.author,
        body=fact.body,
        media=fact.media,
        participant_sid=fact.participant_sid,
        language=_language(fact.body, conversation, known),
    )


def _language(body: str, conversation: Conversation, known: Knowledge) -> str | None:
    """What the customer writes in, where nothing tells yet and his words do."""
    if conversation.language is not None or known.tongues is None:
        return None
    return known.tongues.heard(body)


def _is_customers(fact: MessagePublished, conversation: Conversation, known: Knowledge) -> bool:
    sid, author = fact.participant_sid, fact.author
    if author == conversation.address or (sid is not None and sid == conversation.customer_sid):
        return True
    if is_channel_address(author):
        return sid is not None
    if author == "system" or (sid is not None and sid in (*_known_workers(conversation), *conversation.gone)):
        return False
    return not _is_worker(author, conversation, known) and sid is not None


def _is_worker(identity: str, conversation: Conversation, known: Knowledge) -> bool:
    """Whether an identity is a worker's."""
    if identity.casefold() in awaited(conversation):
        return True
    if known.workers is None:
        if identity.casefold() in known.people:
            return True
        beside = conversation.address is not None and is_channel_address(conversation.address)
        if not beside and not known.sure:
            raise Unsure(identity)
        return beside
    if identity.casefold() in known.workers:
        return True
    if not known.sure:
        raise Unsure(identity)
    return False


def _arrival(fact: ParticipantPresent, conversation: Conversation, known: Knowledge) -> Event | None:
    if fact.identity is None:
        return CustomerJoined(fact.participant_sid, fact.address, fact.proxy_address)
    is_known = fact.participant_sid in _known_workers(conversation)
    if fact.address is None and (is_known or _is_worker(fact.identity, conversation, known)):
        return WorkerJoined(fact.identity, fact.participant_sid)
    return CustomerJoined(fact.participant_sid, fact.address, fact.proxy_address, fact.identity)


def _departure(fact: ParticipantGone, conversation: Conversation, known: Knowledge) -> Event | None:
    if fact.participant_sid in _known_workers(conversation):
        return WorkerLeft(fact.participant_sid, fact.identity)
    if fact.identity is None or fact.participant_sid == conversation.customer_sid:
        return None
    # His joining may be told after this, and then he must be known to be gone.
    is_worker = _is_worker(fact.identity, conversation, known)
    return WorkerLeft(fact.participant_sid, fact.identity) if is_worker else None


def awaited(conversation: Conversation) -> set[str]:
    """The casefolded identities of those whom we are adding, or were when they were not wanted any more."""
    claims = conversation.withdrawn if conversation.claim is None else (conversation.claim, *conversation.withdrawn)
    return {claim.identity.casefold() for claim in claims}


def _known_workers(conversation: Conversation) -> set[ParticipantSid]:
    """The participants who are known to be workers, those about to be removed among them."""
    return {worker.participant_sid for worker in (*conversation.workers, *conversation.leaving)}

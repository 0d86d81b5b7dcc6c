"""Replays: a fact is known again by its key in the inbox, or by what history has of it, which is kept for ever.

What nearly every webhook tells leaves no key at all: a conversation begins and ends, a customer writes. A row for each
would lie at a place of its own, SIDs being random, and cost as much as the decision (docs/decisions/0012). Other keys
are pruned, and Twilio signs no time: whoever has captured a webhook can tell it again years later.

Nearly no webhook pays for that either: history is asked only where a key is unknown, and then about a message below the
index that was read to, about the beginning of a conversation that was heard of, or in one old enough for keys of it to
have been pruned.
"""

from states.events import ConversationClosed, ConversationStarted, Event
from states.facts import Fact, MessagePublished, ParticipantGone, ParticipantPresent
from storage.codec import encoded_field
from storage.past import has_decided
from storage.pruning import KEYS_LIVE_MS
from storage.unit import Stored, Unit


def needs_no_key(fact: Fact | Event) -> bool:
    """Whether a fact that was decided is known again without a key, however young."""
    return isinstance(fact, ConversationStarted | ConversationClosed | MessagePublished)


def was_taken(unit: Unit, stored: Stored, fact: Fact | Event) -> bool:
    """Whether a fact whose key is unknown was taken in before. A fact that the machine had nothing to decide about
    (our own message, a customer who leaves) is not known again; nor is there anything to decide about it now."""
    match fact:
        case ConversationClosed():
            return stored.conversation.state == "closed"
        case MessagePublished():
            # What was taken in has been read past; the next message never was.
            return fact.index < stored.next_index and _was_message_taken(unit, stored, fact)
        case ConversationStarted():
            is_heard_of = stored.conversation.version > 0
            return is_heard_of and has_decided(unit, stored.conversation.sid, ["conversation_started"])
        case _:
            is_old = stored.conversation.created_at <= unit.now - KEYS_LIVE_MS
            return is_old and _was_taken(unit, stored.conversation.sid, fact)


def _was_message_taken(unit: Unit, stored: Stored, fact: MessagePublished) -> bool:
    """A worker's messages are not in history, and who he was, TaskRouter may have forgotten; that he joined is."""
    sid, author = stored.conversation.sid, fact.participant_sid
    if has_decided(unit, sid, ["message_received"], encoded_field("message_sid", fact.message_sid)):
        return True
    return author is not None and has_decided(unit, sid, ["worker_joined"], encoded_field("participant_sid", author))


def _was_taken(unit: Unit, sid: str, fact: Fact | Event) -> bool:
    match fact:
        case ParticipantPresent(participant_sid=who):
            joined = ["customer_joined", "worker_joined"]
            return has_decided(unit, sid, joined, encoded_field("participant_sid", who))
        case ParticipantGone(participant_sid=who):
            return has_decided(unit, sid, ["worker_left"], encoded_field("participant_sid", who))
        case _:
            return False

"""Messages that were published twice, which must not be: each is counted, and logged for somebody to be woken by.

Twilio has no idempotency key for creating a message, so one that it carries out later than the quiet period stands in
the conversation beside its repetition. No webhook tells of it: each message of ours is held against its effect where it
is listed, and again where the effect is settled.
"""

from collections.abc import Iterable, Sequence

import structlog

from orchestrator.metrics import DUPLICATES
from orchestrator.ports import Published
from storage import outbox
from storage.lanes import Due
from storage.unit import Unit

log = structlog.get_logger()


def listed_twice(unit: Unit, conversation_sid: str, ours: Sequence[Published]) -> list[str]:
    """The effect keys of those of our messages that another message with the same key precedes.

    `ours`: the tagged messages of a look. What was accounted for before the look was held against its effect then; a
    key that is no effect of this database says nothing.
    """
    stored = unit.conversation(conversation_sid)
    read_to = 0 if stored is None else stored.next_index
    tagged = [message for message in ours if message.index >= read_to]
    authors = outbox.authors(unit, {message.tag for message in tagged if message.tag is not None})
    # A customer in a chat may tag what he writes as he likes: only the effect's author writes its message.
    fresh = [message for message in tagged if message.tag is not None and authors.get(message.tag) == message.author]
    made = outbox.results(unit, {message.tag for message in fresh if message.tag is not None})
    twice = []
    for message in fresh:
        if message.tag is None or message.tag not in made:
            continue
        if made[message.tag] is None:
            outbox.note_result(unit, message.tag, message.message_sid, message.index)
            made[message.tag] = message.message_sid
        elif made[message.tag] != message.message_sid:
            twice.append(message.tag)
    return twice


def settled_twice(unit: Unit, due: Due, message_sid: str | None) -> list[str]:
    """The effect's key, if a look has seen another message of it than the one it is now settled with."""
    if due.status_before != "ambiguous" or message_sid is None:
        return []
    made = outbox.results(unit, {due.key})[due.key]
    return [] if made in (None, message_sid) else [due.key]


def alarm(keys: Iterable[str]) -> None:
    """Count messages that were published twice. Call it after the commit that found them."""
    for key in keys:
        DUPLICATES.inc()
        log.critical("effect_duplicated", key=key)

"""Taking in what a look at a conversation found, inside one transaction: under the keys its webhooks would have had.

What the list lacks below an index it has does not exist; who was here before the look and is not among the members has
left; a conversation nobody told of is adopted, with what nobody has answered yet.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from orchestrator.ports import Published
from orchestrator.taking import Report, drain, key_of, read_to, take, take_alone
from states.events import ConversationClosed
from states.facts import MessagePublished, ParticipantGone, ParticipantPresent
from states.names import ParticipantSid
from states.roles import Knowledge, event_of
from storage import codec
from storage.failpoints import reached
from storage.unit import Stored, Unit

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a look at a conversation found. `messages`: all beyond the index that was asked for, in order; `members`:
    everybody in it, None if not asked; `gone`: the workers (participant SIDs) who were known to be in it before the
    look and are not: who came meanwhile has not left; `closed`: the record says so; `ours`: those messages that carry
    an effect key; `times`: when messages were published, milliseconds since 1970 by index."""

    conversation_sid: str
    messages: Sequence[MessagePublished] = ()
    members: Sequence[ParticipantPresent] | None = None
    gone: Collection[str] = ()
    closed: bool = False
    service_sid: str | None = None
    ours: Sequence[Published] = ()
    times: Mapping[int, int] = field(default_factory=dict)


def see(
    unit: Unit, sighting: Sighting, known: Knowledge, is_unread: Callable[[int], bool] = lambda _index: True
) -> int:
    """Take in what a look found. Returns how many customer messages were new. Raises Unsure, all undone, where only a
    look at the participants, with a fresh directory, can tell who wrote.

    A conversation that was never heard of before is adopted: only what nobody has answered yet counts as new, of which
    `is_unread` tells by index whether it is ours to answer.
    """
    reached("see")
    sid = sighting.conversation_sid
    stored = unit.open(sid, sighting.service_sid)
    before = stored.conversation.version
    _see_members(unit, stored, sighting, known)
    answered = _answered_before(stored, sighting, known)
    messages = {fact.index: (fact, fact.index <= answered or not is_unread(fact.index)) for fact in sighting.messages}
    for row in unit.waiting(sid) if stored.has_waiting else ():
        if row["due_at"] > unit.now:
            # The message missing before it may be younger than the list, and what has just failed rests.
            continue
        fact = codec.decode(row["event"])
        if isinstance(fact, MessagePublished):
            messages[fact.index] = (fact, False)
        else:
            event_of(fact, stored.conversation, known)
            take_alone(unit, Report(sid, row["key"], fact), known, again=True)
    if sighting.members is not None and sighting.messages:
        # Without a message there may be a list that lags, and somebody in it who came before the first one.
        stored.members_known, stored.dirty = True, True
    times, last_word, new = sighting.times, _last_word(stored, sighting), 0
    for index, found in sorted(messages.items()):
        if index > last_word:
            _see_gone(unit, stored, sighting, known)
        new += _see_message(unit, stored, *found, known, times.get(index))
    _see_gone(unit, stored, sighting, known)
    if sighting.closed:
        take(unit, Report(sid, key_of(ConversationClosed(), sid), ConversationClosed("seen")), known)
    drain(unit, stored, known)
    log.debug("looked", conversation_sid=sid, versions=stored.conversation.version - before, messages=new)
    return new


def _see_members(unit: Unit, stored: Stored, sighting: Sighting, known: Knowledge) -> None:
    if sighting.members is None:
        return
    sid = stored.conversation.sid
    # Customers first: without TaskRouter an identity is told by the channel customer beside it. Whatever waits does so
    # until everybody is known, or a customer would be greeted beside his worker.
    for member in sorted(sighting.members, key=lambda member: member.identity is not None):
        take_alone(unit, Report(sid, key_of(member, sid), member), known, again=True)


def _last_word(stored: Stored, sighting: Sighting) -> int:
    """The index of the last message of a worker who has left: what was written before it was written to him."""
    left = {it.identity.casefold() for it in stored.conversation.workers if it.participant_sid in sighting.gone}
    return max((fact.index for fact in sighting.messages if fact.author.casefold() in left), default=-1)


def _see_gone(unit: Unit, stored: Stored, sighting: Sighting, known: Knowledge) -> None:
    sid = stored.conversation.sid
    for worker in stored.conversation.workers:
        if worker.participant_sid in sighting.gone:
            gone = ParticipantGone(ParticipantSid(worker.participant_sid), worker.identity)
            take(unit, Report(sid, key_of(gone, sid), gone), known)


def _answered_before(stored: Stored, sighting: Sighting, known: Knowledge) -> int:
    """In a conversation adopted just now, the index of the last message that is no customer's; -1 otherwise."""
    if sighting.members is None or stored.members_known or stored.next_index > 0:
        return -1
    others = [f.index for f in sighting.messages if event_of(f, stored.conversation, known) is None]
    return max(others, default=-1)


def _see_message(
    unit: Unit, stored: Stored, fact: MessagePublished, is_old: bool, known: Knowledge, at: int | None
) -> bool:
    """What the list lacks below this index does not exist. Whether this was a new message of a customer."""
    key = key_of(fact, stored.conversation.sid)
    event = event_of(fact, stored.conversation, known)
    if is_old or (event is None and unit.inbox_row(key) is None):
        unit.talk.published(stored.conversation.sid, fact, at)
        read_to(stored, fact.index + 1)
        return False
    if fact.index > stored.next_index:
        read_to(stored, fact.index)
    return take(unit, Report(stored.conversation.sid, key, fact), known, again=True) and event is not None

"""Taking in what is told of a conversation, inside one transaction: inbox key, order, who is who, decide, save.

Messages are taken by index. A gap means an index neither received nor ours; the message behind it waits (300 ms), then
the messages are listed, and what the list lacks does not exist. What cannot be decided yet stands in the inbox as
`waiting` and is taken again by the look it waits for; what raises is tried five times within a minute, then parked.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import structlog
from msgspec.structs import replace

from orchestrator.replays import needs_no_key, was_taken
from states.decide import decide
from states.events import ConversationClosed, ConversationStarted, Event, MessageReceived
from states.facts import Fact, MessagePublished, ParticipantGone, ParticipantPresent
from states.roles import Knowledge, Unsure, event_of
from storage import codec
from storage.failpoints import reached
from storage.unit import Stored, Unit

log = structlog.get_logger()

GAP_MS = 300
POISON_TRIES = 5
POISON_BACKOFF_MS = 2_000


class Report(NamedTuple):
    """One fact about one conversation under its idempotency key: event type and SID, whoever told it."""

    conversation_sid: str
    key: str
    fact: Fact | Event
    service_sid: str | None = None


def key_of(fact: Fact, sid: str) -> str:
    """The idempotency key a fact has, whether a webhook or a look told it."""
    match fact:
        case MessagePublished():
            return f"onMessageAdded/{fact.message_sid}"
        case ParticipantPresent():
            return f"onParticipantAdded/{fact.participant_sid}"
        case ParticipantGone():
            return f"onParticipantRemoved/{fact.participant_sid}"
        case ConversationStarted():
            return f"onConversationAdded/{sid}"
        case ConversationClosed():
            return f"closed/{sid}"


def take(unit: Unit, report: Report, known: Knowledge, *, again: bool = False) -> bool:
    """Take one report in, and what waited for it. False if its key was taken in before; `again`: one that still waits
    is tried again."""
    reached("take")
    taken = take_alone(unit, report, known, again=again)
    if taken:
        drain(unit, unit.open(report.conversation_sid), known)
    return taken


def take_alone(unit: Unit, report: Report, known: Knowledge, *, again: bool) -> bool:
    row = unit.inbox_row(report.key)
    if row is not None and not (again and _may_try(row, unit.now)):
        return False
    stored = unit.open(report.conversation_sid, report.service_sid)
    if row is None and was_taken(unit, stored, report.fact):
        # From now on its key says so again.
        unit.record(**_row_of(stored, report, unit.now), status="done", event="")
        return False
    _note_origin(unit, stored, report.fact)
    tries = 0 if row is None else row["tries"]
    if isinstance(report.fact, MessagePublished):
        _take_message(unit, stored, report, known, tries)
    else:
        _take_other(unit, stored, report, known, tries)
    return True


def _may_try(row: Mapping[str, Any], now: int) -> bool:
    """Whether an event is undecided, and does not rest because it has just failed."""
    return bool(row["status"] == "waiting" and (row["tries"] == 0 or row["due_at"] <= now))


def _take_other(unit: Unit, stored: Stored, report: Report, known: Knowledge, tries: int) -> None:
    try:
        event = event_of(report.fact, stored.conversation, known)
    except Unsure:
        _wait(unit, stored, report, unit.now, "who this is must be looked up", tries)
        return
    _admit(unit, stored, report, event, tries)


def _take_message(unit: Unit, stored: Stored, report: Report, known: Knowledge, tries: int) -> None:
    fact = report.fact
    assert isinstance(fact, MessagePublished)
    try:
        event = event_of(fact, stored.conversation, known)
    except Unsure:
        _wait(unit, stored, report, unit.now, "who wrote must be looked up", tries)
        return
    if event is not None and stored.conversation.state == "greeting" and not (stored.members_known or known.sure):
        _wait(unit, stored, report, unit.now, "who is here must be looked up", tries)
        return
    if _is_gap(unit, stored, fact.index):
        _wait(unit, stored, report, unit.now + GAP_MS, "an earlier message is missing", tries)
        return
    if isinstance(event, MessageReceived):
        event = _in_context(unit, stored, event)
    read_to(stored, fact.index + 1)
    if _admit(unit, stored, report, event, tries) and event is not None:
        snapshot = stored.conversation
        unit.looks.take_off(snapshot.sid, snapshot.address, snapshot.proxy_address)


def _in_context(unit: Unit, stored: Stored, event: MessageReceived) -> MessageReceived:
    """A customer's message with what only the store knows of it: that it came late, and whether he said STOP."""
    if event.index < stored.next_index:
        event = replace(event, late=True)
    stopped = unit.has_stopped(event.author)
    return event if stopped == (event.author in stored.conversation.silenced) else replace(event, stopped=stopped)


def _is_gap(unit: Unit, stored: Stored, index: int) -> bool:
    if index <= stored.next_index:
        return False
    ours = unit.lanes.our_indexes(stored.conversation.sid, stored.next_index, index - 1)
    return len(ours) < index - stored.next_index


def read_to(stored: Stored, next_index: int) -> None:
    if next_index > stored.next_index:
        stored.next_index, stored.dirty = next_index, True


def _admit(unit: Unit, stored: Stored, report: Report, event: Event | None, tries: int = 0) -> bool:
    """Decide and save; an event that raises is kept for another try. Whether it is done."""
    if event is None:
        if isinstance(report.fact, MessagePublished):
            unit.talk.published(stored.conversation.sid, report.fact)
        unit.record(**_row_of(stored, report, unit.now), status="done", event="")
        return True
    try:
        decision = decide(stored.conversation, event, unit.now)
    except Exception as error:
        _keep(unit, stored, report, tries + 1, error)
        return False
    version = unit.apply(stored, decision, event)
    if needs_no_key(report.fact) and unit.inbox_row(report.key) is None:
        return True
    # The history has the event and what kind it is of; the inbox only remembers that its key was taken.
    row = _row_of(stored, report, unit.now)
    row["kind"] = ""
    unit.record(**row, status="done", event="", version=version)
    return True


def _row_of(stored: Stored, report: Report, now: int) -> dict[str, Any]:
    """What every inbox row of a report has."""
    return {
        "key": report.key,
        "conversation_sid": stored.conversation.sid,
        "kind": codec.kind_of(report.fact),
        "received_at": now,
        "message_index": getattr(report.fact, "index", None),
    }


def _keep(unit: Unit, stored: Stored, report: Report, tries: int, error: Exception) -> None:
    parked = tries >= POISON_TRIES
    log.error(
        "event_parked" if parked else "event_failed",
        conversation_sid=stored.conversation.sid,
        key=report.key,
        tries=tries,
        error=type(error).__name__,
    )
    due_at = None if parked else unit.now + POISON_BACKOFF_MS * 2 ** (tries - 1)
    unit.record(
        **_row_of(stored, report, unit.now),
        status="parked" if parked else "waiting",
        event=codec.encode(report.fact),
        due_at=due_at,
        tries=tries,
        last_error=f"{type(error).__name__}: {error}"[:500],
    )
    if not parked:
        stored.has_waiting, stored.dirty = True, True


def _wait(unit: Unit, stored: Stored, report: Report, due_at: int, reason: str, tries: int) -> None:
    unit.record(
        **_row_of(stored, report, unit.now),
        status="waiting",
        due_at=due_at,
        tries=tries,
        event=codec.encode(report.fact),
        last_error=reason,
    )
    stored.has_waiting, stored.dirty = True, True


def drain(unit: Unit, stored: Stored, known: Knowledge) -> None:
    """What waited for an index that is now accounted for is decided at once, in order."""
    if not stored.has_waiting:
        return
    sid = stored.conversation.sid
    rows = unit.waiting(sid)
    for row in rows:
        fact = codec.decode(row["event"])
        if not isinstance(fact, MessagePublished) or row["tries"] or _is_gap(unit, stored, fact.index):
            continue
        _take_message(unit, stored, Report(sid, row["key"], fact), known, 0)
    stored.has_waiting, stored.dirty = bool(unit.waiting(sid)), True


def _note_origin(unit: Unit, stored: Stored, fact: Fact | Event) -> None:
    """A conversation that an inbound message is making has nobody in it but its customer, and the name we gave it."""
    pair = _pair_of(stored, fact)
    if pair is None:
        return
    address, proxy = pair
    if not stored.members_known:
        look = unit.looks.at_pair(address, proxy)
        if look is not None or isinstance(fact, ConversationStarted):
            stored.members_known = stored.dirty = True
        if look is not None and stored.friendly_name is None:
            stored.friendly_name = look.friendly_name
    if isinstance(fact, ConversationStarted):
        stored.friendly_name, stored.dirty = fact.friendly_name, True
    if proxy is not None and not isinstance(fact, MessagePublished):
        _suspect_predecessors(unit, stored.conversation.sid, address, proxy)


def _pair_of(stored: Stored, fact: Fact | Event) -> tuple[str, str | None] | None:
    """The address pair a fact speaks of, its proxy unknown where only the author is told."""
    match fact:
        case ConversationStarted(address=str(address), proxy_address=proxy):
            return address, proxy
        case ParticipantPresent(address=str(address), proxy_address=proxy):
            return address, proxy
        case MessagePublished(author=author) if not stored.members_known:
            return author, stored.conversation.proxy_address
        case _:
            return None


def _suspect_predecessors(unit: Unit, sid: str, address: str, proxy: str) -> None:
    """A pair has one open conversation: another of ours with this pair must have been closed, so it is looked at."""
    for other in unit.open_with_pair(address, proxy):
        if other != sid:
            unit.looks.add(due_at=unit.now, conversation_sid=other, whole=True)


def advance_past_ours(unit: Unit, sid: str, index: int, known: Knowledge) -> None:
    """A message of ours was published at `index`: what waited for it may go on."""
    stored = unit.conversation(sid)
    if stored is None:
        return
    if index == stored.next_index:
        read_to(stored, index + 1)
    drain(unit, stored, known)


def admit_result(unit: Unit, sid: str, key: str, event: Event) -> None:
    """Take in the result of an effect as an event. One that raises is kept in the inbox and tried again like any
    other."""
    stored = unit.open(sid)
    try:
        decision = decide(stored.conversation, event, unit.now)
    except Exception as error:
        _keep(unit, stored, Report(sid, f"result/{key}", event), 1, error)
        return
    unit.apply(stored, decision, event)


def admit_act(unit: Unit, stored: Stored, key: str, event: Event) -> None:
    """Take in what somebody did who is signed in, under the key of his request. What the table raises passes through:
    he is there to be told."""
    decision = decide(stored.conversation, event, unit.now)
    version = unit.apply(stored, decision, event)
    note_act(unit, stored.conversation.sid, key, version)


def note_act(unit: Unit, sid: str, key: str, version: int | None = None) -> None:
    """Remember the key of a request that was carried out."""
    times = {"received_at": unit.now, "message_index": None, "version": version}
    unit.record(key=key, conversation_sid=sid, kind="", status="done", event="", **times)

"""Intake: `accept` a report, `expect` a message, `see` what a look found, `settle` an effect, each in one transaction.

Handlers wait here for the store and for nobody else. What falls due later is a hint to the looker; the store is the
truth.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from orchestrator import doubles
from orchestrator.directory import Directory
from orchestrator.logs import printable
from orchestrator.seeing import Sighting, see
from orchestrator.taking import Report, admit_result, advance_past_ours, take
from states.effects import SendMessage, SendTemplate
from states.events import CustomerOptedOut, Event, WorkerJoined
from states.facts import MessagePublished, ParticipantPresent
from states.names import MessageSid
from states.roles import awaited
from storage import codec
from storage.failpoints import reached
from storage.lanes import Due, is_shared
from storage.talk import OPTED_OUT, Receipt
from storage.unit import About, Unit
from storage.writer import Batches

EventMaker = Callable[[Unit], Event | None]
Result = Event | Report


class Expected(NamedTuple):
    """What a pre-action event announces: a message in a conversation, or a new conversation of an address pair."""

    conversation_sid: str | None = None
    service_sid: str | None = None
    address: str | None = None
    proxy_address: str | None = None
    friendly_name: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt at an effect ended: its row's new status, and the event it is for the machine, if it is one.

    `event` may be made inside the transaction, where a choice must be made and claimed at once; it is a report
    where others may tell the same fact. `index`: where our message stands in the conversation. `retry_at` in
    milliseconds, for what is not final."""

    status: str
    event: Result | EventMaker | None = None
    result_sid: str | None = None
    index: int | None = None
    error: str | None = None
    retry_at: int | None = None


class Intake:
    """The one way in. `grace_ms`: how long a pre-action event waits for its post-action twin."""

    def __init__(self, writer: Batches, directory: Directory, grace_ms: int) -> None:
        self._writer = writer
        self._directory = directory
        self._grace_ms = grace_ms
        self.on_due: Callable[[int], None] = lambda _due_at: None

    async def accept(self, report: Report, deadline: float | None = None) -> bool:
        """Take a report in; False if its key was known. Raises StorageError when it could not be committed, and
        TimeoutError when it was not until `deadline` (by the loop's clock)."""
        known = self._directory.knowledge()

        def work(unit: Unit) -> tuple[bool, bool]:
            fresh = take(unit, report, known)
            stored = unit.conversation(report.conversation_sid)
            return fresh, stored is not None and stored.has_waiting

        fresh, waits = await self._writer.run(work, _about(report), deadline)
        if waits:
            self.on_due(self._writer.now())
        return fresh

    async def note(self, key: str, kind: str, conversation_sid: str, deadline: float | None = None) -> None:
        """Record an event that the machine has nothing to decide about. `deadline`: as above."""

        def work(unit: Unit) -> None:
            if unit.inbox_row(key) is None:
                _note(unit, key, kind, conversation_sid)

        await self._writer.run(work, About(key=key), deadline)

    async def deliver(self, receipt: Receipt, key: str, deadline: float | None = None) -> None:
        """Take in how far a message got, which needs no key: told again it is no news. One that Twilio held back
        because the customer said STOP tells so of him, once under its `key`. `deadline`: as above."""
        if receipt.error_code != OPTED_OUT:
            await self._writer.run(lambda unit: unit.talk.reached(receipt), deadline=deadline)
            return
        sid = receipt.conversation_sid

        def work(unit: Unit) -> None:
            unit.talk.reached(receipt)
            if unit.inbox_row(key) is None:
                if unit.conversation(sid) is not None:
                    admit_result(unit, sid, key, CustomerOptedOut(f"error {OPTED_OUT}"))
                _note(unit, key, "onDeliveryUpdated", sid)

        await self._writer.run(work, About(sid, key), deadline)

    async def expect(self, expected: Expected, deadline: float | None = None) -> None:
        """Leave a look, due after the grace, for the message a pre-action event announces. Whoever gives up waiting has
        not given the name, though the look may still be stored."""
        awaited = True

        def work(unit: Unit) -> int:
            reached("expect")
            due_at = unit.now + self._grace_ms
            unit.looks.add(
                due_at=due_at,
                conversation_sid=expected.conversation_sid,
                service_sid=expected.service_sid,
                address=expected.address,
                proxy_address=expected.proxy_address,
                friendly_name=expected.friendly_name if awaited else None,
            )
            return due_at

        try:
            due_at = await self._writer.run(work, None, deadline)
        except (asyncio.CancelledError, TimeoutError):
            awaited = False
            raise
        self.on_due(due_at)

    async def see(
        self, sighting: Sighting, *, sure: bool, is_unread: Callable[[int], bool] = lambda _index: True
    ) -> int:
        """Take in what a look found; how many customer messages were new. `sure`: the directory is fresh and the
        participants were looked at. Raises Unsure, nothing taken in, where that is needed and was not done."""
        known = self._directory.knowledge(sure=sure)

        def work(unit: Unit) -> tuple[int, list[str]]:
            twice = doubles.listed_twice(unit, sighting.conversation_sid, sighting.ours)
            return see(unit, sighting, known, is_unread), twice

        new, twice = await self._writer.run(work, About(sighting.conversation_sid))
        doubles.alarm(twice)
        return new

    async def settle(self, due: Due, outcome: Outcome) -> None:
        """Close or postpone an outbox row and take in its result, in one transaction; once, however often it is
        called."""
        known = self._directory.knowledge()

        def work(unit: Unit) -> list[str]:
            reached("settle", due.kind)
            if not unit.lanes.runs(due):
                return []
            twice = doubles.settled_twice(unit, due, outcome.result_sid)
            retry_at = None if _is_over(unit, due) else outcome.retry_at
            final = retry_at is None
            unit.lanes.close(
                due,
                status=outcome.status if retry_at == outcome.retry_at else "skipped",
                due_at=unit.now if retry_at is None else retry_at,
                done_at=unit.now if final else None,
                result_sid=outcome.result_sid,
                result_index=outcome.index,
                last_error=None if outcome.error is None else printable(outcome.error),
            )
            result = outcome.event(unit) if callable(outcome.event) else outcome.event
            if isinstance(result, Report):
                if not take(unit, result, known):
                    _bring_back(unit, due, result)
            elif result is not None:
                admit_result(unit, due.conversation_sid, due.key, result)
            if outcome.index is not None:
                _note_sent(unit, due, outcome)
                advance_past_ours(unit, due.conversation_sid, outcome.index, known)
            return twice

        shared = due.lane if is_shared(due.lane) else None
        about = About(due.conversation_sid, effect=due.key, assigns=callable(outcome.event), lock=shared)
        doubles.alarm(await self._writer.run(work, about))


def _note(unit: Unit, key: str, kind: str, sid: str) -> None:
    told = {"key": key, "conversation_sid": sid, "kind": kind, "event": ""}
    unit.record(**told, status="done", received_at=unit.now, message_index=None)


def _about(report: Report) -> About:
    address = getattr(report.fact, "address", None) or getattr(report.fact, "author", None)
    return About(report.conversation_sid, report.key, address=address)


def _bring_back(unit: Unit, due: Due, report: Report) -> None:
    """A worker was to be added who is there still, for he could not be removed before: it is known when he joined, and
    that he has joined now is not."""
    stored, fact = unit.conversation(report.conversation_sid), report.fact
    if stored is None or not isinstance(fact, ParticipantPresent) or fact.identity is None:
        return
    if (
        fact.identity.casefold() in awaited(stored.conversation)
        and fact.participant_sid not in stored.conversation.gone
    ):
        admit_result(unit, due.conversation_sid, due.key, WorkerJoined(fact.identity, fact.participant_sid))


def _note_sent(unit: Unit, due: Due, outcome: Outcome) -> None:
    """A message of ours stands in the conversation: nobody but this effect may ever tell."""
    effect = codec.decode(due.payload)
    is_ours = isinstance(effect, SendMessage | SendTemplate)
    if is_ours and outcome.index is not None and outcome.result_sid is not None:
        pictures = int(isinstance(effect, SendMessage) and effect.media is not None)
        sent = MessagePublished(MessageSid(outcome.result_sid), outcome.index, effect.author, effect.body, pictures)
        unit.talk.published(due.conversation_sid, sent, effect_key=due.key)


def _is_over(unit: Unit, due: Due) -> bool:
    """Whether the conversation an effect is for has closed while it ran; a worker's time is written all the same."""
    stored = unit.conversation(due.conversation_sid)
    return stored is not None and stored.conversation.state == "closed" and due.lane.startswith(due.conversation_sid)

"""Performing one effect through its port, and what its success means to the machine."""

import asyncio
from dataclasses import dataclass, field
from typing import assert_never

from orchestrator.adapters.guarded_crm import GuardedCrm
from orchestrator.assigning import assign_known, assign_longest_idle, assign_named
from orchestrator.bots.contract import tidied
from orchestrator.directory import Directory
from orchestrator.errors import Ambiguous, EffectError, NotProcessed, NotSent, Rejected
from orchestrator.flexing import FlexDesk, refuse
from orchestrator.intake import Outcome
from orchestrator.ports import Bot, Conversations, Published, Question, Workers
from orchestrator.returning import Returning
from orchestrator.taking import Report, key_of
from orchestrator.waiting_room import assign_waiting
from states.effects import (
    AddParticipant,
    AskBot,
    CloseConversation,
    CloseInFlex,
    CopyToFlex,
    Effect,
    FindCustomer,
    FindLast,
    FindLongestIdle,
    FindWorker,
    InviteFlex,
    LeaveNote,
    OpenInFlex,
    ReadFlex,
    RelayToFlex,
    RemoveParticipant,
    SendMessage,
    SendTemplate,
    SetFriendlyName,
    SetParticipantAttributes,
    SetWorkerAttributes,
)
from states.events import (
    BotReplied,
    ConversationClosed,
    CustomerFound,
    Event,
    LastWorkerAway,
    NobodyAvailable,
    NoSuchWorker,
)
from states.facts import ParticipantGone, ParticipantPresent
from states.names import ParticipantSid
from states.texts import primary
from storage import codec, notes, outbox, past
from storage.failpoints import reached
from storage.lanes import Due
from storage.reach import hindrance
from storage.unit import Unit
from storage.writer import Batches

# A list may lag behind what was written; a second look after this long is believed.
SECOND_PROBE_S = 5.0
# What leaves this soon after it was decided was decided knowing what the customer wanted.
PROMPT_MS = 200
# How long an effect may wait for its turn after it was marked running, and still count as sent when it was.
TURN_S = 1.0


@dataclass(frozen=True, slots=True)
class Performer:
    """Everything effects are performed through. `quiet_s`: the wait after an ambiguous call; `timeout_s`: how long one
    call may take; `unspoken`: languages the program could speak and is not to."""

    conversations: Conversations
    workers: Workers | None
    directory: Directory
    bot: Bot
    crm: GuardedCrm
    writer: Batches
    quiet_s: float
    timeout_s: float = 8.0
    unspoken: frozenset[str] = frozenset()
    flex: FlexDesk | None = None
    returning: Returning = field(kw_only=True)

    async def perform(self, due: Due, effect: Effect) -> Outcome:
        """Carry one effect out. Raises EffectError, BotUnusable or CrmUnavailable when that did not succeed."""
        match effect:
            case SendMessage() | SendTemplate():
                return await self._send(due, effect)
            case AddParticipant():
                return await self._add_participant(due, effect)
            case RemoveParticipant():
                return await self._remove_participant(due, effect)
            case CloseConversation():
                return await self._close_conversation(due)
            case AskBot():
                return await self._ask_bot(due, effect)
            case FindWorker():
                return await self._find_worker(due, effect)
            case FindLast():
                return await self._find_last(due, effect)
            case FindLongestIdle():
                return await self._find_longest_idle(due, effect)
            case FindCustomer():
                return await self._find_customer(effect)
            case SetFriendlyName():
                return await self._set_friendly_name(due, effect)
            case SetParticipantAttributes():
                return await self._set_participant_attributes(due, effect)
            case SetWorkerAttributes():
                return await self._set_worker_attributes(effect)
            case LeaveNote():
                return _note(due, effect)
            case OpenInFlex() | CopyToFlex() | InviteFlex() | RelayToFlex() | ReadFlex() | CloseInFlex():
                return await (refuse(due) if self.flex is None else self.flex.perform(due, effect))
            case _:
                assert_never(effect)

    async def _send(self, due: Due, effect: SendMessage | SendTemplate) -> Outcome:
        """Twice is too often: after an ambiguous attempt the message is looked for before it is sent again."""
        if due.status_before == "ambiguous":
            reached("probe", due.kind)
            found = await self._find_sent(due, effect.author)
            if found is not None:
                return Outcome("done", result_sid=found.message_sid, index=found.index)
        reason = await self._hindrance(due, isinstance(effect, SendTemplate))
        if reason is not None:
            return Outcome("skipped", error=reason)
        is_late = due.status_before == "ambiguous" or self._age_s(due) > TURN_S
        if is_late and not await self.writer.run(lambda unit: outbox.restamp(unit, due)):
            raise NotSent("another replica has taken this over")
        sent = await self._publish(due, effect)
        return Outcome("done", result_sid=sent.message_sid, index=sent.index)

    async def _publish(self, due: Due, effect: SendMessage | SendTemplate) -> Published:
        sid, key, scope = due.conversation_sid, due.key, due.service_sid
        if isinstance(effect, SendMessage):
            return await self.conversations.send_message(sid, effect.body, key, scope, effect.author, effect.media)
        return await self.conversations.send_template(
            sid, effect.content_sid, effect.variables, key, scope, effect.author
        )

    async def _hindrance(self, due: Due, is_template: bool) -> str | None:
        """Why a message is not to leave any more: the customer may have said STOP since it was decided."""
        was_started_at_once = due.attempts == 1 and due.intent_at == due.created_at
        if was_started_at_once and self.writer.now() - due.created_at <= PROMPT_MS:
            return None
        return await self.writer.run(lambda unit: hindrance(unit, due.conversation_sid, is_template))

    async def _find_sent(self, due: Due, author: str) -> Published | None:
        """Look for the message of an earlier attempt, a second time where it is not found and a list may still lack
        what was carried out at the end of the quiet period.

        Raises NotProcessed where there was no answer: a look that failed leaves no more doubt than there was, and needs
        no quiet period.
        """
        sid, scope = due.conversation_sid, due.service_sid
        pause_s = min(SECOND_PROBE_S, self.quiet_s / 4)
        is_listed = self._age_s(due) > TURN_S + self.timeout_s + self.quiet_s + pause_s
        try:
            found = await self.conversations.find_sent(sid, due.key, due.after_index, scope, author)
            if found is None and not is_listed:
                await asyncio.sleep(pause_s)
                found = await self.conversations.find_sent(sid, due.key, due.after_index, scope, author)
        except Ambiguous as error:
            raise NotProcessed(f"not looked for: {error}") from error
        return found

    async def _add_participant(self, due: Due, effect: AddParticipant) -> Outcome:
        """An attempt whose answer was lost may have added him, and by now he may have been seen, and have left."""
        if due.attempts > 1 and await self.writer.run(lambda unit: _has_come(unit, due, effect.identity)):
            return Outcome("done")
        member = await self.conversations.add_participant(due.conversation_sid, effect.identity, due.service_sid)
        fact = ParticipantPresent(ParticipantSid(member.participant_sid), effect.identity)
        report = Report(due.conversation_sid, key_of(fact, due.conversation_sid), fact)
        return Outcome("done", report, result_sid=member.participant_sid)

    async def _remove_participant(self, due: Due, effect: RemoveParticipant) -> Outcome:
        await self.conversations.remove_participant(due.conversation_sid, effect.participant_sid, due.service_sid)
        fact = ParticipantGone(effect.participant_sid, effect.identity)
        return Outcome("done", Report(due.conversation_sid, key_of(fact, due.conversation_sid), fact))

    async def _close_conversation(self, due: Due) -> Outcome:
        sid = due.conversation_sid
        await self.conversations.close_conversation(sid, due.service_sid)
        fact = ConversationClosed("asked")
        return Outcome("done", Report(sid, key_of(fact, sid), fact))

    async def _ask_bot(self, due: Due, effect: AskBot) -> Outcome:
        question = Question(
            due.conversation_sid,
            effect.message_sid,
            effect.author,
            effect.body,
            effect.state,
            effect.tries,
            effect.language,
        )
        answer = tidied(await self.bot.reply(question))
        replied = BotReplied(
            message_sid=effect.message_sid,
            message=answer.message,
            route=answer.route,
            turn=effect.turn,
            identity=answer.identity,
            routable=self.directory.configured,
            flex=self.flex is not None,
            more=answer.more,
            choices=answer.choices or None,
            queue=answer.queue,
            told={name: value for name, value in answer.told.items() if name != "language" or self._is_spoken(value)}
            or None,
            again=answer.again,
            closes=answer.closes,
        )
        return Outcome("done", replied)

    async def _find_worker(self, due: Due, effect: FindWorker) -> Outcome:
        try:
            worker = await self.directory.find(effect.address)
        except Rejected:
            # Nobody can be found in a workspace that refuses to be read.
            worker = None
        if worker is None:
            return Outcome("done", NoSuchWorker(effect.address, effect.turn, effect.quiet))
        return Outcome("done", lambda unit: assign_named(unit, due.conversation_sid, worker, effect.turn))

    async def _find_last(self, due: Due, effect: FindLast) -> Outcome:
        found = await self.returning.find(effect.address, effect.customer_id)
        worker, told = found.worker, found.considered
        if worker is None:
            return Outcome("done", LastWorkerAway(effect.turn, found.name, told))
        return Outcome("done", lambda unit: assign_known(unit, due.conversation_sid, worker, effect.turn, told))

    async def _find_longest_idle(self, due: Due, effect: FindLongestIdle) -> Outcome:
        """TaskRouter silent is nobody known to be available: the customer is told and queued, not left waiting. Who has
        waited is served first."""
        try:
            available = await self.directory.available(effect.queue)
        except EffectError as error:
            return Outcome("done", NobodyAvailable(effect.turn), error=str(error))

        def choose(unit: Unit) -> Event | None:
            assign_waiting(unit, available, effect.queue)
            return assign_longest_idle(unit, due.conversation_sid, available, effect.turn, effect.excluding)

        return Outcome("done", choose)

    async def _find_customer(self, effect: FindCustomer) -> Outcome:
        customer = await self.crm.find_by_address(effect.address)
        if customer is None:
            return Outcome("done")
        language = customer.language if self._is_spoken(customer.language) else None
        found = CustomerFound(customer.customer_id, customer.display_name, customer.avatar, language)
        return Outcome("done", found)

    async def _set_friendly_name(self, due: Due, effect: SetFriendlyName) -> Outcome:
        """The answer to `onConversationAdd` may have given the name already."""
        if due.friendly_name != effect.name:
            await self.conversations.set_friendly_name(due.conversation_sid, effect.name, due.service_sid)
        return Outcome("done")

    async def _set_participant_attributes(self, due: Due, effect: SetParticipantAttributes) -> Outcome:
        await self.conversations.set_participant_attributes(
            due.conversation_sid, effect.participant_sid, effect.address, effect.attributes, due.service_sid
        )
        return Outcome("done")

    async def _set_worker_attributes(self, effect: SetWorkerAttributes) -> Outcome:
        if self.workers is not None:
            await self.workers.set_last_accepted(effect.worker_sid, effect.last_accepted_task_time)
        return Outcome("done")

    def _age_s(self, due: Due) -> float:
        """How long ago the attempt began that is under way or in doubt, in seconds."""
        return (self.writer.now() - due.intent_at) / 1000

    def _is_spoken(self, language: str | None) -> bool:
        return primary(language) not in self.unspoken


def _has_come(unit: Unit, due: Due, identity: str) -> bool:
    """Whether a worker has joined since it was decided to add him."""
    decided_at = int(due.key.split("/")[1])
    who = codec.encoded_field("identity", identity)
    return past.has_decided(unit, due.conversation_sid, ["worker_joined"], who, after=decided_at)


def _note(due: Due, effect: LeaveNote) -> Outcome:
    """A note is written with the outcome, and so once."""

    def noted(unit: Unit) -> None:
        notes.add(unit, due.conversation_sid, effect.author, effect.body, unit.now)

    return Outcome("done", noted)

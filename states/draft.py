"""Draft: one decision being made. Guards and effect writers of the table are its methods.

A writer appends effects or notes what to remember; it does nothing else, so a draft that is dropped has done nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any

from states import calls, texts
from states.conversation import Claim, Conversation, KeyedEffect, Present, Profile
from states.effects import (
    AddParticipant,
    AskBot,
    CloseConversation,
    CloseInFlex,
    Effect,
    FindCustomer,
    FindLast,
    FindLongestIdle,
    FindWorker,
    RemoveParticipant,
    SendMessage,
    SendTemplate,
    SetFriendlyName,
    SetParticipantAttributes,
    SetWorkerAttributes,
)
from states.events import Event, MessageReceived
from states.flexing import Flexing
from states.guards import Guards
from states.marks import writes
from states.names import ParticipantSid, snake_case
from states.policy import chosen, read_choice

# All that a snapshot holds, in the order its class takes it: `dataclasses.replace` costs twice as much.
_fields = attrgetter(*(field.name for field in fields(Conversation)))


@dataclass(slots=True, eq=False)
class Draft(Guards, Flexing):
    """One event against one snapshot. `next` is the snapshot being written, which nobody else has before the decision;
    `row` the row of the table that fired."""

    before: Conversation
    event: Any
    now: int
    state: str
    next: Conversation
    effects: list[KeyedEffect] = field(default_factory=list)
    row: str = ""

    @classmethod
    def of(cls, conversation: Conversation, event: Event, now: int) -> "Draft":
        """A fresh draft; its version is the next one."""
        following = Conversation(*_fields(conversation))
        draft = cls(before=conversation, event=event, now=now, state=conversation.state, next=following)
        draft._note(version=conversation.version + 1, updated_at=now)
        return draft

    def _note(self, **changes: Any) -> None:
        """Write into the next snapshot: a copy for each change would cost more than the whole decision."""
        for name, value in changes.items():
            object.__setattr__(self.next, name, value)

    def _ask_for(self, effect: Effect) -> None:
        key = f"{self.next.sid}/{self.next.version}/{len(self.effects)}"
        self.effects.append(KeyedEffect(key, effect))

    def _remove(self, workers: Sequence[Present]) -> None:
        """Ask for the removal of workers. From now on they serve nobody here, though Twilio has them a while yet."""
        for worker in workers:
            self._ask_for(RemoveParticipant(worker.participant_sid, worker.identity))
        left = {worker.participant_sid for worker in workers}
        staying = tuple(worker for worker in self.next.workers if worker.participant_sid not in left)
        self._note(workers=staying, leaving=(*self.next.leaving, *workers))

    def _forget_withdrawn(self, identity: str) -> None:
        withdrawn = self._withdrawn(identity)
        self._note(withdrawn=tuple(claim for claim in self.next.withdrawn if claim is not withdrawn))

    def _say(self, text: str) -> None:
        """Nothing, to a customer who has said STOP, whatever row it is that speaks."""
        for part in texts.parts(text) if not self.next.silenced else ():
            self._ask_for(SendMessage(part))

    def _say_own(self, name: str) -> None:
        """Say something in the program's own name, in the customer's language."""
        self._say(texts.own(name, self.next.language))

    @property
    def trigger(self) -> str:
        """The event's name in the table."""
        return snake_case(type(self.event).__name__)

    # Writers

    @writes(SendMessage)
    def welcome(self) -> None:
        """Greet the customer."""
        self._say_own("welcome")

    @writes(SendMessage)
    def say_help(self) -> None:
        """Say what this is, and how to get out of it."""
        self._say_own("help")

    def silence(self) -> None:
        """Say nothing any more to whoever said STOP."""
        his = self.event.author if isinstance(self.event, MessageReceived) else self.next.address
        if his is not None and his not in self._silenced():
            self._note(silenced=(*self._silenced(), his))

    def speak_again(self) -> None:
        """Whoever said START is spoken to again."""
        self._note(silenced=tuple(address for address in self._silenced() if address != self.event.author))

    def forget_silence(self) -> None:
        """Whoever said START elsewhere is spoken to here too."""
        self._note(silenced=tuple(address for address in self.next.silenced if address != self.event.address))

    @writes(AskBot)
    def ask_bot(self) -> None:
        """Put the customer's message to the bot."""
        event, kept = self.event, self.next
        self._ask_for(
            AskBot(
                event.message_sid,
                event.author,
                chosen(event.body, kept.offered),
                "awaiting_choice",
                kept.turn,
                kept.asked,
                kept.language,
            )
        )
        self._note(asked=kept.asked + 1)

    @writes(FindCustomer)
    def find_customer(self) -> None:
        """Ask the CRM, once, as soon as an address is known."""
        if not self.next.enriching and self.next.address is not None:
            self._ask_for(FindCustomer(self.next.address))
            self._note(enriching=True)

    def note_pair(self) -> None:
        """Remember the address pair."""
        event, kept = self.event, self.next
        self._note(
            address=kept.address or event.address,
            proxy_address=kept.proxy_address or event.proxy_address,
        )

    def note_customer_participant(self) -> None:
        """Remember the first customer participant."""
        event, kept = self.event, self.next
        if kept.customer_sid is None:
            self._note(
                customer_sid=event.participant_sid,
                address=kept.address or event.address or event.identity,
                proxy_address=kept.proxy_address or event.proxy_address,
            )

    def note_author(self) -> None:
        """Remember who wrote, where no earlier event said it, in which language, and whether he said STOP elsewhere."""
        event, kept = self.event, self.next
        if kept.language is None and event.language is not None:
            self._note(language=event.language)
        if event.stopped is not None:
            self._note(silenced=self._silenced())
        if kept.address is None:
            self._note(address=event.author, customer_sid=kept.customer_sid or event.participant_sid)

    @writes(SendMessage)
    def say_reply(self) -> None:
        """Send what the bot said, one message for each text; what it offers is a list under the last of them."""
        event = self.event
        said = [event.message, *event.more]
        if event.again and not any(said):
            said = [texts.own("ask_again", self.next.language)]
        if event.choices:
            said[-1] = "\n".join(filter(None, [said[-1], texts.numbered(event.choices)]))
        self._note(offered=event.choices or None)
        for text in said:
            self._say(text)

    def note_told(self) -> None:
        """Remember what the bot learned of the customer."""
        told = self.event.told
        if told:
            language = told.get("language", self.next.language)
            self._note(told={**(self.next.told or {}), **told}, language=language)

    def note_queue(self) -> None:
        """Remember in which queue somebody is looked for."""
        self._note(queue=self.event.queue)

    @writes(SendMessage)
    def say_no_routing(self) -> None:
        """Say that nobody can be brought in here at all."""
        self._say_own("no_routing")

    @writes(SendMessage)
    def say_bot_trouble(self) -> None:
        """Apologise for the bot; somebody is looked for."""
        self._say_own("bot_trouble")

    @writes(SendMessage)
    def say_bot_trouble_alone(self) -> None:
        """Apologise for the bot where nobody can be looked for."""
        self._say_own("bot_trouble_alone")

    @writes(SendMessage)
    def say_no_such_worker(self) -> None:
        """Say that nobody has the address, and ask again."""
        self._say_own("no_such_worker")

    @writes(SendMessage)
    def say_not_reachable(self) -> None:
        """Say that it did not work, and what to try next."""
        self._say_own("not_reachable")

    @writes(SendMessage)
    def say_please_wait(self) -> None:
        """Say, once, that the customer is in the queue."""
        self._say_own("please_wait")

    @writes(FindWorker)
    def find_worker(self) -> None:
        """Look for the worker the bot named, or the customer called."""
        self._ask_for(FindWorker(self.event.identity, self.next.turn))

    @writes(CloseInFlex)
    def relieve_flex(self) -> None:
        """If we assigned the worker who joined, Flex is relieved too."""
        if self.was_claimed():
            self.leave_flex()

    @writes(FindWorker)
    def find_worker_quietly(self) -> None:
        """Look for the worker a waiting customer named; say nothing if there is none."""
        asked = self.trigger == "bot_replied"
        named = self.event.identity if asked else read_choice(self.event.body).identity
        self._ask_for(FindWorker(str(named), self.next.turn, quiet=True))

    @writes(SendMessage)
    def say_call_missed(self) -> None:
        """Tell whoever called, in the language spoken with him, that he can write here."""
        self._say(calls.in_language(calls.CALL_MISSED, self.event.language))

    @writes(SendMessage)
    def say_call_not_taken(self) -> None:
        """Tell whoever called that the worker he asked for comes here."""
        self._say(calls.in_language(calls.CALL_NOT_TAKEN, self.event.language))

    @writes(FindWorker)
    def find_called_worker_quietly(self) -> None:
        """Look for the worker a waiting customer called; say nothing if there is none."""
        self._ask_for(FindWorker(self.event.identity, self.next.turn, quiet=True))

    @writes(FindLast)
    def find_last(self) -> None:
        """Look for whom the customer knows."""
        kept = self.next
        customer_id = None if kept.customer is None else kept.customer.customer_id
        self._ask_for(FindLast(kept.turn, kept.address, customer_id))

    @writes(SendMessage)
    def say_last_is_away(self) -> None:
        """Say that whom the customer knows is not there, and that somebody else is looked for."""
        name = self.event.name
        if name is None:
            self._say_own("last_not_found")
        else:
            self._say(texts.own("last_is_away", self.next.language).format(name=name))

    @writes(FindLongestIdle)
    def find_longest_idle(self) -> None:
        """Look for whoever has been idle longest, leaving out who could not be added."""
        self._ask_for(FindLongestIdle(self.next.turn, self.next.refused, self.next.queue))

    @writes(AddParticipant)
    def claim_and_add(self) -> None:
        """Claim the worker and ask Twilio to let him join."""
        event = self.event
        claim = Claim(event.identity, event.worker_sid, event.at_ms, event.named)
        self._note(claim=claim)
        self._ask_for(AddParticipant(event.identity))

    @writes(AddParticipant)
    def claim_relief(self) -> None:
        """Claim the worker and ask Twilio to let him join; who is here now leaves once he has."""
        event = self.event
        here = tuple(worker.participant_sid for worker in self.next.workers)
        self._note(claim=Claim(event.identity, event.worker_sid, event.at_ms, named=False), relieved=here)
        self._ask_for(AddParticipant(event.identity))

    def withdraw_claim(self) -> None:
        """Whoever is on his way is not wanted any more."""
        kept = self.next
        if kept.claim is not None:
            self._note(claim=None, relieved=(), withdrawn=(*kept.withdrawn, kept.claim))

    @writes(RemoveParticipant)
    def turn_away(self) -> None:
        """Take him out again who has joined and is not wanted any more."""
        self._remove([Present(self.event.identity, self.event.participant_sid)])

    @writes(RemoveParticipant)
    def relieve(self) -> None:
        """If we assigned the worker who joined, take those out whom he relieves."""
        if self.was_claimed():
            kept = self.next
            self._remove([worker for worker in kept.workers if worker.participant_sid in self.before.relieved])

    @writes(RemoveParticipant)
    def remove_others(self) -> None:
        """Take everybody out but the worker the customer is given to."""
        wanted = self.event.identity.casefold()
        self._remove([worker for worker in self.next.workers if worker.identity.casefold() != wanted])

    @writes(RemoveParticipant)
    def remove_everybody(self) -> None:
        """Take all workers out."""
        self._remove(self.next.workers)

    @writes(FindLongestIdle)
    def find_somebody_else(self) -> None:
        """Look for whoever has been idle longest, but for those who have just had the customer."""
        had_him = tuple(worker.identity for worker in self.before.workers)
        self._ask_for(FindLongestIdle(self.next.turn, had_him))

    @writes(SendMessage)
    def say_as_worker(self) -> None:
        """Send what the worker wrote, under his identity as the conversation has it, behind his picture."""
        author = self._present(self.event.identity)
        assert author is not None
        if self.event.media is not None:
            self._ask_for(SendMessage("", author.identity, self.event.media))
        for part in texts.parts(self.event.body):
            self._ask_for(SendMessage(part, author.identity))

    @writes(SendTemplate)
    def send_template(self) -> None:
        """Send the template a worker chose, under his identity as the conversation has it."""
        event, author = self.event, self._present(self.event.identity)
        assert author is not None
        self._ask_for(SendTemplate(event.content_sid, event.variables, author.identity, event.name))

    @writes(CloseConversation)
    def close(self) -> None:
        """Close the conversation behind what is still to be said in it."""
        self._ask_for(CloseConversation())

    @writes(SetWorkerAttributes)
    def note_assignment(self) -> None:
        """If we assigned the worker who joined, write the time of it into his attributes."""
        identity = self.event.identity
        claim = self.next.claim if self.was_claimed() else self._withdrawn(identity)
        if claim is not None:
            if claim.worker_sid is not None:
                self._ask_for(SetWorkerAttributes(claim.worker_sid, claim.at_ms))
            self._forget_withdrawn(identity)
        if self.was_claimed():
            self._note(claim=None, relieved=())

    def note_worker(self) -> None:
        """Remember who joined; nobody is waited for any more."""
        event, kept = self.event, self.next
        joined = (*_without(kept.workers, event.participant_sid), Present(event.identity, event.participant_sid))
        leaving = _without(kept.leaving, event.participant_sid)
        self._note(workers=joined, leaving=leaving, waiting_since=None, refused=(), queue=None)

    def forget_worker(self) -> None:
        """Remember that this participant is gone."""
        sid, kept = self.event.participant_sid, self.next
        self._note(
            workers=_without(kept.workers, sid),
            leaving=_without(kept.leaving, sid),
            relieved=tuple(other for other in kept.relieved if other != sid),
            gone=(*kept.gone[-19:], sid),
        )

    def end_bot_turn(self) -> None:
        """What the bot answers from now on to earlier messages is kept and not sent."""
        self._note(turn=self.next.turn + 1, asked=0, offered=None)

    def start_waiting(self) -> None:
        """Queue up; the oldest in the queue is served first."""
        self._note(waiting_since=self.now)

    def stop_routing(self) -> None:
        """Forget what the routing had found out."""
        self._note(claim=None, waiting_since=None, refused=(), relieved=(), queue=None)

    def drop_claim(self) -> None:
        """Nobody is on his way any more, and nobody relieved."""
        self._note(claim=None, relieved=())

    def forget_withdrawn(self) -> None:
        """He who could not be added cannot come any more."""
        self._forget_withdrawn(self.event.identity)

    def refuse_claimed(self) -> None:
        """Leave out the worker who could not be added."""
        claim = self.next.claim
        refused = self.next.refused if claim is None else (*self.next.refused, claim.identity)
        self._note(claim=None, refused=refused, relieved=())

    @writes(SetFriendlyName, SetParticipantAttributes)
    def enrich(self) -> None:
        """Put what the CRM knows where the worker sees it."""
        event, kept = self.event, self.next
        self._note(
            customer=Profile(event.customer_id, event.display_name, event.avatar),
            language=kept.language if event.language is None else event.language,
        )
        self._ask_for(SetFriendlyName(event.display_name[:256]))
        known = {"customer_id": event.customer_id, "display_name": event.display_name, "avatar": event.avatar}
        attributes = {name: value for name, value in known.items() if value is not None}
        self._ask_for(SetParticipantAttributes(kept.customer_sid, kept.address, attributes))

    def following(self) -> Conversation:
        """The next snapshot, in the state the machine has moved to."""
        self._note(state=self.state)
        return self.next


def _without(workers: tuple[Present, ...], sid: ParticipantSid) -> tuple[Present, ...]:
    return tuple(worker for worker in workers if worker.participant_sid != sid)

"""Draft: one decision being made. Guards and effect writers of the table are its methods.

A guard returns exactly True or False. A writer appends effects or notes what to remember; it does nothing else, so a
draft that is dropped has done nothing. Both read the event through the narrow properties at the end of the class.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, TypeVar

from states import texts
from states.conversation import Claim, Conversation, KeyedEffect, Present, Profile
from states.effects import (
    AddParticipant,
    AskBot,
    Effect,
    FindCustomer,
    FindLongestIdle,
    FindWorker,
    SendMessage,
    SetFriendlyName,
    SetParticipantAttributes,
    SetWorkerAttributes,
)
from states.events import Event
from states.names import snake_case
from states.policy import read_choice

Writer = TypeVar("Writer", bound=Callable[["Draft"], None])
# All that a snapshot holds, in the order its class takes it: `dataclasses.replace` costs twice as much.
_fields = attrgetter(*(field.name for field in fields(Conversation)))


def writes(*effects: type) -> Callable[[Writer], Writer]:
    """Say which effects a writer may append, for the diagram and for whoever reads it."""

    def mark(writer: Writer) -> Writer:
        writer.kinds = [snake_case(effect.__name__) for effect in effects]  # type: ignore[attr-defined]
        return writer

    return mark


@dataclass(slots=True, eq=False)
class Draft:
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

    def _say(self, text: str) -> None:
        for part in texts.parts(text):
            self._ask_for(SendMessage(part))

    # Guards

    def bot_names_worker(self) -> bool:
        """The bot answers this turn and names somebody who can be looked up."""
        return self._bot_has_turn() and self.event.route == "email" and self.event.routable is True

    def bot_asks_for_anyone(self) -> bool:
        """The bot answers this turn and wants anybody who is free."""
        return self._bot_has_turn() and self.event.route == "agent" and self.event.routable is True

    def bot_asks_in_vain(self) -> bool:
        """The bot answers this turn and routes, but there is no workspace to route in."""
        return self._bot_has_turn() and self.event.route != "no" and self.event.routable is False

    def bot_has_turn(self) -> bool:
        """The answer belongs to the bot's present turn; one of an earlier turn is kept and not sent."""
        return self._bot_has_turn()

    def bot_has_turn_and_a_way_out(self) -> bool:
        """The bot failed in its present turn, and a worker can be looked for instead."""
        return self._bot_has_turn() and self.event.routable is True

    def late_answer_names_worker(self) -> bool:
        """An answer to what was written before routing began names a worker, and nobody is on his way yet."""
        return self.before.claim is None and self.event.route == "email" and self.event.routable is True

    def text_names_worker(self) -> bool:
        """What the waiting customer wrote holds an email address, and nobody is on his way yet."""
        return self.before.claim is None and read_choice(self.event.body).identity is not None

    def is_late(self) -> bool:
        """Messages with a higher index were decided before this one."""
        return self.event.late is True

    def is_looked_for(self) -> bool:
        """The search is of this stay, and nobody is on his way yet."""
        return self._is_of_this_search() and self.before.claim is None

    def was_asked_aloud(self) -> bool:
        """The customer was told that this worker is being looked for, and nobody else is."""
        return self.is_looked_for() and self.event.quiet is False and self.before.waiting_since is None

    def first_time(self) -> bool:
        """The customer has not been told to wait, and nobody is on his way."""
        return self.is_looked_for() and self.before.waiting_since is None

    def has_left(self) -> bool:
        """This participant's leaving was told before his joining."""
        return self.event.participant_sid in self.before.gone

    def was_claimed(self) -> bool:
        """The worker who joined is the one who was on his way."""
        claim = self.before.claim
        return claim is not None and claim.identity.casefold() == self.event.identity.casefold()

    def nobody_is_left(self) -> bool:
        """The participant who leaves is the last worker."""
        return all(worker.participant_sid == self.event.participant_sid for worker in self.before.workers)

    def anyone_could_not_join(self) -> bool:
        """The longest idle worker could not be added; another may."""
        claim = self.before.claim
        return self.event.effect == "add_participant" and claim is not None and not claim.named

    def routing_failed(self) -> bool:
        """What the routing hung on has failed, and the customer is not in the queue. A search that fails while
        somebody is on his way changes nothing."""
        searching = ("find_worker", "find_longest_idle") if self.before.claim is None else ()
        return self.event.effect in ("add_participant", *searching) and self.before.waiting_since is None

    def claimed_could_not_join(self) -> bool:
        """The worker on his way could not be added; a customer in the queue waits on."""
        return self.event.effect == "add_participant" and self.before.claim is not None

    # Writers

    @writes(SendMessage)
    def welcome(self) -> None:
        """Greet the customer."""
        self._say(texts.WELCOME)

    @writes(AskBot)
    def ask_bot(self) -> None:
        """Put the customer's message to the bot."""
        event = self.event
        self._ask_for(
            AskBot(
                event.message_sid,
                event.author,
                event.body,
                "awaiting_choice",
                self.next.turn,
                self.next.asked,
            )
        )
        self._note(asked=self.next.asked + 1)

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
        """Remember who wrote, where no earlier event said it."""
        event, kept = self.event, self.next
        if kept.address is None:
            self._note(address=event.author, customer_sid=kept.customer_sid or event.participant_sid)

    @writes(SendMessage)
    def say_reply(self) -> None:
        """Send what the bot said."""
        self._say(self.event.message)

    @writes(SendMessage)
    def say_no_routing(self) -> None:
        """Say that nobody can be brought in here at all."""
        self._say(texts.NO_ROUTING)

    @writes(SendMessage)
    def say_bot_trouble(self) -> None:
        """Apologise for the bot; somebody is looked for."""
        self._say(texts.BOT_TROUBLE)

    @writes(SendMessage)
    def say_bot_trouble_alone(self) -> None:
        """Apologise for the bot where nobody can be looked for."""
        self._say(texts.BOT_TROUBLE_ALONE)

    @writes(SendMessage)
    def say_no_such_worker(self) -> None:
        """Say that nobody has the address, and ask again."""
        self._say(texts.NO_SUCH_WORKER)

    @writes(SendMessage)
    def say_not_reachable(self) -> None:
        """Say that it did not work, and what to try next."""
        self._say(texts.NOT_REACHABLE)

    @writes(SendMessage)
    def say_please_wait(self) -> None:
        """Say, once, that the customer is in the queue."""
        self._say(texts.PLEASE_WAIT)

    @writes(FindWorker)
    def find_worker(self) -> None:
        """Look for the worker the bot named."""
        self._ask_for(FindWorker(self.event.identity, self.next.turn))

    @writes(FindWorker)
    def find_worker_quietly(self) -> None:
        """Look for the worker a waiting customer named; say nothing if there is none."""
        asked = self.trigger == "bot_replied"
        named = self.event.identity if asked else read_choice(self.event.body).identity
        self._ask_for(FindWorker(str(named), self.next.turn, quiet=True))

    @writes(FindLongestIdle)
    def find_longest_idle(self) -> None:
        """Look for whoever has been idle longest, leaving out who could not be added."""
        self._ask_for(FindLongestIdle(self.next.turn, self.next.refused))

    @writes(AddParticipant)
    def claim_and_add(self) -> None:
        """Claim the worker and ask Twilio to let him join."""
        event = self.event
        claim = Claim(event.identity, event.worker_sid, event.at_ms, event.named)
        self._note(claim=claim)
        self._ask_for(AddParticipant(event.identity))

    @writes(SetWorkerAttributes)
    def note_assignment(self) -> None:
        """If we assigned the worker who joined, write the time of it into his attributes."""
        claim = self.next.claim
        if claim is not None and self.was_claimed():
            self._ask_for(SetWorkerAttributes(claim.worker_sid, claim.at_ms))
            self._note(claim=None)

    def note_worker(self) -> None:
        """Remember who joined; nobody is waited for any more."""
        event, kept = self.event, self.next
        others = tuple(w for w in kept.workers if w.participant_sid != event.participant_sid)
        joined = (*others, Present(event.identity, event.participant_sid))
        self._note(workers=joined, waiting_since=None, refused=())

    def forget_worker(self) -> None:
        """Remember that this participant is gone."""
        sid, kept = self.event.participant_sid, self.next
        remaining = tuple(w for w in kept.workers if w.participant_sid != sid)
        self._note(workers=remaining, gone=(*kept.gone[-19:], sid))

    def end_bot_turn(self) -> None:
        """What the bot answers from now on to earlier messages is kept and not sent."""
        self._note(turn=self.next.turn + 1, asked=0)

    def start_waiting(self) -> None:
        """Queue up; the oldest in the queue is served first."""
        self._note(waiting_since=self.now)

    def stop_routing(self) -> None:
        """Forget what the routing had found out."""
        self._note(claim=None, waiting_since=None, refused=())

    def drop_claim(self) -> None:
        """Nobody is on his way any more."""
        self._note(claim=None)

    def refuse_claimed(self) -> None:
        """Leave out the worker who could not be added."""
        claim = self.next.claim
        refused = self.next.refused if claim is None else (*self.next.refused, claim.identity)
        self._note(claim=None, refused=refused, waiting_since=self.next.waiting_since)

    @writes(SetFriendlyName, SetParticipantAttributes)
    def enrich(self) -> None:
        """Put what the CRM knows where the worker sees it."""
        event, kept = self.event, self.next
        self._note(customer=Profile(event.customer_id, event.display_name, event.avatar))
        self._ask_for(SetFriendlyName(event.display_name[:256]))
        known = {"customer_id": event.customer_id, "display_name": event.display_name, "avatar": event.avatar}
        attributes = {name: value for name, value in known.items() if value is not None}
        self._ask_for(SetParticipantAttributes(kept.customer_sid, kept.address, attributes))

    def following(self) -> Conversation:
        """The next snapshot, in the state the machine has moved to."""
        self._note(state=self.state)
        return self.next

    # What both read of the event

    @property
    def trigger(self) -> str:
        """The event's name in the table."""
        return snake_case(type(self.event).__name__)

    def _is_of_this_search(self) -> bool:
        """A search that outlived its stay in `routing` decides nothing about a later one."""
        return bool(self.event.turn == self.before.turn)

    def _bot_has_turn(self) -> bool:
        return bool(self.event.turn == self.before.turn)

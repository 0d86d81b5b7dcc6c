"""Guards: what the table asks of an event and the snapshot it meets. Methods of `Draft`, by inheritance.

A guard returns exactly True or False, and reads what was before the event alone: what a row has written by then is no
concern of its guards.
"""

from typing import Any

from states.conversation import Claim, Conversation, Present
from states.events import MessageReceived
from states.keywords import read_keyword
from states.policy import read_choice


class Guards:
    """The questions of the table about `event` and the snapshot `before` it."""

    __slots__ = ()

    before: Conversation
    event: Any

    def bot_names_worker(self) -> bool:
        """The bot answers this turn and names somebody who can be looked up."""
        return self._bot_has_turn() and self.event.route == "email" and self.event.routable is True

    def bot_asks_for_anyone(self) -> bool:
        """The bot answers this turn and wants anybody who is free, in a queue it may name."""
        return self._bot_has_turn() and self.event.route in ("agent", "queue") and self.event.routable is True

    def bot_asks_for_last(self) -> bool:
        """The bot answers this turn and wants the worker the customer talked to last."""
        return self._bot_has_turn() and self.event.route == "last" and self.event.routable is True

    def bot_asks_in_vain(self) -> bool:
        """The bot answers this turn and routes, but there is no workspace to route in, or no Flex."""
        way = self.event.flex if self.event.route == "flex" else self.event.routable
        return self._bot_has_turn() and self.event.route != "no" and way is False

    def bot_closes(self) -> bool:
        """The bot answers this turn, routes nowhere and has nothing more to say."""
        return self._bot_has_turn() and self.event.closes is True and self.event.route == "no"

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

    def says_stop(self) -> bool:
        """The customer wants no more messages on this channel."""
        return read_keyword(self.event.author, self.event.body) == "stop"

    def says_start(self) -> bool:
        """The customer has said STOP before and takes it back."""
        return self.event.author in self._silenced() and read_keyword(self.event.author, self.event.body) == "start"

    def says_help(self) -> bool:
        """The customer asks, by the carriers' word for it, what this is."""
        return not self._silenced() and read_keyword(self.event.author, self.event.body) == "help"

    def is_silenced(self) -> bool:
        """Somebody who would read it has said STOP."""
        return bool(self._silenced())

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

    def is_leaving(self) -> bool:
        """The removal of this participant was asked for, and he is not to come back."""
        leaving = {worker.participant_sid for worker in self.before.leaving}
        return self.event.participant_sid in leaving and not self.was_claimed()

    def is_not_wanted(self) -> bool:
        """The worker who joined was on his way when the customer was given to somebody else, and is not here."""
        here = {worker.participant_sid for worker in self.before.workers}
        is_here = self.event.participant_sid in here
        return self._withdrawn(self.event.identity) is not None and not self.was_claimed() and not is_here

    def nobody_is_left(self) -> bool:
        """The participant who leaves is the last worker, and Flex has not got the customer."""
        return not self._is_in_flex() and all(
            worker.participant_sid == self.event.participant_sid for worker in self.before.workers
        )

    def anyone_could_not_join(self) -> bool:
        """The longest idle worker could not be added; another may."""
        claim = self.before.claim
        return self.event.effect == "add_participant" and claim is not None and not claim.named

    def routing_failed(self) -> bool:
        """What the routing hung on has failed, and the customer is not in the queue. A search that fails while
        somebody is on his way changes nothing."""
        searching = ("find_worker", "find_last", "find_longest_idle") if self.before.claim is None else ()
        return self.event.effect in ("add_participant", *searching) and self.before.waiting_since is None

    def claimed_could_not_join(self) -> bool:
        """The worker on his way could not be added; a customer in the queue waits on, and whoever is there stays."""
        return self.event.effect == "add_participant" and self.before.claim is not None

    def unwanted_could_not_join(self) -> bool:
        """The worker who could not be added is not wanted any more."""
        return self.event.effect == "add_participant" and self._withdrawn(self.event.identity) is not None

    def writer_is_here(self) -> bool:
        """Whoever wrote is with the customer."""
        return self._present(self.event.identity) is not None

    def nobody_is_on_his_way(self) -> bool:
        """No worker is claimed."""
        return self.before.claim is None

    def is_here(self) -> bool:
        """The worker the customer is given to is with him already."""
        return self._present(self.event.identity) is not None

    def caller_wants_worker(self) -> bool:
        """Whoever called asked for a worker, who did not take the call and can be looked for."""
        return self.event.wanted is True and self.event.identity is not None

    def waiting_caller_wants_worker(self) -> bool:
        """The same of a customer who is waiting, while nobody is on his way yet."""
        return self.before.claim is None and self.caller_wants_worker()

    # What guards and writers both ask

    def _is_in_flex(self) -> bool:
        return self.before.flex is not None and self.before.flex.joined

    def _silenced(self) -> tuple[str, ...]:
        """Who has said STOP, as the message tells it of its author where it does."""
        event, known = self.event, self.before.silenced
        if not isinstance(event, MessageReceived) or event.stopped is None:
            return known
        others = tuple(address for address in known if address != event.author)
        return (*others, event.author) if event.stopped else others

    def _present(self, identity: str) -> Present | None:
        """The worker of this identity who is with the customer."""
        return next((it for it in self.before.workers if it.identity.casefold() == identity.casefold()), None)

    def _withdrawn(self, identity: str | None) -> Claim | None:
        """The oldest claim of this identity that was withdrawn while he was on his way."""
        withdrawn = self.before.withdrawn if identity is not None else ()
        return next((it for it in withdrawn if it.identity.casefold() == str(identity).casefold()), None)

    def _is_of_this_search(self) -> bool:
        """A search that outlived its stay in `routing` decides nothing about a later one."""
        return bool(self.event.turn == self.before.turn)

    def _bot_has_turn(self) -> bool:
        return bool(self.event.turn == self.before.turn)

"""A worker is looked for, claimed and awaited, or nobody is any more."""

from states.conversation import Claim
from states.effects import AddParticipant, FindLast, FindLongestIdle, FindWorker
from states.events import BotReplied
from states.marks import writes
from states.policy import read_choice
from states.writers.pen import Pen


class Searching(Pen):
    """The routing, from the search to the claim."""

    __slots__ = ()

    @writes(FindWorker)
    def find_worker(self) -> None:
        """Look for the worker the bot named, or the customer called."""
        self._ask_for(FindWorker(self.event.identity, self.next.turn))

    @writes(FindWorker)
    def find_worker_quietly(self) -> None:
        """Look for the worker a waiting customer named; say nothing if there is none."""
        asked = isinstance(self.event, BotReplied)
        named = self.event.identity if asked else read_choice(self.event.body).identity
        self._ask_for(FindWorker(str(named), self.next.turn, quiet=True))

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

    @writes(FindLongestIdle)
    def find_longest_idle(self) -> None:
        """Look for whoever has been idle longest, leaving out who could not be added."""
        self._ask_for(FindLongestIdle(self.next.turn, self.next.refused, self.next.queue))

    @writes(FindLongestIdle)
    def find_somebody_else(self) -> None:
        """Look for whoever has been idle longest, but for those who have just had the customer."""
        had_him = tuple(worker.identity for worker in self.before.workers)
        self._ask_for(FindLongestIdle(self.next.turn, had_him))

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

    def drop_claim(self) -> None:
        """Nobody is on his way any more, and nobody relieved."""
        self._note(claim=None, relieved=())

    def refuse_claimed(self) -> None:
        """Leave out the worker who could not be added."""
        claim = self.next.claim
        refused = self.next.refused if claim is None else (*self.next.refused, claim.identity)
        self._note(claim=None, refused=refused, relieved=())

    def forget_withdrawn(self) -> None:
        """He who could not be added cannot come any more."""
        self._forget_withdrawn(self.event.identity)

    def start_waiting(self) -> None:
        """Queue up; the oldest in the queue is served first."""
        self._note(waiting_since=self.now)

    def stop_routing(self) -> None:
        """Forget what the routing had found out."""
        self._note(claim=None, waiting_since=None, refused=(), relieved=(), queue=None)

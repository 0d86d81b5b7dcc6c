"""Workers are with the customer: they join, write, relieve one another and leave; somebody closes."""

from collections.abc import Sequence

from states import texts
from states.conversation import Present
from states.effects import (
    CloseConversation,
    RemoveParticipant,
    SendMessage,
    SendTemplate,
    SetWorkerAttributes,
)
from states.marks import writes
from states.names import ParticipantSid
from states.writers.pen import Pen


class Attending(Pen):
    """What workers do here, and what is done about them."""

    __slots__ = ()

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

    def _remove(self, workers: Sequence[Present]) -> None:
        """Ask for the removal of workers. From now on they serve nobody here, though Twilio has them a while yet."""
        for worker in workers:
            self._ask_for(RemoveParticipant(worker.participant_sid, worker.identity))
        left = {worker.participant_sid for worker in workers}
        staying = tuple(worker for worker in self.next.workers if worker.participant_sid not in left)
        self._note(workers=staying, leaving=(*self.next.leaving, *workers))


def _without(workers: tuple[Present, ...], sid: ParticipantSid) -> tuple[Present, ...]:
    return tuple(worker for worker in workers if worker.participant_sid != sid)

"""What every writer of the table writes with: it notes what to remember, and asks for effects."""

from typing import Any

from msgspec.structs import force_setattr

from states import texts
from states.conversation import Conversation, KeyedEffect
from states.effects import Effect, SendMessage
from states.guards import Guards


class Pen(Guards):
    """The event, the snapshot it meets, the one being written, and the effects asked for."""

    __slots__ = ()

    before: Conversation
    next: Conversation
    event: Any
    now: int
    effects: list[KeyedEffect]

    def _note(self, **changes: Any) -> None:
        """Write into the next snapshot: a copy for each change would cost more than the whole decision."""
        for name, value in changes.items():
            force_setattr(self.next, name, value)

    def _ask_for(self, effect: Effect) -> None:
        key = f"{self.next.sid}/{self.next.version}/{len(self.effects)}"
        self.effects.append(KeyedEffect(key, effect))

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

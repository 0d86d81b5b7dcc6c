"""Draft: one decision being made. Guards and effect writers of the table are its methods.

A writer appends effects or notes what to remember; it does nothing else, so a draft that is dropped has done nothing.
"""

from copy import copy
from dataclasses import dataclass, field
from typing import Any

from states.conversation import Conversation, KeyedEffect
from states.events import Event
from states.flexing import Flexing
from states.names import snake_case
from states.writers.customer import Knowing
from states.writers.presence import Attending
from states.writers.search import Searching
from states.writers.talk import Talking


@dataclass(slots=True, eq=False)
class Draft(Talking, Knowing, Searching, Attending, Flexing):
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
        draft = cls(before=conversation, event=event, now=now, state=conversation.state, next=copy(conversation))
        draft._note(version=conversation.version + 1, updated_at=now)
        return draft

    @property
    def trigger(self) -> str:
        """The event's name in the table."""
        return snake_case(type(self.event).__name__)

    def following(self) -> Conversation:
        """The next snapshot, in the state the machine has moved to."""
        self._note(state=self.state)
        return self.next

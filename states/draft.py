"""Draft: one decision being made. Guards and effect writers of the table are its methods.

A writer appends effects or notes what to remember; it does nothing else, so a draft that is dropped has done nothing.
"""

from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

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
    `trigger` the event's name in the table, `row` the row of it that fired."""

    before: Conversation
    event: Any
    now: int
    state: str
    next: Conversation
    trigger: str
    effects: list[KeyedEffect] = field(default_factory=list)
    row: str = ""

    @classmethod
    def of(cls, conversation: Conversation, event: Event, now: int) -> "Draft":
        """A fresh draft; its version is the next one."""
        following = replace(conversation, version=conversation.version + 1, updated_at=now)
        return cls(conversation, event, now, conversation.state, following, snake_case(type(event).__name__))

    def following(self) -> Conversation:
        """The next snapshot, in the state the machine has moved to."""
        self._note(state=self.state)
        return self.next

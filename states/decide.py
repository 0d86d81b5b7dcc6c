"""The one Machine, and `decide(conversation, event, now) -> Decision`.

One synchronous `transitions` machine serves every conversation: it is driven with a throwaway `Draft`, which it never
comes to know (`events[trigger].trigger(draft)` needs no registration), so a decision leaves no trace in it. If anything
raises, the draft is dropped and nothing has happened.
"""

import logging
from collections.abc import Sequence
from typing import Any, cast

from transitions import Event as Trigger
from transitions import Machine, Transition

from states.conversation import Conversation, Decision
from states.draft import Draft
from states.errors import UnhandledEvent, UnknownState
from states.events import Event
from states.table import INITIAL, STATES, TRANSITIONS, Row

# The library logs a line for each callback otherwise.
logging.getLogger("transitions").setLevel(logging.WARNING)


class _Row(Transition):
    """A transition as the table means it: guards in order, the state, then what the row does, and its own name left on
    the draft. The library's would also call back before and after each of these, and write a line of log."""

    def __init__(self, *told: Any) -> None:
        super().__init__(*told)
        self._guards = [str(guard.func) for guard in self.conditions]
        self._writers = [str(writer) for writer in self.after]
        self._guarded = f"[{','.join(self._guards)}]" if self._guards else ""

    def fires(self, draft: Draft) -> bool:
        """Run the row if its guards hold."""
        for guard in self._guards:
            # Compared, as the library does: a match object or a non-empty string is no True.
            if getattr(draft, guard)() != True:  # noqa: E712
                return False
        if self.dest is not None:
            draft.state = self.dest
        for writer in self._writers:
            getattr(draft, writer)()
        draft.row = f"{self.source}/{draft.trigger}{self._guarded}"
        return True


class _Trigger(Trigger):
    """A trigger as the table means it: the first row of the state whose guards hold. The library's would also make
    objects for callbacks that nobody has, and keep a queue for events that no row triggers."""

    def trigger(self, model: Any, *_args: Any, **_kwargs: Any) -> bool:
        """Run the first row that fires; False where none does."""
        rows = cast(list[_Row], self.transitions.get(model.state, []))
        # No `any`: its generator is the dearer part of asking the few rows there are.
        for row in rows:  # noqa: SIM110
            if row.fires(model):
                return True
        return False


class _Machine(Machine):
    transition_cls = _Row
    event_cls = _Trigger


def _rows(table: Sequence[Row]) -> list[dict[str, Any]]:
    return [
        {
            "trigger": row.trigger,
            "source": list(row.sources),
            "dest": row.dest,
            "conditions": list(row.guards),
            "after": list(row.does),
        }
        for row in table
    ]


MACHINE = _Machine(
    model=None,
    states=list(STATES),
    initial=INITIAL,
    transitions=_rows(TRANSITIONS),
    auto_transitions=False,
    queued=False,
    send_event=False,
)


def decide(conversation: Conversation, event: Event, now: int) -> Decision:
    """What `event` makes of `conversation` at `now` (milliseconds since 1970).

    Raises UnknownState or UnhandledEvent when the table has no place for it; whatever a guard or a writer raises
    passes through. The conversation given is never changed.
    """
    if conversation.state not in STATES:
        raise UnknownState(conversation.state)
    draft = Draft.of(conversation, event, now)
    trigger = draft.trigger
    if trigger not in MACHINE.events:
        raise UnhandledEvent(conversation.state, trigger)
    if not MACHINE.events[trigger].trigger(draft):
        raise UnhandledEvent(conversation.state, trigger)
    return _decision(draft, trigger)


def _decision(draft: Draft, trigger: str) -> Decision:
    following = draft.following()
    return Decision(following, tuple(draft.effects), trigger, draft.before.state, following.state, draft.row)


def triggers_in(state: str) -> list[str]:
    """The triggers the table has rows for in `state`, in the table's order."""
    return list(dict.fromkeys(row.trigger for row in TRANSITIONS if state in row.sources))

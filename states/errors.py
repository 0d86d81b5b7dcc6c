"""What can go wrong while deciding.

DecisionError
├── UnhandledEvent   the table has no row for this event in this state: our bug, never the customer's
└── UnknownState     the stored state is none of the table's
"""


class DecisionError(Exception):
    """A decision could not be made; nothing has changed."""


class UnhandledEvent(DecisionError):
    """No row of the table takes `trigger` in `state`."""

    def __init__(self, state: str, trigger: str) -> None:
        super().__init__(f"no row for trigger {trigger!r} in state {state!r}")
        self.state = state
        self.trigger = trigger


class UnknownState(DecisionError):
    """The snapshot names a state that the table does not have."""

    def __init__(self, state: str) -> None:
        super().__init__(f"unknown state {state!r}")
        self.state = state

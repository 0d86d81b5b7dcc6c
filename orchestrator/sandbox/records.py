"""What the account holds, as plain records. `ordinal` counts all that was ever made, so that lists hold still.

`entered` is when a record came; `created` is what its client may say.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from xml.etree import ElementTree

# What a verb of a call waits for: the caller, who may press something, or the worker who is rung.
_WAIT_FOR: Final = {"Gather": "digits", "Dial": "dial"}


@dataclass(frozen=True, slots=True)
class Binding:
    """A channel participant's addresses; `type` in lower case: `sms`, `whatsapp`…"""

    type: str
    address: str
    proxy_address: str


@dataclass(frozen=True, slots=True)
class Media:
    """An attachment, described and not kept. `size` in bytes."""

    sid: str
    content_type: str
    filename: str | None
    size: int


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a client has uploaded."""

    media: Media
    content: bytes


@dataclass(slots=True, eq=False)
class Participant:
    """Somebody in a conversation: a chat user has an identity, a channel customer a binding."""

    sid: str
    ordinal: int
    created: datetime
    updated: datetime
    entered: datetime
    identity: str | None = None
    binding: Binding | None = None
    attributes: str = "{}"
    role_sid: str | None = None
    last_read_index: int | None = None
    last_read_at: str | None = None
    notification_level: str = "default"


@dataclass(slots=True, eq=False)
class Receipt:
    """How one message fared on its way to one channel participant."""

    sid: str
    ordinal: int
    message_sid: str
    participant_sid: str
    channel_message_sid: str
    status: str
    error_code: int
    created: datetime
    updated: datetime


@dataclass(slots=True, eq=False)
class Message:
    """One published message."""

    sid: str
    ordinal: int
    index: int
    author: str
    created: datetime
    updated: datetime
    entered: datetime
    body: str | None = None
    media: tuple[Media, ...] = ()
    attributes: str = "{}"
    participant_sid: str | None = None
    content_sid: str | None = None
    receipts: dict[str, Receipt] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Timers:
    """How long after it was last stirred a conversation becomes inactive, and is closed; None: not by itself."""

    inactive: timedelta | None = None
    closed: timedelta | None = None


@dataclass(slots=True, eq=False)
class Conversation:
    """A conversation with everything in it. `created_by`: the identity whose client made it, or `system`; `stirred`:
    when its timers began to run."""

    sid: str
    ordinal: int
    created: datetime
    updated: datetime
    entered: datetime
    stirred: datetime
    messaging_service_sid: str
    created_by: str = "system"
    friendly_name: str | None = None
    unique_name: str | None = None
    attributes: str = "{}"
    state: str = "active"
    timers: Timers = field(default_factory=Timers)
    next_index: int = 0
    participants: dict[str, Participant] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)

    def deadlines(self) -> dict[str, datetime]:
        """When each timer that runs has run out, by the state it leads to."""
        running = {"inactive": self.state == "active", "closed": self.state != "closed"}
        after = {"inactive": self.timers.inactive, "closed": self.timers.closed}
        return {state: self.stirred + wait for state, wait in after.items() if wait and running[state]}

    def with_identity(self, identity: str) -> Participant | None:
        """The chat participant of this identity, compared exactly."""
        return next((p for p in self.participants.values() if p.identity == identity), None)

    def channel_participants(self) -> list[Participant]:
        """Everybody who is reached through a channel and not by chat."""
        return [p for p in self.participants.values() if p.binding]

    def participant_of(self, author: str) -> Participant | None:
        """The participant who writes under this author, by identity or by address."""
        for participant in self.participants.values():
            if author in (participant.identity, participant.binding and participant.binding.address):
                return participant
        return None


@dataclass(slots=True, eq=False)
class User:
    """A chat user of the service."""

    sid: str
    ordinal: int
    identity: str
    created: datetime
    updated: datetime
    friendly_name: str | None = None
    attributes: str = "{}"
    role_sid: str | None = None


@dataclass(frozen=True, slots=True)
class Activity:
    """What a TaskRouter worker may be doing."""

    sid: str
    ordinal: int
    friendly_name: str
    available: bool


@dataclass(slots=True, eq=False)
class Worker:
    """A TaskRouter worker; `version` rises with every change."""

    sid: str
    ordinal: int
    friendly_name: str
    activity: Activity
    attributes: str
    created: datetime
    updated: datetime
    status_changed: datetime
    version: int = 0


@dataclass(slots=True, eq=False)
class Call:
    """A call, and what its caller has heard. `waiting`: the <Gather> or <Dial> at which somebody has a choice, behind
    which the rest of its `document` stands."""

    sid: str
    caller: str
    called: str
    said: list[str] = field(default_factory=list)
    dialed: list[dict[str, str | None]] = field(default_factory=list)
    error: str | None = None
    waiting: ElementTree.Element | None = None
    document: Iterator[ElementTree.Element] = field(default_factory=lambda: iter(()))
    documents: int = 0
    talked_s: int = 0
    is_over: bool = False

    @property
    def waits_for(self) -> str | None:
        """`digits`, `dial`, or None."""
        return None if self.waiting is None else _WAIT_FOR[self.waiting.tag]

    def shape(self) -> dict[str, Any]:
        """The call as the control API tells it."""
        told = {"call_sid": self.sid, "said": self.said, "dialed": self.dialed, "error": self.error}
        return told | {"waits_for": self.waits_for}

"""What the account holds, as plain records. `ordinal` counts all that was ever made, so that lists hold still."""

from dataclasses import dataclass, field
from datetime import datetime


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
    identity: str | None = None
    binding: Binding | None = None
    attributes: str = "{}"
    role_sid: str | None = None
    last_read_index: int | None = None
    last_read_at: str | None = None


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
    body: str | None = None
    media: tuple[Media, ...] = ()
    attributes: str = "{}"
    participant_sid: str | None = None
    content_sid: str | None = None
    receipts: dict[str, Receipt] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Conversation:
    """A conversation with everything in it. `created_by`: the identity whose client made it, or `system`."""

    sid: str
    ordinal: int
    created: datetime
    updated: datetime
    messaging_service_sid: str
    created_by: str = "system"
    friendly_name: str | None = None
    unique_name: str | None = None
    attributes: str = "{}"
    state: str = "active"
    next_index: int = 0
    participants: dict[str, Participant] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)

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

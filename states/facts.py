"""What Twilio tells of a conversation before we know who is who: the same whether a webhook or a look told it.

`roles.py` makes events of them; until then they are facts about participants and messages, not about customers and
workers.
"""

from states.events import ConversationClosed, ConversationStarted
from states.names import MessageSid, ParticipantSid
from states.values import Kind


class MessagePublished(Kind, frozen=True):
    """A message stands in the conversation."""

    message_sid: MessageSid
    index: int
    author: str
    body: str
    media: int = 0
    participant_sid: ParticipantSid | None = None


class ParticipantPresent(Kind, frozen=True):
    """Somebody is in the conversation: by an address pair (a channel) or by an identity (chat)."""

    participant_sid: ParticipantSid
    identity: str | None = None
    address: str | None = None
    proxy_address: str | None = None


class ParticipantGone(Kind, frozen=True):
    """Somebody is no longer in the conversation."""

    participant_sid: ParticipantSid
    identity: str | None = None


# The other two are events already: nobody has to be told apart.
Fact = MessagePublished | ParticipantPresent | ParticipantGone | ConversationStarted | ConversationClosed

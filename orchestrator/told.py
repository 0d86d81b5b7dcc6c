"""What a post-action event tells, read from its form: a fact about a conversation, or how far a message got."""

import json
import re

from orchestrator.bodies import Form
from orchestrator.errors import MalformedWebhook
from states.events import ConversationClosed, ConversationStarted
from states.facts import Fact, MessagePublished, ParticipantGone, ParticipantPresent
from states.names import MessageSid, ParticipantSid
from storage.talk import PROGRESS, Receipt

ERROR_CODE = re.compile(r"[0-9]{1,9}")


def fact_of(kind: str, form: Form) -> Fact | None:
    """The fact a post-action event of this kind (`EventType`) tells; None for one the machine has nothing to decide
    about. Raises MalformedWebhook where it lacks what it needs."""
    match kind:
        case "onMessageAdded":
            return _message(form)
        case "onParticipantAdded":
            return ParticipantPresent(
                participant_sid=ParticipantSid(form.sid("ParticipantSid")),
                identity=form.get("Identity"),
                address=form.get("MessagingBinding.Address"),
                proxy_address=form.get("MessagingBinding.ProxyAddress"),
            )
        case "onParticipantRemoved":
            return ParticipantGone(ParticipantSid(form.sid("ParticipantSid")), form.get("Identity"))
        case "onConversationAdded":
            return ConversationStarted(
                address=form.get("MessagingBinding.Address"),
                proxy_address=form.get("MessagingBinding.ProxyAddress"),
                friendly_name=form.get("FriendlyName"),
            )
        case "onConversationRemoved":
            return ConversationClosed("removed")
        case "onConversationStateUpdated" if form.need("StateTo") == "closed":
            return ConversationClosed(form.get("Reason", ""))
        case _:
            return None


def receipt_of(form: Form) -> Receipt | None:
    """How far a message got; None for a status that nobody knows, or where it is not said of which message. Raises
    MalformedWebhook where it lacks what it needs."""
    status, message_sid = form.need("Status").lower(), form.sid("MessageSid", needed=False)
    if message_sid is None or status not in PROGRESS:
        return None
    who = form.sid("ParticipantSid", needed=False) or form.sid("DeliveryReceiptSid", needed=False) or ""
    code = form.get("ErrorCode", "")
    # Twilio's codes have five digits; 0 is none.
    error_code = int(code) if ERROR_CODE.fullmatch(code) and int(code) else None
    return Receipt(form.sid("ConversationSid"), message_sid, who, status, error_code)


def _message(form: Form) -> MessagePublished:
    index = form.integer("Index")
    if index < 0:
        raise MalformedWebhook("Index is negative")
    participant = form.sid("ParticipantSid", needed=False)
    return MessagePublished(
        message_sid=MessageSid(form.sid("MessageSid")),
        index=index,
        author=form.need("Author"),
        body=form.get("Body", ""),
        media=_media_count(form.get("Media")),
        participant_sid=None if participant is None else ParticipantSid(participant),
    )


def _media_count(media: str | None) -> int:
    """`Media` is a JSON array as text; one that cannot be read is still a picture."""
    if media is None:
        return 0
    try:
        items = json.loads(media)
    except ValueError:
        return 1
    return len(items) if isinstance(items, list) else 1

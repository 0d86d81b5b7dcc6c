"""Records as the REST API shows them: exactly the fields of Twilio's OpenAPI documents.

The `/v1/Services/{IS}/` forms of messages, participants and receipts name the service as well.
"""

from dataclasses import dataclass
from typing import Any

from orchestrator.sandbox import seeds
from orchestrator.sandbox.records import (
    Conversation,
    Media,
    Message,
    Participant,
    Receipt,
    User,
)
from orchestrator.sandbox.rules import rest_date

Shape = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a client found us: scheme and host, whether it named the service in the path, and its account."""

    origin: str
    scoped: bool = False
    account_sid: str = seeds.ACCOUNT_SID

    @property
    def root(self) -> str:
        """What every Conversations URL begins with."""
        return f"{self.origin}/v1/Services/{seeds.CHAT_SERVICE_SID}" if self.scoped else f"{self.origin}/v1"

    @property
    def workspace(self) -> str:
        """What every TaskRouter URL begins with."""
        return f"{self.origin}/v1/Workspaces/{seeds.WORKSPACE_SID}"

    def service(self) -> Shape:
        """The field that only the scoped forms have."""
        return {"chat_service_sid": seeds.CHAT_SERVICE_SID} if self.scoped else {}


def below(url: str, **names: str) -> dict[str, str]:
    """Links: each a key, and what follows the resource's own URL."""
    return {key: f"{url}/{name}" for key, name in names.items()}


def conversation_shape(conversation: Conversation, place: Place) -> Shape:
    """A conversation."""
    url = f"{place.root}/Conversations/{conversation.sid}"
    return {
        "sid": conversation.sid,
        "account_sid": place.account_sid,
        "chat_service_sid": seeds.CHAT_SERVICE_SID,
        "messaging_service_sid": conversation.messaging_service_sid,
        "friendly_name": conversation.friendly_name,
        "unique_name": conversation.unique_name,
        "attributes": conversation.attributes,
        "state": conversation.state,
        "date_created": rest_date(conversation.created),
        "date_updated": rest_date(conversation.updated),
        "timers": _timers_shape(conversation),
        "bindings": {},
        "url": url,
        "links": below(url, participants="Participants", messages="Messages", webhooks="Webhooks", export="Export"),
    }


def _timers_shape(conversation: Conversation) -> dict[str, str]:
    return {f"date_{state}": rest_date(at) for state, at in conversation.deadlines().items()}


def participant_shape(conversation: Conversation, participant: Participant, place: Place) -> Shape:
    """A participant; the binding's three keys, or null for a chat user."""
    binding = participant.binding
    return place.service() | {
        "sid": participant.sid,
        "account_sid": place.account_sid,
        "conversation_sid": conversation.sid,
        "identity": participant.identity,
        "attributes": participant.attributes,
        "messaging_binding": binding
        and {"type": binding.type, "address": binding.address, "proxy_address": binding.proxy_address},
        "role_sid": participant.role_sid,
        "date_created": rest_date(participant.created),
        "date_updated": rest_date(participant.updated),
        "last_read_message_index": participant.last_read_index,
        "last_read_timestamp": participant.last_read_at,
        "url": f"{place.root}/Conversations/{conversation.sid}/Participants/{participant.sid}",
    }


def message_shape(conversation: Conversation, message: Message, place: Place) -> Shape:
    """A message."""
    url = f"{place.root}/Conversations/{conversation.sid}/Messages/{message.sid}"
    return place.service() | {
        "sid": message.sid,
        "account_sid": place.account_sid,
        "conversation_sid": conversation.sid,
        "index": message.index,
        "author": message.author,
        "body": message.body,
        "media": [_media_shape(media) for media in message.media] or None,
        "attributes": message.attributes,
        "participant_sid": message.participant_sid,
        "date_created": rest_date(message.created),
        "date_updated": rest_date(message.updated),
        "delivery": _delivery_shape(message),
        "content_sid": message.content_sid,
        "url": url,
        "links": below(url, delivery_receipts="Receipts", channel_metadata="ChannelMetadata"),
    }


def _media_shape(media: Media) -> Shape:
    return {
        "sid": media.sid,
        "size": media.size,
        "content_type": media.content_type,
        "filename": media.filename,
    }


# What a receipt in a given status has been through.
_PASSED = {
    "sent": {"sent"},
    "delivered": {"sent", "delivered"},
    "read": {"sent", "delivered", "read"},
    "failed": {"failed"},
    "undelivered": {"sent", "undelivered"},
}


def _delivery_shape(message: Message) -> Shape | None:
    """`all`, `some` or `none` of the receipts for each status; null for a message that went to no channel."""
    receipts = message.receipts.values()
    if not receipts:
        return None

    def share(status: str) -> str:
        passed = sum(status in _PASSED[receipt.status] for receipt in receipts)
        return "none" if not passed else "all" if passed == len(receipts) else "some"

    statuses = ("sent", "delivered", "read", "failed", "undelivered")
    return {"total": len(receipts)} | {status: share(status) for status in statuses}


def receipt_shape(conversation: Conversation, receipt: Receipt, place: Place) -> Shape:
    """A delivery receipt."""
    message_url = f"{place.root}/Conversations/{conversation.sid}/Messages/{receipt.message_sid}"
    return place.service() | {
        "sid": receipt.sid,
        "account_sid": place.account_sid,
        "conversation_sid": conversation.sid,
        "message_sid": receipt.message_sid,
        "channel_message_sid": receipt.channel_message_sid,
        "participant_sid": receipt.participant_sid,
        "status": receipt.status,
        "error_code": receipt.error_code,
        "date_created": rest_date(receipt.created),
        "date_updated": rest_date(receipt.updated),
        "url": f"{message_url}/Receipts/{receipt.sid}",
    }


def participant_conversation_shape(
    conversation: Conversation, participant: Participant, user: User | None, place: Place
) -> Shape:
    """One line of "in which conversations is he?"; its binding has six keys."""
    binding, url = participant.binding, f"{place.root}/Conversations/{conversation.sid}"
    return {
        "account_sid": place.account_sid,
        "chat_service_sid": seeds.CHAT_SERVICE_SID,
        "participant_sid": participant.sid,
        "participant_user_sid": user.sid if user else None,
        "participant_identity": participant.identity,
        "participant_messaging_binding": binding
        and {
            "address": binding.address,
            "proxy_address": binding.proxy_address,
            "type": binding.type,
            "level": None,
            "name": None,
            "projected_address": None,
        },
        "conversation_sid": conversation.sid,
        "conversation_unique_name": conversation.unique_name,
        "conversation_friendly_name": conversation.friendly_name,
        "conversation_attributes": conversation.attributes,
        "conversation_date_created": rest_date(conversation.created),
        "conversation_date_updated": rest_date(conversation.updated),
        "conversation_created_by": conversation.created_by,
        "conversation_state": conversation.state,
        "conversation_timers": _timers_shape(conversation),
        "links": {"conversation": url, "participant": f"{url}/Participants/{participant.sid}"},
    }


def user_conversation_shape(conversation: Conversation, participant: Participant, user: User, place: Place) -> Shape:
    """A conversation as one of its chat users sees it; what he has not read is counted once he has read anything."""
    read, url = participant.last_read_index, f"{place.root}/Conversations/{conversation.sid}"
    return {
        "account_sid": place.account_sid,
        "chat_service_sid": seeds.CHAT_SERVICE_SID,
        "conversation_sid": conversation.sid,
        "unread_messages_count": None
        if read is None
        else sum(message.index > read for message in conversation.messages.values()),
        "last_read_message_index": read,
        "participant_sid": participant.sid,
        "user_sid": user.sid,
        "friendly_name": conversation.friendly_name,
        "conversation_state": conversation.state,
        "timers": _timers_shape(conversation),
        "attributes": conversation.attributes,
        "date_created": rest_date(conversation.created),
        "date_updated": rest_date(conversation.updated),
        "created_by": conversation.created_by,
        "notification_level": participant.notification_level,
        "unique_name": conversation.unique_name,
        "url": f"{place.root}/Users/{user.sid}/Conversations/{conversation.sid}",
        "links": {"conversation": url, "participant": f"{url}/Participants/{participant.sid}"},
    }


def user_shape(user: User, place: Place) -> Shape:
    """A chat user."""
    url = f"{place.root}/Users/{user.sid}"
    return {
        "sid": user.sid,
        "account_sid": place.account_sid,
        "chat_service_sid": seeds.CHAT_SERVICE_SID,
        "role_sid": user.role_sid,
        "identity": user.identity,
        "friendly_name": user.friendly_name,
        "attributes": user.attributes,
        "is_online": False,
        "is_notifiable": False,
        "date_created": rest_date(user.created),
        "date_updated": rest_date(user.updated),
        "url": url,
        "links": below(url, user_conversations="Conversations"),
    }

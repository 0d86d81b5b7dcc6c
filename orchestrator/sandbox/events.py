"""The parameters of each webhook, beyond the common ones (Twilio Docs, "Conversations Webhooks" and "TaskRouter Events
reference"). None marks a value that does not exist; it is left out when the webhook is sent.
"""

import json
from collections.abc import Mapping
from datetime import datetime

from orchestrator.sandbox import seeds
from orchestrator.sandbox.drafts import Draft, Newcomer
from orchestrator.sandbox.records import Binding, Conversation, Media, Message, Participant, Receipt, User, Worker
from orchestrator.sandbox.rules import webhook_date
from orchestrator.sandbox.workforce import WorkerEvent

Parameters = Mapping[str, str | None]


def opening(address: str | None, proxy_address: str | None, body: str | None, media: tuple[Media, ...]) -> Parameters:
    """`onConversationAdd`: nothing exists yet, so there is no SID; an inbound message comes along."""
    return {
        "Attributes": "{}",
        "State": "active",
        "MessagingServiceSid": seeds.MESSAGING_SERVICE_SID,
        "MessagingBinding.Address": address,
        "MessagingBinding.ProxyAddress": proxy_address,
        "MessageBody": body,
        "Media": _media(media),
    }


def conversation(it: Conversation, removed: datetime | None = None) -> Parameters:
    """`onConversationUpdated`, and `onConversationRemoved` with its date."""
    return {
        "ConversationSid": it.sid,
        "DateCreated": webhook_date(it.created),
        "DateUpdated": webhook_date(it.updated),
        "DateRemoved": webhook_date(removed) if removed else None,
        "FriendlyName": it.friendly_name,
        "UniqueName": it.unique_name,
        "Attributes": it.attributes,
        "MessagingServiceSid": it.messaging_service_sid,
        "State": it.state,
    }


def conversation_added(it: Conversation, address: str | None, proxy_address: str | None) -> Parameters:
    """`onConversationAdded`, with the pair it was created for."""
    binding = {"MessagingBinding.Address": address, "MessagingBinding.ProxyAddress": proxy_address}
    return {**conversation(it), **binding}


def state_updated(it: Conversation, before: str, reason: str) -> Parameters:
    """`onConversationStateUpdated`; `reason`: API, TIMER or EVENT."""
    return {
        "ConversationSid": it.sid,
        "MessagingServiceSid": it.messaging_service_sid,
        "StateUpdated": webhook_date(it.updated),
        "StateFrom": before,
        "StateTo": it.state,
        "Reason": reason,
    }


def draft(it: Conversation, message: Draft) -> Parameters:
    """`onMessageAdd`: no SID and no index yet."""
    author = it.participant_of(message.author)
    return {
        "ConversationSid": it.sid,
        "Body": message.body,
        "Author": message.author,
        "ParticipantSid": author.sid if author else None,
        "Attributes": message.attributes,
        "Media": _media(message.media),
    }


def message_added(it: Conversation, message: Message) -> Parameters:
    """`onMessageAdded`."""
    return {
        "ConversationSid": it.sid,
        "MessageSid": message.sid,
        "MessagingServiceSid": it.messaging_service_sid,
        "Index": str(message.index),
        "DateCreated": webhook_date(message.created),
        "Body": message.body,
        "Author": message.author,
        "ParticipantSid": message.participant_sid,
        "Attributes": message.attributes,
        "Media": _media(message.media),
    }


def message_changed(it: Conversation, message: Message, removed: datetime | None = None) -> Parameters:
    """`onMessageUpdated`, and `onMessageRemoved` with its date."""
    dates = {
        "DateUpdated": webhook_date(message.updated),
        "DateRemoved": webhook_date(removed) if removed else None,
        "MessagingServiceSid": None,
    }
    return {**message_added(it, message), **dates}


def newcomer(it: Conversation, participant: Newcomer) -> Parameters:
    """`onParticipantAdd`: no SID yet."""
    return {
        "ConversationSid": it.sid,
        "Identity": participant.identity,
        "RoleSid": participant.role_sid,
        "Attributes": participant.attributes,
        **_binding(participant.binding),
    }


def _binding(binding: Binding | None) -> Parameters:
    """The pair of a channel participant; `Type` in capitals, unlike REST's."""
    if binding is None:
        return {"MessagingBinding.Type": "CHAT"}
    return {
        "MessagingBinding.Address": binding.address,
        "MessagingBinding.ProxyAddress": binding.proxy_address,
        "MessagingBinding.Type": binding.type.upper(),
    }


def participant_added(it: Conversation, participant: Participant) -> Parameters:
    """`onParticipantAdded`."""
    return {
        "ConversationSid": it.sid,
        "ParticipantSid": participant.sid,
        "DateCreated": webhook_date(participant.created),
        "Identity": participant.identity,
        "RoleSid": participant.role_sid,
        "Attributes": participant.attributes,
        **_binding(participant.binding),
    }


def participant_changed(it: Conversation, participant: Participant, removed: datetime | None = None) -> Parameters:
    """`onParticipantUpdated`, `onParticipantRemove`, and `onParticipantRemoved` with its date."""
    index = participant.last_read_index
    dates = {
        "DateUpdated": webhook_date(participant.updated),
        "DateRemoved": webhook_date(removed) if removed else None,
        "LastReadMessageIndex": None if index is None else str(index),
    }
    return {**participant_added(it, participant), **dates}


def delivery(it: Conversation, receipt: Receipt) -> Parameters:
    """`onDeliveryUpdated`."""
    return {
        "ConversationSid": it.sid,
        "MessageSid": receipt.message_sid,
        "DeliveryReceiptSid": receipt.sid,
        "ChannelMessageSid": receipt.channel_message_sid,
        "ParticipantSid": receipt.participant_sid,
        "Status": receipt.status,
        "ErrorCode": str(receipt.error_code),
        "DateCreated": webhook_date(receipt.created),
        "DateUpdated": webhook_date(receipt.updated),
    }


def user(it: User, updated: bool = False) -> Parameters:
    """`onUserAdded`, and `onUserUpdated` with its date and where he is: nobody is connected to the sandbox."""
    where = {"isOnline": "false", "isNotifiable": "false"} if updated else {}
    return {
        "UserSid": it.sid,
        "DateCreated": webhook_date(it.created),
        "DateUpdated": webhook_date(it.updated) if updated else None,
        "Identity": it.identity,
        "RoleSid": it.role_sid,
        "Attributes": it.attributes,
        "FriendlyName": it.friendly_name,
        **where,
    }


def routing(it: Conversation, address: str, proxy_address: str) -> Parameters:
    """The custom routing callback of an inbound conversation (Frontline, "Handle Incoming Conversations")."""
    return {
        "AccountSid": seeds.ACCOUNT_SID,
        "ConversationSid": it.sid,
        "MessagingBinding.Address": address,
        "MessagingBinding.ProxyAddress": proxy_address,
    }


def worker(event: WorkerEvent, workspace_name: str, at: datetime) -> Parameters:
    """TaskRouter's event callback for a worker."""
    it: Worker = event.worker
    previous = event.previous
    return {
        "EventType": event.type,
        "AccountSid": seeds.ACCOUNT_SID,
        "WorkspaceSid": seeds.WORKSPACE_SID,
        "WorkspaceName": workspace_name,
        "EventDescription": f"Worker {it.friendly_name}: {event.type}",
        "ResourceType": "worker",
        "ResourceSid": it.sid,
        "Timestamp": str(int(at.timestamp())),
        "TimestampMs": str(int(at.timestamp() * 1000)),
        "WorkerSid": it.sid,
        "WorkerName": it.friendly_name,
        "WorkerAttributes": it.attributes,
        "WorkerActivitySid": it.activity.sid,
        "WorkerActivityName": it.activity.friendly_name,
        "WorkerVersion": str(it.version),
        "OperatingUnitSid": seeds.OPERATING_UNIT_SID,
        "WorkerPreviousActivitySid": previous.sid if previous else None,
        "WorkerTimeInPreviousActivity": str(event.in_previous_ms // 1000) if previous else None,
        "WorkerTimeInPreviousActivityMs": str(event.in_previous_ms) if previous else None,
    }


def _media(media: tuple[Media, ...]) -> str | None:
    """Media as webhooks carry them: a string holding a JSON array, its keys in capitals."""
    if not media:
        return None
    items = [{"MediaSid": m.sid, "ContentType": m.content_type, "Filename": m.filename, "Size": m.size} for m in media]
    return json.dumps(items)

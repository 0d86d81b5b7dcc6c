"""What people do without the REST API: customers through their channels, workers and chat customers through the SDK.

Such acts fire webhooks, pre-action ones first (Twilio Docs, "Conversations Webhooks" and "Inbound Message Handling &
Autocreation").
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.sandbox import events, rules
from orchestrator.sandbox.delivery import Origin
from orchestrator.sandbox.drafts import Draft, Newcomer, Opening
from orchestrator.sandbox.errors import BadInput, HookRejected, TwilioError, not_found
from orchestrator.sandbox.records import Binding, Conversation, Media, Message, Participant
from orchestrator.sandbox.sandbox import Sandbox


@dataclass(frozen=True, slots=True)
class Inbound:
    """A customer's message on its way in: from a pair, or from an identity in chat."""

    author: str
    body: str | None
    media: tuple[Media, ...] = ()
    binding: Binding | None = None


Taken = tuple[Conversation, Message]


async def receive(sandbox: Sandbox, inbound: Inbound) -> Taken:
    """Take in a customer's message. Raises HookRejected when the service refused it."""
    if inbound.binding:
        return await _receive_from_channel(sandbox, inbound, inbound.binding)
    return await _receive_from_chat(sandbox, inbound)


async def _receive_from_channel(sandbox: Sandbox, inbound: Inbound, binding: Binding) -> Taken:
    pair = binding.address, binding.proxy_address
    origin = Origin(binding.type.upper())
    while True:
        async with sandbox.pair_lock(*pair):
            conversation = sandbox.world.by_pair(*pair)
            if conversation is None:
                _require_autocreation(sandbox, binding.proxy_address)
                return await _autocreate(sandbox, inbound, binding, origin)
        draft = await _admitted(sandbox, conversation, _draft(inbound), origin)
        # while the service thought about it the conversation may have closed: the message then opens a new one
        if sandbox.world.by_pair(*pair) is conversation:
            return conversation, sandbox.publish(conversation, draft, origin)


def _require_autocreation(sandbox: Sandbox, sender: str) -> None:
    """Without it a first message is added to no conversation."""
    if not sandbox.addresses.takes_in(sender):
        raise TwilioError(50353, f"autocreation is off for {sender}: the message is added to no conversation", 409)


async def _autocreate(sandbox: Sandbox, inbound: Inbound, binding: Binding, origin: Origin) -> Taken:
    """The first message of a pair makes its conversation; `onParticipantAdd` and `onMessageAdd` do not fire."""
    pair = binding.address, binding.proxy_address
    asked = events.opening(*pair, inbound.body, inbound.media)
    opening = _opening(await sandbox.webhooks.pre("onConversationAdd", origin, asked))
    if sandbox.world.by_pair(*pair):
        raise HookRejected("the pair was bound to another conversation meanwhile")
    conversation = sandbox.world.open_conversation(opening)
    participant = sandbox.world.add_participant(conversation, Newcomer(binding=binding))
    _tell(sandbox, "onConversationAdded", origin, conversation, events.conversation_added(conversation, *pair))
    _tell_joined(sandbox, conversation, participant, origin)
    message = sandbox.publish(conversation, _draft(inbound), origin)
    sandbox.webhooks.routing(conversation.sid, events.routing(conversation, *pair))
    return conversation, message


async def _receive_from_chat(sandbox: Sandbox, inbound: Inbound) -> Taken:
    """A chat customer writes through the SDK: his client makes the conversation, joins it, and then writes."""
    async with sandbox.pair_lock(inbound.author, ""):
        conversation = _chat_of(sandbox, inbound.author) or await _start_chat(sandbox, inbound.author)
    return conversation, await write(sandbox, conversation, _draft(inbound))


async def _start_chat(sandbox: Sandbox, identity: str) -> Conversation:
    origin = Origin("SDK", identity)
    asked = events.opening(None, None, None, ())
    opening = _opening(await sandbox.webhooks.pre("onConversationAdd", origin, asked))
    opening.created_by = identity
    conversation = sandbox.world.open_conversation(opening)
    _tell(sandbox, "onConversationAdded", origin, conversation, events.conversation(conversation))
    await join(sandbox, conversation, identity)
    return conversation


def _chat_of(sandbox: Sandbox, identity: str) -> Conversation | None:
    """The newest open conversation in which he is a customer: a worker is one only where he began it himself."""
    works_here = sandbox.world.workforce.named(identity) is not None
    for conversation in reversed(sandbox.world.conversations.values()):
        his = conversation.created_by == identity or not works_here
        if his and conversation.state != "closed" and conversation.with_identity(identity):
            return conversation
    return None


async def write(sandbox: Sandbox, conversation: Conversation, draft: Draft) -> Message:
    """Somebody who is in the conversation writes through the SDK."""
    sandbox.world.require_open(conversation)
    if not conversation.with_identity(draft.author):
        raise BadInput(f"{draft.author} is not in {conversation.sid}; join first")
    origin = Origin("SDK", draft.author)
    admitted = await _admitted(sandbox, conversation, draft, origin)
    return sandbox.publish(conversation, admitted, origin)


async def join(sandbox: Sandbox, conversation: Conversation, identity: str) -> Participant:
    """Somebody joins through the SDK."""
    origin, newcomer = Origin("SDK", identity), Newcomer(identity=identity)
    sandbox.world.require_open(conversation)
    await sandbox.webhooks.pre("onParticipantAdd", origin, events.newcomer(conversation, newcomer))
    participant = sandbox.world.add_participant(conversation, newcomer)
    _tell_joined(sandbox, conversation, participant, origin)
    return participant


async def leave(sandbox: Sandbox, conversation: Conversation, identity: str) -> Participant:
    """Somebody leaves through the SDK."""
    origin = Origin("SDK", identity)
    asked = events.participant_changed(conversation, _member(conversation, identity))
    await sandbox.webhooks.pre("onParticipantRemove", origin, asked)
    participant = _member(conversation, identity)
    sandbox.world.remove_participant(conversation, participant)
    told = events.participant_changed(conversation, participant, participant.updated)
    _tell(sandbox, "onParticipantRemoved", origin, conversation, told)
    return participant


def close(sandbox: Sandbox, conversation: Conversation) -> None:
    """Somebody closes the conversation for good."""
    sandbox.set_state(conversation, "closed", Origin("SDK"), "API")


def _member(conversation: Conversation, identity: str) -> Participant:
    participant = conversation.with_identity(identity)
    if participant is None:
        raise not_found(f"{conversation.sid}/Participants/{identity}")
    return participant


def _draft(inbound: Inbound) -> Draft:
    return Draft(author=inbound.author, body=inbound.body, media=inbound.media)


async def _admitted(sandbox: Sandbox, conversation: Conversation, draft: Draft, origin: Origin) -> Draft:
    """The message as the service lets it pass: `body`, `author` and `attributes` may be changed."""
    changes = await sandbox.webhooks.pre("onMessageAdd", origin, events.draft(conversation, draft))
    if changes.get("body") is not None:
        draft.body = _valid(changes, "body", rules.inbound_body)
    if changes.get("author") is not None:
        draft.author = _valid(changes, "author", lambda text: rules.name(text, "author"))
    if changes.get("attributes") is not None:
        draft.attributes = _valid(changes, "attributes", lambda text: rules.attributes(text, rules.MESSAGE_ATTRIBUTES))
    return draft


def _opening(changes: Mapping[str, Any]) -> Opening:
    """The conversation as the service wants it: `friendly_name` and `attributes` may be set."""
    opening = Opening()
    if changes.get("friendly_name") is not None:
        opening.friendly_name = _valid(changes, "friendly_name", lambda text: rules.name(text, "friendly_name"))
    if changes.get("attributes") is not None:
        opening.attributes = _valid(
            changes, "attributes", lambda text: rules.attributes(text, rules.CONVERSATION_ATTRIBUTES)
        )
    return opening


def _valid(changes: Mapping[str, Any], name: str, check: Any) -> str:
    """A value the service answered with. Raises HookRejected when Twilio would not take it."""
    value = changes[name]
    if not isinstance(value, str):
        raise HookRejected(f"the answer's {name} must be a string")
    try:
        checked: str = check(value)
    except TwilioError as error:
        raise HookRejected(f"the answer's {name} is not valid: {error.message}") from error
    return checked


def _tell(sandbox: Sandbox, event: str, origin: Origin, conversation: Conversation, told: events.Parameters) -> None:
    sandbox.webhooks.post(event, origin, conversation.sid, told)


def _tell_joined(sandbox: Sandbox, conversation: Conversation, participant: Participant, origin: Origin) -> None:
    told = events.participant_added(conversation, participant)
    _tell(sandbox, "onParticipantAdded", origin, conversation, told)

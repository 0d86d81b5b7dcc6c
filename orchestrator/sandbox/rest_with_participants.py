"""Conversations created with their participants in one request (Twilio API description, ConversationWithParticipants).

Twilio adds the participants a little later (202); here they are there at once.
"""

from typing import Any

from aiohttp import web

from orchestrator.sandbox import rules
from orchestrator.sandbox.drafts import Newcomer
from orchestrator.sandbox.errors import TwilioError, bad_parameter
from orchestrator.sandbox.forms import Form
from orchestrator.sandbox.records import Conversation, Participant
from orchestrator.sandbox.rest import Call, Reply, add_route
from orchestrator.sandbox.rest_conversations import form_of, opening_of, tell_added
from orchestrator.sandbox.rest_participants import NEW, newcomer_of, tell_joined
from orchestrator.sandbox.shapes import Shape, conversation_shape

MOST = 10
_PARTICIPANT = {
    "identity": "Identity",
    "attributes": "Attributes",
    "role_sid": "RoleSid",
    "date_created": "DateCreated",
    "date_updated": "DateUpdated",
}
_BINDING = {
    "address": "MessagingBinding.Address",
    "proxy_address": "MessagingBinding.ProxyAddress",
    "projected_address": "MessagingBinding.ProjectedAddress",
}


def add_routes(app: web.Application) -> None:
    """Add the route of this module."""
    add_route(app, "POST", "/v1/ConversationWithParticipants", create)


def create(call: Call) -> Reply:
    """`POST /ConversationWithParticipants`: 201 without participants, 202 with them; all of it, or nothing."""
    form, told = form_of(call, arrays=("Participant",)), call.told
    given = form.all("Participant")
    if len(given) > MOST:
        raise TwilioError(50426, f"At most {MOST} participants may be created with a conversation")
    newcomers, opening = [_newcomer(text) for text in given], opening_of(call, form)
    conversation = call.sandbox.world.open_conversation(opening)
    joined = _joined(call, conversation, newcomers)
    if told:
        tell_added(call, conversation)
        for participant in joined:
            tell_joined(call, conversation, participant)
    return Reply(202 if joined else 201, _shape(conversation, call))


def _joined(call: Call, conversation: Conversation, newcomers: list[Newcomer]) -> list[Participant]:
    world = call.sandbox.world
    try:
        return [world.add_participant(conversation, newcomer) for newcomer in newcomers]
    except TwilioError as error:
        world.remove_conversation(conversation)
        raise TwilioError(50425, error.message) if error.code == 50416 else error from None


def _newcomer(text: str) -> Newcomer:
    """A participant from its JSON: its parameters in lower case, or as the Participant resource spells them."""
    try:
        given = rules.strict_json(text)
    except ValueError as error:
        raise bad_parameter(f"Participant is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise bad_parameter("Participant must be a JSON object")
    binding = given.pop("messaging_binding", None) or {}
    if not isinstance(binding, dict):
        raise bad_parameter("Participant.messaging_binding must be a JSON object")
    return newcomer_of(Form([*_pairs(given, _PARTICIPANT), *_pairs(binding, _BINDING)], NEW))


def _pairs(given: dict[str, Any], names: dict[str, str]) -> list[tuple[str, str]]:
    if not all(isinstance(value, str) for value in given.values() if value is not None):
        raise bad_parameter("The values of a Participant must be strings")
    return [(names.get(name, name), value) for name, value in given.items() if value is not None]


def _shape(conversation: Conversation, call: Call) -> Shape:
    shape = conversation_shape(conversation, call.place)
    del shape["links"]["export"]
    return shape

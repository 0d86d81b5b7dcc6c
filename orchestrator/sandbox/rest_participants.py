"""Participants and users of the REST API."""

from aiohttp import web

from orchestrator.sandbox import events, rules, seeds
from orchestrator.sandbox.drafts import Newcomer, binding_of, identity_of
from orchestrator.sandbox.errors import TwilioError, bad_parameter, not_found
from orchestrator.sandbox.forms import Form
from orchestrator.sandbox.paging import page_of
from orchestrator.sandbox.records import Conversation, Participant, User
from orchestrator.sandbox.rest import Call, Reply, add_route
from orchestrator.sandbox.rest_conversations import conversation_of
from orchestrator.sandbox.sandbox import API
from orchestrator.sandbox.shapes import participant_shape, user_shape

_PARTICIPANTS = "/v1/Conversations/{conversation}/Participants"
_BOTH = ("Attributes", "RoleSid", "DateCreated", "DateUpdated", "Identity")
_PROXY, _PROJECTED = "MessagingBinding.ProxyAddress", "MessagingBinding.ProjectedAddress"
NEW = (*_BOTH, "MessagingBinding.Address", _PROXY, _PROJECTED)


def add_routes(app: web.Application) -> None:
    """Add the routes of this module."""
    add_route(app, "POST", _PARTICIPANTS, create)
    add_route(app, "GET", _PARTICIPANTS, listed)
    add_route(app, "GET", _PARTICIPANTS + "/{participant}", fetch)
    add_route(app, "POST", _PARTICIPANTS + "/{participant}", update)
    add_route(app, "DELETE", _PARTICIPANTS + "/{participant}", delete)
    add_route(app, "POST", "/v1/Users", create_user)
    add_route(app, "GET", "/v1/Users", listed_users)
    add_route(app, "GET", "/v1/Users/{user}", fetch_user)
    add_route(app, "POST", "/v1/Users/{user}", update_user)
    add_route(app, "DELETE", "/v1/Users/{user}", delete_user)


def create(call: Call) -> Reply:
    """`POST …/Participants`: an identity, or an address with its proxy address."""
    form, told = call.form(*NEW), call.told
    conversation = conversation_of(call)
    participant = call.sandbox.world.add_participant(conversation, newcomer_of(form))
    if told:
        tell_joined(call, conversation, participant)
    return Reply(201, participant_shape(conversation, participant, call.place))


def listed(call: Call) -> Reply:
    """`GET …/Participants`, in the order they came; the fault `list_lag_s` hides the newest."""
    query, conversation = call.query(), conversation_of(call)
    page = page_of(
        call.listed(conversation.participants.values()),
        lambda participant: (0, participant.ordinal),
        lambda participant: participant_shape(conversation, participant, call.place),
        "participants",
        call.url,
        query,
    )
    return Reply(200, page)


def fetch(call: Call) -> Reply:
    """`GET …/Participants/{MB or identity}`."""
    call.query()
    conversation = conversation_of(call)
    name = call.named("participant")
    participant = conversation.participants.get(name) or conversation.with_identity(name)
    if participant is None:
        raise not_found(call.request.path)
    return Reply(200, participant_shape(conversation, participant, call.place))


def update(call: Call) -> Reply:
    """`POST …/Participants/{MB}`."""
    names = (*_BOTH, _PROXY, _PROJECTED, "LastReadMessageIndex", "LastReadTimestamp")
    form, told = call.form(*names), call.told
    form.require_any()
    conversation, participant = _named(call)
    call.sandbox.world.require_open(conversation)
    _apply(form, conversation, participant)
    participant.updated = form.date("DateUpdated") or call.sandbox.world.now()
    call.sandbox.world.changes.tell("participant", conversation.sid)
    if told:
        parameters = events.participant_changed(conversation, participant)
        call.sandbox.webhooks.post("onParticipantUpdated", API, conversation.sid, parameters)
    return Reply(200, participant_shape(conversation, participant, call.place))


def delete(call: Call) -> Reply:
    """`DELETE …/Participants/{MB}`."""
    call.form()
    told = call.told
    conversation, participant = _named(call)
    call.sandbox.world.remove_participant(conversation, participant)
    if told:
        parameters = events.participant_changed(conversation, participant, participant.updated)
        call.sandbox.webhooks.post("onParticipantRemoved", API, conversation.sid, parameters)
    return Reply(204)


def newcomer_of(form: Form) -> Newcomer:
    """The participant a client wants added, by the parameters of `NEW`."""
    form.refuse(_PROJECTED)
    identity, address, proxy = form.get("Identity"), form.get("MessagingBinding.Address"), form.get(_PROXY)
    newcomer = Newcomer(
        attributes=form.attributes(rules.PARTICIPANT_ATTRIBUTES) or "{}",
        role_sid=form.sid("RoleSid", "RL") or seeds.ROLE_SID,
        created=form.date("DateCreated"),
        updated=form.date("DateUpdated"),
    )
    if identity is not None and (address is not None or proxy is not None):
        raise bad_parameter("A participant has an Identity or a MessagingBinding, not both")
    if identity is not None:
        newcomer.identity = identity_of(identity)
    else:
        newcomer.binding = binding_of(address or "", proxy or "")
    return newcomer


def tell_joined(call: Call, conversation: Conversation, participant: Participant) -> None:
    """Tell of a participant whom a client added."""
    parameters = events.participant_added(conversation, participant)
    call.sandbox.webhooks.post("onParticipantAdded", API, conversation.sid, parameters)


def _named(call: Call) -> tuple[Conversation, Participant]:
    """The participant by SID: only fetching takes an identity in its place."""
    conversation = conversation_of(call)
    participant = conversation.participants.get(call.named("participant"))
    if participant is None:
        raise not_found(call.request.path)
    return conversation, participant


def _apply(form: Form, conversation: Conversation, participant: Participant) -> None:
    """Change the participant; everything is read before anything is written."""
    if _PROXY in form or _PROJECTED in form:
        raise TwilioError(50441, "The proxy address of this participant cannot be changed")
    identity = form.get("Identity")
    if identity is not None and conversation.with_identity(identity_of(identity)) not in (None, participant):
        raise TwilioError(50433, "Participant already exists in this Conversation")
    attributes = form.attributes(rules.PARTICIPANT_ATTRIBUTES)
    role_sid, index = form.sid("RoleSid", "RL"), form.number("LastReadMessageIndex")
    read_at, created, _ = form.date("LastReadTimestamp"), form.date("DateCreated"), form.date("DateUpdated")
    participant.identity = identity or participant.identity
    participant.attributes = participant.attributes if attributes is None else attributes
    participant.role_sid = role_sid or participant.role_sid
    participant.last_read_index = participant.last_read_index if index is None else index
    participant.last_read_at = rules.rest_date(read_at) if read_at else participant.last_read_at
    participant.created = created or participant.created


def create_user(call: Call) -> Reply:
    """`POST /Users`."""
    form, told = call.form("Identity", "FriendlyName", "Attributes", "RoleSid"), call.told
    attributes = form.attributes(rules.CONVERSATION_ATTRIBUTES) or "{}"
    identity, role_sid = identity_of(form.require("Identity")), form.sid("RoleSid", "RL")
    user = call.sandbox.world.add_user(identity, form.name("FriendlyName"), attributes)
    user.role_sid = role_sid or user.role_sid
    if told:
        call.sandbox.webhooks.post("onUserAdded", API, user.sid, events.user(user))
    return Reply(201, user_shape(user, call.place))


def listed_users(call: Call) -> Reply:
    """`GET /Users`."""
    page = page_of(
        list(call.sandbox.world.users.values()),
        lambda user: (0, user.ordinal),
        lambda user: user_shape(user, call.place),
        "users",
        call.url,
        call.query(),
        max_size=50,
    )
    return Reply(200, page)


def fetch_user(call: Call) -> Reply:
    """`GET /Users/{US or identity}`."""
    call.query()
    return Reply(200, user_shape(user_of(call), call.place))


def update_user(call: Call) -> Reply:
    """`POST /Users/{US or identity}`."""
    form, told = call.form("FriendlyName", "Attributes", "RoleSid"), call.told
    form.require_any()
    user = user_of(call)
    friendly_name, attributes = form.name("FriendlyName"), form.attributes(rules.CONVERSATION_ATTRIBUTES)
    role_sid = form.sid("RoleSid", "RL")
    user.friendly_name = user.friendly_name if friendly_name is None else friendly_name
    user.attributes = user.attributes if attributes is None else attributes
    user.role_sid = role_sid or user.role_sid
    user.updated = call.sandbox.world.now()
    if told:
        call.sandbox.webhooks.post("onUserUpdated", API, user.sid, events.user(user, updated=True))
    return Reply(200, user_shape(user, call.place))


def delete_user(call: Call) -> Reply:
    """`DELETE /Users/{US or identity}`."""
    call.form()
    call.sandbox.world.remove_user(user_of(call))
    return Reply(204)


def user_of(call: Call) -> User:
    """The user the path names, by SID or by identity."""
    name = call.named("user")
    user = call.sandbox.world.users.get(name) or call.sandbox.world.user_of(name)
    if user is None:
        raise not_found(call.request.path)
    return user

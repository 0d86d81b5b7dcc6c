"""Conversations of the REST API: create, list, fetch, update, delete, and the ones somebody is in."""

from collections.abc import Collection
from datetime import datetime, timedelta

from aiohttp import web

from orchestrator.sandbox import events, rules
from orchestrator.sandbox.drafts import Opening
from orchestrator.sandbox.errors import TwilioError, bad_parameter
from orchestrator.sandbox.forms import Form
from orchestrator.sandbox.paging import page_of
from orchestrator.sandbox.records import Conversation, Participant, Timers
from orchestrator.sandbox.rest import Call, Reply, add_route
from orchestrator.sandbox.sandbox import API
from orchestrator.sandbox.shapes import conversation_shape, participant_conversation_shape

_FIELDS = (
    "FriendlyName",
    "UniqueName",
    "DateCreated",
    "DateUpdated",
    "MessagingServiceSid",
    "Attributes",
    "State",
)
_TIMERS = ("Timers.Inactive", "Timers.Closed")
_NOT_SIMULATED = ("Bindings.Email.Address", "Bindings.Email.Name")


def add_routes(app: web.Application) -> None:
    """Add the routes of this module."""
    add_route(app, "POST", "/v1/Conversations", create)
    add_route(app, "GET", "/v1/Conversations", listed)
    add_route(app, "GET", "/v1/Conversations/{conversation}", fetch)
    add_route(app, "POST", "/v1/Conversations/{conversation}", update)
    add_route(app, "DELETE", "/v1/Conversations/{conversation}", delete)
    add_route(app, "GET", "/v1/ParticipantConversations", of_participant)


def conversation_of(call: Call) -> Conversation:
    """The conversation the path names, by SID or by unique name."""
    return call.sandbox.world.conversation(call.named("conversation"))


def form_of(call: Call, arrays: Collection[str] = ()) -> Form:
    """The parameters of a conversation, and those of `arrays`."""
    form = call.form(*_FIELDS, *_TIMERS, *_NOT_SIMULATED, arrays=arrays)
    form.refuse(*_NOT_SIMULATED)
    return form


def create(call: Call) -> Reply:
    """`POST /Conversations`."""
    opening, told = opening_of(call, form_of(call)), call.told
    conversation = call.sandbox.world.open_conversation(opening)
    if told:
        tell_added(call, conversation)
    return Reply(201, conversation_shape(conversation, call.place))


def opening_of(call: Call, form: Form) -> Opening:
    """The conversation a client wants created."""
    timers = timers_of(form, _TIMERS, call.sandbox.world.default_timers)
    if "State" not in form and any(name in form for name in _TIMERS):
        raise TwilioError(50382, "Timers at the creation of a conversation need its State")
    opening = Opening(
        friendly_name=form.name("FriendlyName"),
        unique_name=_unique_name(form),
        attributes=form.attributes(rules.CONVERSATION_ATTRIBUTES) or "{}",
        state=_state(form) or "active",
        timers=timers,
        created=form.date("DateCreated"),
        updated=form.date("DateUpdated"),
    )
    opening.messaging_service_sid = form.sid("MessagingServiceSid", "MG") or opening.messaging_service_sid
    return opening


def timers_of(form: Form, names: tuple[str, str], kept: Timers) -> Timers:
    """The timers after what the form says of them under these names; `kept` is what they are without it."""
    inactive, closed = (form.get(name) for name in names)
    return Timers(
        kept.inactive if inactive is None else rules.timer(inactive, names[0]),
        kept.closed if closed is None else rules.timer(closed, names[1]),
    )


def tell_added(call: Call, conversation: Conversation) -> None:
    """Tell of a conversation that a client created."""
    parameters = events.conversation_added(conversation, None, None)
    call.sandbox.webhooks.post("onConversationAdded", API, conversation.sid, parameters)


def listed(call: Call) -> Reply:
    """`GET /Conversations`, the newest first; the fault `list_lag_s` hides the newest."""
    query = call.query("StartDate", "EndDate", "State")
    state, start, end = _state(query), query.date("StartDate"), _end(query)
    found = [
        conversation
        for conversation in call.listed(call.sandbox.world.conversations.values())
        if (state is None or conversation.state == state) and _within(conversation, start, end)
    ]
    page = page_of(
        found,
        lambda conversation: (0, conversation.ordinal),
        lambda conversation: conversation_shape(conversation, call.place),
        "conversations",
        call.url,
        query,
        descending=True,
    )
    return Reply(200, page)


def fetch(call: Call) -> Reply:
    """`GET /Conversations/{CH or unique name}`."""
    call.query()
    return Reply(200, conversation_shape(conversation_of(call), call.place))


def update(call: Call) -> Reply:
    """`POST /Conversations/{CH}`: the state first, for it alone can be refused by what is there."""
    form, told = form_of(call), call.told
    form.require_any()
    conversation = conversation_of(call)
    friendly_name, unique_name, state = form.name("FriendlyName"), _unique_name(form), _state(form)
    attributes = form.attributes(rules.CONVERSATION_ATTRIBUTES)
    service, created, updated = (
        form.sid("MessagingServiceSid", "MG"),
        form.date("DateCreated"),
        form.date("DateUpdated"),
    )
    timers, timed = timers_of(form, _TIMERS, conversation.timers), any(name in form for name in _TIMERS)
    if state is not None or timed:
        call.sandbox.world.require_open(conversation)
    if unique_name is not None:
        call.sandbox.world.rename(conversation, unique_name)
    if timed:
        call.sandbox.world.set_timers(conversation, timers)
    conversation.friendly_name = conversation.friendly_name if friendly_name is None else friendly_name
    conversation.attributes = conversation.attributes if attributes is None else attributes
    conversation.messaging_service_sid = service or conversation.messaging_service_sid
    conversation.created = created or conversation.created
    if state is not None:
        call.sandbox.set_state(conversation, state, API, "API", told)
    call.sandbox.world.touch(conversation, updated)
    if told:
        parameters = events.conversation(conversation)
        call.sandbox.webhooks.post("onConversationUpdated", API, conversation.sid, parameters)
    return Reply(200, conversation_shape(conversation, call.place))


def delete(call: Call) -> Reply:
    """`DELETE /Conversations/{CH}`."""
    call.form()
    conversation, told = conversation_of(call), call.told
    call.sandbox.world.remove_conversation(conversation)
    if told:
        parameters = events.conversation(conversation, conversation.updated)
        call.sandbox.webhooks.post("onConversationRemoved", API, conversation.sid, parameters)
    return Reply(204)


def of_participant(call: Call) -> Reply:
    """`GET /ParticipantConversations`: of an identity or an address, closed ones too, the newest first; the fault
    `list_lag_s` hides those he joined last."""
    query = call.query("Identity", "Address")
    identity, address = query.get("Identity"), query.get("Address")
    if identity and address:
        raise TwilioError(50451, "Identity and Address cannot both be given")
    if not identity and not address:
        raise bad_parameter("One of Identity and Address must be given")
    page = page_of(
        _memberships(call, identity, address),
        lambda membership: (0, membership[1].ordinal),
        lambda membership: _membership_shape(call, *membership),
        "conversations",
        call.url,
        query,
        max_size=50,
        descending=True,
    )
    return Reply(200, page)


def _memberships(call: Call, identity: str | None, address: str | None) -> list[tuple[Conversation, Participant]]:
    found = [
        (conversation, participant)
        for conversation in call.sandbox.world.conversations.values()
        for participant in conversation.participants.values()
        if (identity and participant.identity == identity)
        or (address and participant.binding and participant.binding.address == address)
    ]
    newest = call.newest_listed
    return [membership for membership in found if membership[1].entered <= newest]


def _membership_shape(call: Call, conversation: Conversation, participant: Participant) -> dict[str, object]:
    user = call.sandbox.world.user_of(participant.identity) if participant.identity else None
    return participant_conversation_shape(conversation, participant, user, call.place)


def _unique_name(form: Form) -> str | None:
    value = form.get("UniqueName")
    return value if value is None else rules.unique_name(value)


def _state(form: Form) -> str | None:
    value = form.get("State")
    return value if value is None else rules.state(value)


def _end(query: Form) -> datetime | None:
    """The end of the range: a day without a time means all of it."""
    end, text = query.date("EndDate"), query.get("EndDate")
    return end + timedelta(days=1, seconds=-1) if end and text and len(text) <= len("2026-11-22") else end


def _within(conversation: Conversation, start: datetime | None, end: datetime | None) -> bool:
    created = conversation.created.replace(microsecond=0)
    return (start is None or created >= start) and (end is None or created <= end)

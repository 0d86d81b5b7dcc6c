"""The conversations of a chat user (Twilio API description, UserConversation)."""

from aiohttp import web

from orchestrator.sandbox import rules
from orchestrator.sandbox.errors import not_found
from orchestrator.sandbox.paging import page_of
from orchestrator.sandbox.records import Conversation, Participant, User
from orchestrator.sandbox.rest import Call, Reply, add_route
from orchestrator.sandbox.rest_participants import user_of
from orchestrator.sandbox.shapes import user_conversation_shape

_CONVERSATIONS = "/v1/Users/{user}/Conversations"


def add_routes(app: web.Application) -> None:
    """Add the routes of this module."""
    add_route(app, "GET", _CONVERSATIONS, listed)
    add_route(app, "GET", _CONVERSATIONS + "/{conversation}", fetch)
    add_route(app, "POST", _CONVERSATIONS + "/{conversation}", update)
    add_route(app, "DELETE", _CONVERSATIONS + "/{conversation}", delete)


def listed(call: Call) -> Reply:
    """`GET /Users/{US or identity}/Conversations`, the newest first; `list_lag_s` hides those he joined last."""
    query, user, newest = call.query(), user_of(call), call.newest_listed
    members = [(it, it.with_identity(user.identity)) for it in call.sandbox.world.conversations.values()]
    page = page_of(
        [(it, participant) for it, participant in members if participant and participant.entered <= newest],
        lambda member: (0, member[0].ordinal),
        lambda member: user_conversation_shape(*member, user, call.place),
        "conversations",
        call.url,
        query,
        max_size=50,
        descending=True,
    )
    return Reply(200, page)


def fetch(call: Call) -> Reply:
    """`GET /Users/{US}/Conversations/{CH}`."""
    call.query()
    return _reply(call)


def update(call: Call) -> Reply:
    """`POST /Users/{US}/Conversations/{CH}`: how far he has read, and whether he is notified."""
    form = call.form("NotificationLevel", "LastReadMessageIndex", "LastReadTimestamp")
    form.require_any()
    level, index = form.choice("NotificationLevel", ("default", "muted")), form.number("LastReadMessageIndex")
    read_at = form.date("LastReadTimestamp")
    _, participant, _ = _named(call)
    participant.notification_level = level or participant.notification_level
    participant.last_read_index = participant.last_read_index if index is None else index
    participant.last_read_at = rules.rest_date(read_at) if read_at else participant.last_read_at
    return _reply(call)


def delete(call: Call) -> Reply:
    """`DELETE /Users/{US}/Conversations/{CH}`: he is in it no more."""
    call.form()
    conversation, participant, _ = _named(call)
    call.sandbox.world.remove_participant(conversation, participant)
    return Reply(204)


def _named(call: Call) -> tuple[Conversation, Participant, User]:
    user, conversation = user_of(call), call.sandbox.world.conversation(call.named("conversation"))
    participant = conversation.with_identity(user.identity)
    if participant is None:
        raise not_found(call.request.path)
    return conversation, participant, user


def _reply(call: Call) -> Reply:
    return Reply(200, user_conversation_shape(*_named(call), call.place))

"""Messages of the REST API, and the receipts of their delivery."""

from collections.abc import Mapping

from aiohttp import web

from orchestrator.sandbox import events, rules
from orchestrator.sandbox.drafts import Draft
from orchestrator.sandbox.errors import TwilioError, bad_parameter, not_found
from orchestrator.sandbox.forms import Form
from orchestrator.sandbox.paging import page_of
from orchestrator.sandbox.records import Conversation, Media, Message, Upload
from orchestrator.sandbox.rest import Call, Reply, add_route
from orchestrator.sandbox.rest_conversations import conversation_of
from orchestrator.sandbox.sandbox import API
from orchestrator.sandbox.shapes import message_shape, receipt_shape

_MESSAGES = "/v1/Conversations/{conversation}/Messages"
_UPDATABLE = ("Author", "Body", "Attributes", "Subject", "DateCreated", "DateUpdated")
_CONTENT = ("MediaSid", "ContentSid", "ContentVariables")


def add_routes(app: web.Application) -> None:
    """Add the routes of this module."""
    add_route(app, "POST", _MESSAGES, create)
    add_route(app, "GET", _MESSAGES, listed)
    add_route(app, "GET", _MESSAGES + "/{message}", fetch)
    add_route(app, "POST", _MESSAGES + "/{message}", update)
    add_route(app, "DELETE", _MESSAGES + "/{message}", delete)
    add_route(app, "GET", _MESSAGES + "/{message}/Receipts", receipts)
    add_route(app, "GET", _MESSAGES + "/{message}/Receipts/{receipt}", receipt)


def create(call: Call) -> Reply:
    """`POST …/Messages`. A message without an author is from `system`."""
    form, told = call.form(*_UPDATABLE, *_CONTENT), call.told
    conversation = conversation_of(call)
    draft = _draft(form, bool(conversation.channel_participants()), call.sandbox.world.uploads)
    message = call.sandbox.publish(conversation, draft, API, told)
    return Reply(201, message_shape(conversation, message, call.place))


def listed(call: Call) -> Reply:
    """`GET …/Messages`, by index; the fault `list_lag_s` hides the newest."""
    query = call.query("Order")
    descending = query.choice("Order", ("asc", "desc")) == "desc"
    conversation = conversation_of(call)
    page = page_of(
        call.listed(conversation.messages.values()),
        lambda message: (0, message.index),
        lambda message: message_shape(conversation, message, call.place),
        "messages",
        call.url,
        query,
        descending=descending,
    )
    return Reply(200, page)


def fetch(call: Call) -> Reply:
    """`GET …/Messages/{IM}`."""
    call.query()
    conversation, message = _named(call)
    return Reply(200, message_shape(conversation, message, call.place))


def update(call: Call) -> Reply:
    """`POST …/Messages/{IM}`."""
    form, told = call.form(*_UPDATABLE), call.told
    form.require_any()
    conversation, message = _named(call)
    author, body = form.name("Author"), form.get("Body")
    attributes = form.attributes(rules.MESSAGE_ATTRIBUTES)
    form.name("Subject")
    created, updated = form.date("DateCreated"), form.date("DateUpdated")
    if body is not None:
        message.body = rules.body(body, bool(conversation.channel_participants()))
    message.author = author or message.author
    message.attributes = message.attributes if attributes is None else attributes
    message.created = created or message.created
    message.updated = updated or call.sandbox.world.now()
    call.sandbox.world.changes.tell("message", conversation.sid)
    if told:
        parameters = events.message_changed(conversation, message)
        call.sandbox.webhooks.post("onMessageUpdated", API, conversation.sid, parameters)
    return Reply(200, message_shape(conversation, message, call.place))


def delete(call: Call) -> Reply:
    """`DELETE …/Messages/{IM}`: its index is not given again."""
    call.form()
    conversation, message = _named(call)
    told, now = call.told, call.sandbox.world.now()
    del conversation.messages[message.sid]
    call.sandbox.world.changes.tell("message", conversation.sid)
    if told:
        parameters = events.message_changed(conversation, message, now)
        call.sandbox.webhooks.post("onMessageRemoved", API, conversation.sid, parameters)
    return Reply(204)


def receipts(call: Call) -> Reply:
    """`GET …/Messages/{IM}/Receipts`."""
    query = call.query()
    conversation, message = _named(call)
    page = page_of(
        list(message.receipts.values()),
        lambda receipt: (0, receipt.ordinal),
        lambda receipt: receipt_shape(conversation, receipt, call.place),
        "delivery_receipts",
        call.url,
        query,
        max_size=50,
    )
    return Reply(200, page)


def receipt(call: Call) -> Reply:
    """`GET …/Messages/{IM}/Receipts/{DY}`."""
    call.query()
    conversation, message = _named(call)
    found = message.receipts.get(call.named("receipt"))
    if found is None:
        raise not_found(call.request.path)
    return Reply(200, receipt_shape(conversation, found, call.place))


def _named(call: Call) -> tuple[Conversation, Message]:
    conversation = conversation_of(call)
    message = conversation.messages.get(call.named("message"))
    if message is None:
        raise not_found(call.request.path)
    return conversation, message


def _draft(form: Form, on_channel: bool, uploads: Mapping[str, Upload]) -> Draft:
    """What a client wants published; `ContentSid` puts `Body` and `MediaSid` aside."""
    content_sid, media_sid, body = form.sid("ContentSid", "HX"), form.sid("MediaSid", "ME"), form.get("Body")
    _check_variables(form)
    form.name("Subject")
    if content_sid:
        media_sid = body = None
    elif not body and not media_sid:
        raise TwilioError(50503, "Message body is missing")
    return Draft(
        author=form.name("Author") or "system",
        body=rules.body(body, on_channel) if body else None,
        attributes=form.attributes(rules.MESSAGE_ATTRIBUTES) or "{}",
        media=(_medium(media_sid, uploads),) if media_sid else (),
        content_sid=content_sid,
        created=form.date("DateCreated"),
        updated=form.date("DateUpdated"),
    )


def _medium(sid: str, uploads: Mapping[str, Upload]) -> Media:
    return uploads[sid].media if sid in uploads else Media(sid, "application/octet-stream", None, 0)


def _check_variables(form: Form) -> None:
    value = form.get("ContentVariables")
    if value is None:
        return
    try:
        variables = rules.strict_json(value)
    except ValueError as error:
        raise bad_parameter(f"ContentVariables must be JSON: {error}") from error
    if not isinstance(variables, dict):
        raise bad_parameter("ContentVariables must be a JSON object")

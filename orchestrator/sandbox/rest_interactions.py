"""The REST API of a Flex account: Interactions, and the tasks they make."""

import re
from typing import Any

from aiohttp import web

from orchestrator.sandbox import rules, seeds
from orchestrator.sandbox.errors import bad_parameter, not_found
from orchestrator.sandbox.forms import Form
from orchestrator.sandbox.interactions import Interaction, task_attributes
from orchestrator.sandbox.paging import page_of
from orchestrator.sandbox.rest import Call, Reply, add_route
from orchestrator.sandbox.shapes import Shape
from orchestrator.sandbox.world import new_sid

_OF_CONVERSATION = re.compile(r'conversationSid == "(CH[0-9a-f]{32})"')


def add_routes(app: web.Application) -> None:
    """Add the routes of this module."""
    add_route(app, "POST", "/v1/Interactions", create, scoped=False)
    add_route(app, "GET", "/v1/Workspaces/{workspace}/Tasks", tasks, scoped=False)


def create(call: Call) -> Reply:
    """`POST /v1/Interactions`: a conversation that is there, and a route to a worker of the workspace."""
    _insist_on_flex(call)
    form = call.form("Channel", "Routing", "InteractionContextSid", "WebhookTtid")
    channel, routing = _document(form, "Channel"), _within(_document(form, "Routing"), "Routing", "properties")
    properties, about = _within(channel, "Channel", "properties"), _within(routing, "Routing.properties", "attributes")
    if not isinstance(channel.get("type"), str):
        raise bad_parameter("Channel.type must be a string")
    if channel.get("initiated_by") not in ("customer", "agent", "api"):
        raise bad_parameter("Channel.initiated_by must be customer, agent or api")
    conversation = call.sandbox.world.conversation(str(properties.get("media_channel_sid")))
    call.sandbox.world.require_open(conversation)
    if (routing.get("workspace_sid"), routing.get("workflow_sid")) != (
        seeds.FLEX_WORKSPACE_SID,
        seeds.FLEX_WORKFLOW_SID,
    ):
        raise bad_parameter("Routing names no workspace and workflow of this account")
    sid, channel_sid = new_sid("KD"), new_sid("UO")
    attributes = task_attributes(about, sid, channel_sid, conversation.sid)
    made = Interaction(sid, channel_sid, new_sid("WT"), conversation.sid, attributes)
    call.sandbox.interactions.all.append(made)
    return Reply(200, _shape(made, channel["type"], routing))


def tasks(call: Call) -> Reply:
    """`GET …/Tasks`, of one conversation or all."""
    _insist_on_flex(call)
    if call.named("workspace") != seeds.FLEX_WORKSPACE_SID:
        raise not_found(call.request.path)
    query = call.query("EvaluateTaskAttributes")
    expression = query.get("EvaluateTaskAttributes")
    found = None if expression is None else _OF_CONVERSATION.fullmatch(expression)
    if expression is not None and found is None:
        raise bad_parameter("this expression is not simulated by the sandbox")
    wanted = call.sandbox.interactions.of(found[1] if found else None)
    page = page_of(
        list(enumerate(wanted)),
        lambda numbered: (0, numbered[0]),
        lambda numbered: _task(numbered[1]),
        "tasks",
        call.url,
        query,
        max_size=1000,
    )
    return Reply(200, page)


def _insist_on_flex(call: Call) -> None:
    if not call.sandbox.account.is_flex:
        raise not_found(call.request.path)


def _document(form: Form, name: str) -> dict[str, Any]:
    try:
        value = rules.strict_json(form.require(name))
    except ValueError as error:
        raise bad_parameter(f"{name} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise bad_parameter(f"{name} must be a JSON object")
    return value


def _within(document: dict[str, Any], name: str, key: str) -> dict[str, Any]:
    """The object that a document holds under a key; empty when it is left out."""
    value = document.get(key, {})
    if not isinstance(value, dict):
        raise bad_parameter(f"{name}.{key} must be a JSON object")
    return value


def _shape(it: Interaction, kind: str, routing: dict[str, Any]) -> Shape:
    return {
        "sid": it.sid,
        "channel": {"type": kind, "sid": it.channel_sid},
        "routing": {"properties": routing | {"task_sid": it.task_sid}, "reservation": None},
        "interaction_context_sid": None,
        "webhook_ttid": None,
        "url": f"https://flex-api.twilio.com/v1/Interactions/{it.sid}",
    }


def _task(it: Interaction) -> Shape:
    return {
        "sid": it.task_sid,
        "account_sid": seeds.FLEX_ACCOUNT_SID,
        "workspace_sid": seeds.FLEX_WORKSPACE_SID,
        "workflow_sid": seeds.FLEX_WORKFLOW_SID,
        "assignment_status": "pending",
        "attributes": it.attributes,
    }

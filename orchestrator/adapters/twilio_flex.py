"""Flex, another account, as the neighbour with agents of its own (Twilio Docs, "Interactions API").

A stay has a conversation there without a customer's address, which we write into by REST, and an Interaction that
brings agents into it. A webhook of that conversation alone tells of them, so the account's own webhooks stay Flex's.
Each docstring says how its call survives being made twice.

Not tried against a real Flex: that an Interaction takes a conversation without a participant of the customer, and that
the task it makes can be listed by its attribute `conversationSid`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from orchestrator.adapters.outcomes import calling, json_object, known
from orchestrator.adapters.twilio_client import Connect
from orchestrator.adapters.twilio_conversations import TwilioConversations
from orchestrator.errors import Gone, Rejected
from orchestrator.ports import FlexLook

EVENTS = (
    "onMessageAdded",
    "onParticipantRemoved",
    "onConversationStateUpdated",
    "onConversationRemoved",
)
_OVER = ("closed", "inactive")
_CHANNEL = "web"


class TwilioFlex:
    """The `Flex` port over an official client of the Flex account.

    workspace_sid, workflow_sid: where its Interactions are routed.
    """

    def __init__(self, connect: Connect, workspace_sid: str, workflow_sid: str) -> None:
        self._connect = connect
        self._conversations = TwilioConversations(connect)
        self._workspace_sid = workspace_sid
        self._workflow_sid = workflow_sid

    async def open(self, unique_name: str, friendly_name: str, event_url: str) -> str:
        """The conversation of this unique name, and its webhook.

        Twice: the name finds the conversation, and a webhook of this URL that is there already is not added again.
        Should one be carried out late and be there twice, its events are hints, and change nothing twice.
        """
        with _of_flex():
            listed = await self._conversations.create(unique_name, friendly_name)
            if listed.state in _OVER:
                raise Rejected("the conversation of this stay is over there already", 400, 50377)
            with calling():
                webhooks = (await self._conversation(listed.conversation_sid)).webhooks
                there = [it.configuration or {} for it in await webhooks.list_async()]
                if not any(it.get("url") == event_url for it in there):
                    await webhooks.create_async(
                        target="webhook",
                        configuration_url=event_url,
                        configuration_method="post",
                        configuration_filters=list(EVENTS),
                    )
        return listed.conversation_sid

    async def post(self, flex_sid: str, author: str, body: str, key: str) -> str:
        """Publish a message there. Twice: it is published twice; so look with `posted` before."""
        with _of_flex():
            return (await self._conversations.send_message(flex_sid, body, key, None, author)).message_sid

    async def posted(self, flex_sid: str) -> dict[str, str]:
        """The keys of our messages there. A read: harmless twice."""
        with _of_flex():
            found = await self._conversations.messages(flex_sid, -1)
        return {message.tag: message.message_sid for message in found if message.tag is not None}

    async def invite(self, flex_sid: str, attributes: dict[str, str]) -> str:
        """An Interaction in that conversation. Twice: there may be two; so look with `invited` before."""
        channel = {
            "type": _CHANNEL,
            "initiated_by": "api",
            "properties": {"media_channel_sid": flex_sid},
        }
        routing = {
            "properties": {
                "workspace_sid": self._workspace_sid,
                "workflow_sid": self._workflow_sid,
                "task_channel_unique_name": "chat",
                "attributes": attributes,
            }
        }
        with _of_flex(), calling():
            api = (await self._connect()).flex_api.v1
            made = await api.interaction.create_async(channel=channel, routing=routing)
            return known(made.sid, str)

    async def invited(self, flex_sid: str) -> str | None:
        """The Interaction of a task that names this conversation; the conversation itself knows of none.

        A read: harmless twice. Three a second are allowed (Twilio Changelog, 2024-10-18).
        """
        with _of_flex(), calling():
            workspace = (await self._connect()).taskrouter.v1.workspaces(self._workspace_sid)
            expression = f'conversationSid == "{flex_sid}"'
            for task in await workspace.tasks.list_async(evaluate_task_attributes=expression):
                sid = json_object(task.attributes).get("flexInteractionSid")
                if isinstance(sid, str):
                    return sid
        return None

    async def look(self, flex_sid: str, after_index: int) -> FlexLook:
        """Messages first, then who is there: nobody leaves before what he wrote is seen. A read: harmless twice."""
        try:
            messages = await self._conversations.messages(flex_sid, after_index)
            members = await self._conversations.members(flex_sid)
            state = (await self._conversations.conversation(flex_sid)).state
        except Gone:
            return FlexLook(ended=True)
        agents = tuple(sorted(member.identity for member in members if member.identity is not None))
        return FlexLook(messages, agents, state in _OVER)

    async def close(self, flex_sid: str) -> None:
        """Close the conversation there. Twice: the second finds it closed."""
        await self._conversations.close_conversation(flex_sid)

    async def _conversation(self, flex_sid: str) -> Any:
        return (await self._connect()).conversations.v1.conversations(flex_sid)


@contextmanager
def _of_flex() -> Iterator[None]:
    """What is gone there is a refusal to us: our own conversation is not."""
    try:
        yield
    except Gone as gone:
        raise Rejected(str(gone), gone.status, gone.code) from gone


def is_ours(attributes: str | None) -> bool:
    """Whether the `attributes` of a message say that we wrote it."""
    return "expert_hub" in json_object(attributes)

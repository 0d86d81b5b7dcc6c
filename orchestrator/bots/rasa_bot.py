"""Rasa over its REST channel (Rasa docs, "Your Own Website"): POST …/webhooks/rest/webhook, a list of messages back.

Rasa keeps the conversation itself, by sender: a pseudonym. What BOT_SEES declares goes into `metadata`, where a custom
action finds it in the tracker's latest message. A `custom` response carries the rest of the contract.
"""

from typing import Any

from orchestrator.bots.contract import WORDLESS, answer_of, carried
from orchestrator.bots.line import Line, items
from orchestrator.bots.sight import Sight, session_of
from orchestrator.errors import BotUnusable
from orchestrator.ports import Answer, Question

PATH = "/webhooks/rest/webhook"


class RasaBot:
    """A Rasa server at `url`. token: its `--auth-token`, where it has one."""

    def __init__(self, line: Line, url: str, token: str | None, sight: Sight) -> None:
        self._line = line
        self._url = url.rstrip("/") + PATH
        self._parameters = {"token": token} if token else {}
        self._sight = sight

    async def reply(self, question: Question) -> Answer:
        """Answer one message. Raises BotUnusable."""
        if not question.body.strip():
            return WORDLESS
        asked: dict[str, Any] = {"sender": session_of(question), "message": question.body}
        async with self._line.answering():
            seen = await self._sight.of(question)
            reply = await self._line.post(
                self._url, params=self._parameters, json=asked | ({"metadata": seen} if seen else {})
            )
        return answer_of(fields_of(reply.wanted(self._line.name, 200)))


def fields_of(messages: object) -> dict[str, Any]:
    """The contract's fields of Rasa's messages: texts in order, buttons as choices whose payload Rasa is told, and of
    `custom` what the contract knows. Raises BotUnusable for what is no list."""
    if not isinstance(messages, list):
        raise BotUnusable("Rasa answered no list of messages")
    fields: dict[str, Any] = {"messages": [], "choices": []}
    for message in items(messages):
        fields["messages"].append(message.get("text"))
        buttons = items(message.get("buttons"))
        fields["choices"] += [{"title": button.get("title"), "value": button.get("payload")} for button in buttons]
        fields |= carried(message.get("custom"))
    return fields

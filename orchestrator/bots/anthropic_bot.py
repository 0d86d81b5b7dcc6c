"""Anthropic's Messages API (Anthropic docs, "Messages", "Tool use"): one POST with a tool that must be used.

The tool's input schema is the answer's. What it sees: the bot's turn so far, the prompt, and what BOT_SEES declares;
`metadata.user_id` is a pseudonym.
"""

from collections.abc import Sequence
from typing import Any

from orchestrator.bots.line import Line, items, part
from orchestrator.bots.memory import Said
from orchestrator.bots.prompting import OUTPUT_MAX, Asked, Prompting
from orchestrator.bots.sight import session_of
from orchestrator.errors import BotUnusable
from orchestrator.ports import Answer, Question

URL = "https://api.anthropic.com"
VERSION = "2026-10-21"
"""The API's version, as Anthropic's own client of October 2026 names it."""
TOOL = "answer"
_ROLES = {"customer": "user", "bot": "assistant"}


class AnthropicBot:
    """A model behind the base `url`, with its API key."""

    def __init__(self, line: Line, url: str, model: str, key: str, prompting: Prompting) -> None:
        self._line = line
        self._url = f"{url.rstrip('/')}/v1/messages"
        self._model = model
        self._headers = {"Authorization": f"Bearer {key}", "anthropic-version": VERSION}
        self._prompting = prompting

    async def reply(self, question: Question) -> Answer:
        """Answer one message. Raises BotUnusable."""
        async with self._line.answering():
            asked = await self._prompting.asked(question)
            body = self._body(asked, session_of(question))
            reply = await self._line.post(self._url, self._headers, json=body)
        return self._prompting.answer(_output(reply.wanted(self._line.name, 200)), asked.said)

    def _body(self, asked: Asked, user: str) -> dict[str, Any]:
        schema = self._prompting.schema
        tool = {"name": TOOL, "description": "Answer the customer.", "input_schema": schema, "strict": True}
        return {
            "model": self._model,
            "max_tokens": OUTPUT_MAX,
            "system": asked.system,
            "messages": _messages(asked.said),
            "tools": [tool],
            "tool_choice": {"type": "tool", "name": TOOL},
            "metadata": {"user_id": user},
        }


def _messages(said: Sequence[Said]) -> list[dict[str, str]]:
    """The customer speaks first: what the bot said before him has no place there."""
    first = next(number for number, one in enumerate(said) if one.by == "customer")
    return [{"role": _ROLES[one.by], "content": one.text} for one in said[first:]]


def _output(answer: object) -> object:
    """The input of the tool. Raises BotUnusable where it was not used, or the model was cut off in the middle."""
    used = [it for it in items(part(answer, "content")) if it.get("type") == "tool_use" and it.get("name") == TOOL]
    if not used or part(answer, "stop_reason") in ("max_tokens", "refusal"):
        raise BotUnusable("the model refused, or was cut off")
    return used[0].get("input")

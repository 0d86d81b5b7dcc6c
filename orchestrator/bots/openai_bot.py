"""Any endpoint that speaks OpenAI's chat completions (OpenAI API reference, "Create chat completion").

One POST …/chat/completions with `response_format` of type json_schema. What it sees: the bot's turn so far, the prompt,
and what BOT_SEES declares; `user` is a pseudonym. Servers that take no schema are caught by the validation here.
"""

from typing import Any

from orchestrator.bots.line import Line, items, part
from orchestrator.bots.prompting import OUTPUT_MAX, Asked, Prompting, parsed
from orchestrator.bots.sight import session_of
from orchestrator.errors import BotUnusable
from orchestrator.ports import Answer, Question

URL = "https://api.openai.com/v1"
_ROLES = {"customer": "user", "bot": "assistant"}


class OpenAiBot:
    """A model behind the base `url`. key: its API key, None where the endpoint wants none."""

    def __init__(self, line: Line, url: str, model: str, key: str | None, prompting: Prompting) -> None:
        self._line = line
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._model = model
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._prompting = prompting

    async def reply(self, question: Question) -> Answer:
        """Answer one message. Raises BotUnusable."""
        async with self._line.answering():
            asked = await self._prompting.asked(question)
            body = self._body(asked, session_of(question))
            reply = await self._line.post(self._url, self._headers, json=body)
        return self._prompting.answer(_output(reply.wanted(self._line.name, 200)), asked.said)

    def _body(self, asked: Asked, user: str) -> dict[str, Any]:
        schema = {"name": "answer", "strict": True, "schema": self._prompting.schema}
        return {
            "model": self._model,
            "messages": [
                {"role": "system", "content": asked.system},
                *({"role": _ROLES[one.by], "content": one.text} for one in asked.said),
            ],
            "response_format": {"type": "json_schema", "json_schema": schema},
            "max_completion_tokens": OUTPUT_MAX,
            "user": user,
        }


def _output(answer: object) -> object:
    """What the model wrote. Raises BotUnusable where it refused, or was cut off in the middle."""
    choices = items(part(answer, "choices"))
    if not choices:
        raise BotUnusable("the endpoint answered without choices")
    if choices[0].get("finish_reason") in ("length", "content_filter") or part(choices[0], "message", "refusal"):
        raise BotUnusable("the model refused, or was cut off")
    return parsed(part(choices[0], "message", "content"))

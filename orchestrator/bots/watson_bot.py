"""watsonx Assistant, API v2 (IBM Cloud API docs, "Assistant v2"): a session for each conversation, messages in it.

The session is this process's: another replica begins one of its own. What BOT_SEES declares goes into the actions'
session variables `customer_…`. A `user_defined` response carries the rest of the contract, and `connect_to_agent` asks
for a person. What names channels is for IBM's own and left out.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from orchestrator.bots.contract import WORDLESS, answer_of, carried
from orchestrator.bots.line import Line, Reply, items, part
from orchestrator.bots.sight import Sight, session_of
from orchestrator.errors import BotUnusable
from orchestrator.ports import Answer, Question

VERSION = "2024-08-25"
"""The date of the API that is spoken."""
IAM_URL = "https://iam.cloud.ibm.com/identity/token"
_GRANT = "urn:ibm:params:oauth:grant-type:apikey"
_SESSIONS_MAX = 10_000
_EARLY_S = 60


class WatsonBot:
    """An assistant's environment `ASSISTANT_ID/ENVIRONMENT_ID` in the instance at `url`. key: its API key."""

    def __init__(self, line: Line, url: str, assistant: str, key: str, sight: Sight, iam_url: str = IAM_URL) -> None:
        assistant_id, _, environment = assistant.partition("/")
        self._sessions_url = f"{url.rstrip('/')}/v2/assistants/{assistant_id}/environments/{environment}/sessions"
        self._line = line
        self._sight = sight
        self._tokens = IbmTokens(line, key, iam_url)
        self._sessions: OrderedDict[str, str] = OrderedDict()

    async def reply(self, question: Question) -> Answer:
        """Answer one message, in a new session where the old one has ended. Raises BotUnusable."""
        if not question.body.strip():
            return WORDLESS
        who = session_of(question)
        async with self._line.answering():
            asked = self._asked(question, who, await self._sight.of(question))
            reply = await self._ask(who, asked)
            if reply.status == 404:
                self._sessions.pop(who, None)
                reply = await self._ask(who, asked)
        return answer_of(fields_of(reply.wanted(self._line.name, 200)))

    def _asked(self, question: Question, who: str, seen: dict[str, str]) -> dict[str, Any]:
        asked: dict[str, Any] = {"input": {"message_type": "text", "text": question.body}, "user_id": who}
        if seen:
            variables = {f"customer_{name}": value for name, value in seen.items()}
            asked["context"] = {"skills": {"actions skill": {"skill_variables": variables}}}
        return asked

    async def _ask(self, who: str, asked: dict[str, Any]) -> Reply:
        headers = {"Authorization": f"Bearer {await self._tokens.token()}"}
        if who not in self._sessions:
            begun = await self._line.post(self._sessions_url, headers, params={"version": VERSION}, json={})
            session = part(begun.wanted(self._line.name, 200, 201), "session_id")
            if not isinstance(session, str):
                raise BotUnusable("Watson gave no session")
            self._sessions[who] = session
            if len(self._sessions) > _SESSIONS_MAX:
                self._sessions.popitem(last=False)
        self._sessions.move_to_end(who)
        url = f"{self._sessions_url}/{self._sessions[who]}/message"
        reply = await self._line.post(url, headers, params={"version": VERSION}, json=asked)
        if reply.status == 401:
            self._tokens.forget()
        return reply


def fields_of(answer: object) -> dict[str, Any]:
    """The contract's fields of Watson's output. Raises BotUnusable where there is none."""
    output = part(answer, "output")
    if not isinstance(output, dict):
        raise BotUnusable("Watson answered without output")
    fields: dict[str, Any] = {"messages": [], "choices": []}
    for response in [it for it in items(output.get("generic")) if not it.get("channels")]:
        match response.get("response_type"):
            case "text":
                fields["messages"].append(response.get("text"))
            case "option" | "suggestion":
                fields["messages"].append(response.get("title"))
                fields["choices"] += _options(response)
            case "connect_to_agent":
                fields["messages"].append(part(response, "agent_available", "message"))
                fields.setdefault("route", "agent")
            case "end_session":
                fields["close"] = True
            case "user_defined":
                fields |= carried(response.get("user_defined"))
    return fields


def _options(response: dict[str, Any]) -> list[dict[str, Any]]:
    """What may be chosen, and what Watson wants to be told then."""
    given = [*items(response.get("options")), *items(response.get("suggestions"))]
    return [{"title": it.get("label"), "value": part(it, "value", "input", "text") or it.get("label")} for it in given]


class IbmTokens:
    """Access tokens for an API key (IBM Cloud API docs, "IAM Identity Services", Create an IAM access token)."""

    def __init__(self, line: Line, key: str, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._line = line
        self._key = key
        self._url = url
        self._clock = clock
        self._token, self._ends_at = "", float("-inf")

    async def token(self) -> str:
        """A token that is good for a while. Raises BotUnusable."""
        now = self._clock()
        if now >= self._ends_at:
            form = {"grant_type": _GRANT, "apikey": self._key, "response_type": "cloud_iam"}
            reply = await self._line.post(self._url, data=form)
            found = reply.wanted(self._line.name, 200)
            token, lives_s = part(found, "access_token"), part(found, "expires_in")
            if not isinstance(token, str) or not isinstance(lives_s, int):
                raise BotUnusable("IBM gave no access token")
            self._token, self._ends_at = token, now + lives_s - _EARLY_S
        return self._token

    def forget(self) -> None:
        """The token was refused: the next is a new one."""
        self._ends_at = float("-inf")

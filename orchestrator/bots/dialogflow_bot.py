"""Dialogflow CX, `sessions.detectIntent` of its REST API v3 (Google Cloud docs, "Method: sessions.detectIntent").

Dialogflow keeps the conversation itself, by session: a pseudonym. What BOT_SEES declares goes into session parameters
called `customer_…`. A custom payload carries the rest of the contract; a live-agent handoff asks for a person, and its
metadata may say which; the end of the interaction ends the conversation.
"""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

from orchestrator.bots.configured import DIALOGFLOW_AGENT
from orchestrator.bots.contract import WORDLESS, answer_of, carried
from orchestrator.bots.line import Line, items, part
from orchestrator.bots.sight import Sight, session_of
from orchestrator.errors import BotUnusable
from orchestrator.ports import Answer, Question

SCOPE = "https://www.googleapis.com/auth/dialogflow"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_HOUR_S = 3600
TEXT_MAX = 256
"""Characters of one text Dialogflow takes (reference of `TextInput`)."""
# A token is renewed this long before it ends.
_EARLY_S = 60


class DialogflowBot:
    """An agent `projects/…/locations/…/agents/…` (`/environments/…`). key: a service account's key file."""

    def __init__(self, line: Line, agent: str, key: Path, sight: Sight, url: str | None = None) -> None:
        self._line = line
        self._agent = agent
        self._url = (url or endpoint_of(agent)).rstrip("/")
        self._sight = sight
        self._tokens = GoogleTokens(line, json.loads(key.read_text(encoding="utf-8")))

    async def reply(self, question: Question) -> Answer:
        """Answer one message. Raises BotUnusable."""
        if not question.body.strip():
            return WORDLESS
        text, language = question.body[:TEXT_MAX], self._sight.language(question)
        asked: dict[str, Any] = {"queryInput": {"text": {"text": text}, "languageCode": language}}
        async with self._line.answering():
            seen = await self._sight.of(question)
            if seen:
                asked["queryParams"] = {"parameters": {f"customer_{name}": value for name, value in seen.items()}}
            headers = {"Authorization": f"Bearer {await self._tokens.token()}"}
            url = f"{self._url}/v3/{self._agent}/sessions/{session_of(question)}:detectIntent"
            reply = await self._line.post(url, headers, json=asked)
            if reply.status == 401:
                self._tokens.forget()
        return answer_of(fields_of(reply.wanted(self._line.name, 200)))


def endpoint_of(agent: str) -> str:
    """The endpoint of the agent's region; the global one has no name before it."""
    found = re.fullmatch(DIALOGFLOW_AGENT, agent)
    assert found, "settings refuse what is no agent"
    return (
        "https://dialogflow.googleapis.com" if found[1] == "global" else f"https://{found[1]}-dialogflow.googleapis.com"
    )


def fields_of(answer: object) -> dict[str, Any]:
    """The contract's fields of a detectIntent answer. Raises BotUnusable where it has no result."""
    result = part(answer, "queryResult")
    if not isinstance(result, dict):
        raise BotUnusable("Dialogflow answered without a result")
    fields: dict[str, Any] = {"messages": [], "choices": []}
    for message in items(result.get("responseMessages")):
        texts, payload = part(message, "text", "text"), message.get("payload")
        fields["messages"] += texts if isinstance(texts, list) else []
        fields["choices"] += _chips(payload)
        fields |= carried(payload)
        if "liveAgentHandoff" in message:
            fields |= {"route": "agent"} | carried(part(message, "liveAgentHandoff", "metadata"))
        if "endInteraction" in message:
            fields["close"] = True
    return fields


def _chips(payload: object) -> list[Any]:
    """The chips of a Dialogflow Messenger payload, as choices."""
    rows = part(payload, "richContent")
    parts = [item for row in rows if isinstance(row, list) for item in items(row)] if isinstance(rows, list) else []
    return [chip.get("text") for item in parts if item.get("type") == "chips" for chip in items(item.get("options"))]


class GoogleTokens:
    """Access tokens of a service account (Google Identity, "Using OAuth 2.0 for Server to Server Applications")."""

    def __init__(self, line: Line, key: dict[str, Any], clock: Callable[[], float] = time.time) -> None:
        self._line = line
        self._key = key
        self._clock = clock
        self._token, self._ends_at = "", 0.0

    async def token(self) -> str:
        """A token that is good for a while. Raises BotUnusable."""
        now = self._clock()
        if now >= self._ends_at:
            form = {"grant_type": _GRANT, "assertion": self._assertion(int(now))}
            reply = (await self._line.post(self._key["token_uri"], data=form)).wanted(self._line.name, 200)
            token, lives_s = part(reply, "access_token"), part(reply, "expires_in")
            if not isinstance(token, str) or not isinstance(lives_s, int):
                raise BotUnusable("Google gave no access token")
            self._token, self._ends_at = token, now + lives_s - _EARLY_S
        return self._token

    def forget(self) -> None:
        """The token was refused: the next is a new one."""
        self._ends_at = 0.0

    def _assertion(self, now: int) -> str:
        key = self._key
        claims = {"iss": key["client_email"], "scope": SCOPE, "aud": key["token_uri"], "iat": now, "exp": now + _HOUR_S}
        header = {"alg": "RS256", "typ": "JWT", "kid": key["private_key_id"]}
        return jwt.encode(header, claims, RSAKey.import_key(key["private_key"]))

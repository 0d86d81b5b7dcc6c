"""Azure Language, Conversational Language Understanding: `:analyze-conversations` (Azure REST reference, 2023-04-01).

CLU says which intent a text has and says nothing to the customer: what follows from each intent stands in a file
(BOT_ROUTES_FILE), as answers in the contract's form. Each text is asked about by itself; CLU keeps nothing, and sees of
the customer his words, and the language where BOT_SEES declares it.
"""

from typing import Any

from orchestrator.bots.contract import WORDLESS, answer_of
from orchestrator.bots.line import Line, items, part
from orchestrator.bots.routes import Routes
from orchestrator.bots.sight import Sight, session_of
from orchestrator.errors import BotUnusable
from orchestrator.ports import Answer, Question

VERSION = "2023-04-01"
SURE = 0.6
"""The least confidence with which an intent is believed."""
TEXT_MAX = 1000
"""Characters of one text CLU looks at (Azure docs, "Conversational language understanding limits")."""


class CluBot:
    """A deployed project `PROJECT/DEPLOYMENT` of the Language resource at `url`. key: one of the resource's."""

    def __init__(self, line: Line, url: str, project: str, key: str, routes: Routes, sight: Sight) -> None:
        self._line = line
        self._url = f"{url.rstrip('/')}/language/:analyze-conversations"
        self._project, _, self._deployment = project.partition("/")
        self._key = key
        self._routes = routes
        self._sight = sight

    async def reply(self, question: Question) -> Answer:
        """Answer one message. Raises BotUnusable."""
        if not question.body.strip():
            return WORDLESS
        who = session_of(question)
        item = {
            "id": "1",
            "participantId": who,
            "modality": "text",
            "language": self._sight.language(question),
            "text": question.body[:TEXT_MAX],
        }
        wanted = {
            "projectName": self._project,
            "deploymentName": self._deployment,
            "stringIndexType": "TextElement_V8",
        }
        asked = {"kind": "Conversation", "analysisInput": {"conversationItem": item}, "parameters": wanted}
        headers = {"Ocp-Apim-Subscription-Key": self._key}
        async with self._line.answering():
            reply = await self._line.post(self._url, headers, params={"api-version": VERSION}, json=asked)
        return answer_of(self._fields(reply.wanted(self._line.name, 200)))

    def _fields(self, answer: object) -> dict[str, Any]:
        """The answer of the top intent's row, with `$category` in its route replaced by that entity's text."""
        prediction = part(answer, "result", "prediction")
        intent = part(prediction, "topIntent")
        if not isinstance(intent, str):
            raise BotUnusable("CLU named no intent")
        sure = {str(it.get("category")): it.get("confidenceScore") for it in items(part(prediction, "intents"))}
        score = sure.get(intent)
        if not isinstance(score, int | float) or score < SURE:
            return dict(self._routes.otherwise)
        entities = {str(it.get("category")): it.get("text") for it in items(part(prediction, "entities"))}
        return self._routes.fields(intent, entities)

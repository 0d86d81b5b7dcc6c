"""Every bot's vendor, played by a server of our own, so that one suite can ask the same of all adapters."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from joserfc.jwk import RSAKey

from orchestrator.adapters.http_bot import HttpBot
from orchestrator.bots.anthropic_bot import AnthropicBot
from orchestrator.bots.clu_bot import CluBot
from orchestrator.bots.dialogflow_bot import DialogflowBot
from orchestrator.bots.line import Line
from orchestrator.bots.memory import Said
from orchestrator.bots.openai_bot import OpenAiBot
from orchestrator.bots.prompting import OFFERS, Prompting
from orchestrator.bots.rasa_bot import RasaBot
from orchestrator.bots.routes import Routes
from orchestrator.bots.sight import Sight
from orchestrator.bots.watson_bot import WatsonBot
from orchestrator.ports import Bot, Question
from tests.e2e.doors import serving

KINDS = ("http", "rasa", "dialogflow", "watson", "clu", "openai", "anthropic")
MODELS = ("openai", "anthropic")
AGENT = "projects/p/locations/europe-west1/agents/a"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a bot is to answer, whoever hosts it. `choices`: shown to meant; `email`: route to this address; `other`:
    the route `last` or `flex`."""

    texts: tuple[str, ...] = ()
    choices: dict[str, str] = field(default_factory=dict)
    agent: bool = False
    email: str | None = None
    queue: str | None = None
    again: bool = False
    closes: bool = False
    other: str | None = None

    def fields(self) -> dict[str, Any]:
        """In the contract's own form."""
        route = self.email or self.other or ("queue" if self.queue else "agent" if self.agent else "no")
        return {
            "messages": list(self.texts),
            "choices": [{"title": shown, "value": meant} for shown, meant in self.choices.items()],
            "route": route,
            "queue": self.queue,
            "ask_again": self.again,
            "close": self.closes,
        }

    def custom(self) -> dict[str, Any]:
        """What no vendor has a form of its own for."""
        fields = self.fields()
        return {name: fields[name] for name in ("route", "queue", "ask_again", "close") if fields[name]}


class NoMemory:
    """A model's memory without anything in it."""

    async def before(self, _question: Question) -> list[Said]:
        return []


@dataclass(slots=True)
class World:
    """An adapter, and the vendor it asks. `asked` are the questions proper, without tokens and sessions; `answer`
    answers them; `declared` are the intents of BOT_ROUTES_FILE."""

    kind: str
    bot: Bot
    asked: list[dict[str, Any]]
    declared: dict[str, Any]
    sessions: list[str]
    answer: Handler = field(default=None)  # type: ignore[assignment]

    def says(self, wanted: Wanted) -> None:
        """From now on the vendor answers this."""
        if self.kind == "clu":
            self.declared["Wanted"] = wanted.fields()
        if self.kind in MODELS and (wanted.queue or wanted.closes):
            self.declared["declared"] = {name: v for name, v in wanted.custom().items() if v}
        self.sends(FORMS[self.kind](wanted))

    def sends(self, answer: object, status: int = 200, **headers: str) -> None:
        """From now on the vendor answers with this JSON, or these bytes."""
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()

        async def respond(_request: web.Request) -> web.Response:
            return web.Response(body=content, status=status, content_type="application/json", headers=headers)

        self.answer = respond


def _rasa(wanted: Wanted) -> object:
    buttons = [{"title": shown, "payload": meant} for shown, meant in wanted.choices.items()]
    messages: list[dict[str, Any]] = [{"recipient_id": "x", "text": text} for text in wanted.texts]
    if buttons:
        messages.append({"recipient_id": "x", "text": "", "buttons": buttons})
    return [*messages, {"recipient_id": "x", "custom": wanted.custom()}]


def _dialogflow(wanted: Wanted) -> object:
    messages: list[dict[str, Any]] = [
        {"text": {"text": [text], "allowPlaybackInterruption": False}} for text in wanted.texts
    ]
    if wanted.choices:
        chips = {"type": "chips", "options": [{"text": shown} for shown in wanted.choices]}
        messages.append({"payload": {"richContent": [[chips]]}})
    if wanted.agent:
        messages.append({"liveAgentHandoff": {"metadata": {}}})
    elif wanted.closes:
        messages.append({"endInteraction": {}})
    else:
        messages.append({"payload": wanted.custom()})
    match = {"matchType": "INTENT", "confidence": 1, "intent": {"displayName": "x"}}
    return {"responseId": "r", "queryResult": {"responseMessages": messages, "match": match, "languageCode": "en"}}


def _watson(wanted: Wanted) -> object:
    generic: list[dict[str, Any]] = [{"response_type": "text", "text": text} for text in wanted.texts]
    if wanted.choices:
        options = [{"label": shown, "value": {"input": {"text": meant}}} for shown, meant in wanted.choices.items()]
        generic.append({"response_type": "option", "title": "", "options": options})
    if wanted.agent:
        generic.append({"response_type": "connect_to_agent", "message_to_human_agent": "x"})
    elif wanted.closes:
        generic.append({"response_type": "end_session"})
    else:
        generic.append({"response_type": "user_defined", "user_defined": wanted.custom()})
    return {"output": {"generic": generic, "intents": [], "entities": []}, "user_id": "x"}


def _clu(_wanted: Wanted) -> object:
    intents = [{"category": "Wanted", "confidenceScore": 0.9}, {"category": "None", "confidenceScore": 0.1}]
    prediction = {"topIntent": "Wanted", "projectKind": "Conversation", "intents": intents, "entities": []}
    return {"kind": "ConversationResult", "result": {"query": "x", "prediction": prediction}}


def output_of(wanted: Wanted) -> dict[str, Any]:
    """What a model writes."""
    intent = "declared" if wanted.queue or wanted.closes else wanted.other or "talk"
    intent = "person" if wanted.email else "anyone" if wanted.agent else "ask_again" if wanted.again else intent
    return {
        "say": list(wanted.texts),
        "choices": list(wanted.choices),
        "intent": intent,
        "person": wanted.email,
        "language": None,
        "reason": None,
    }


def openai_says(text: str, finish_reason: str = "stop") -> object:
    """A chat completion with this text."""
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": None}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def anthropic_says(output: object, stop_reason: str = "tool_use") -> object:
    """A message that uses the tool with this input."""
    content = [{"type": "tool_use", "id": "toolu_1", "name": "answer", "input": output}]
    return {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": content,
        "stop_reason": stop_reason,
    }


FORMS: dict[str, Callable[[Wanted], object]] = {
    "http": Wanted.fields,
    "rasa": _rasa,
    "dialogflow": _dialogflow,
    "watson": _watson,
    "clu": _clu,
    "openai": lambda wanted: openai_says(json.dumps(output_of(wanted))),
    "anthropic": lambda wanted: anthropic_says(output_of(wanted)),
}


def service_account(folder: Path, token_uri: str) -> Path:
    """The key file of a service account that is nobody's."""
    key = RSAKey.generate_key(2048)
    path = folder / "key.json"
    fields = {
        "type": "service_account",
        "client_email": "bot@p.example.test",
        "private_key_id": "k1",
        "private_key": key.as_pem(private=True).decode(),
        "token_uri": token_uri,
    }
    path.write_text(json.dumps(fields))
    return path


def adapter(
    kind: str,
    session: aiohttp.ClientSession,
    url: str,
    folder: Path,
    sight: Sight,
    routes: Routes,
    timeout_s: float,
    offers: Collection[str] = tuple(OFFERS),
) -> Bot:
    """The adapter of this kind, pointed at `url`. `offers`: what of OFFERS a model is offered."""
    line = Line(session, kind, timeout_s, repeats=kind in ("clu", *MODELS))
    prompting = Prompting("Be kind.", routes, sight, NoMemory(), offers)  # type: ignore[arg-type]
    match kind:
        case "http":
            return HttpBot(session, url, timeout_s, sight)
        case "rasa":
            return RasaBot(line, url, "rasa-token", sight)
        case "dialogflow":
            return DialogflowBot(line, AGENT, service_account(folder, f"{url}/token"), sight, url)
        case "watson":
            return WatsonBot(line, url, "A/E", "watson-key", sight, f"{url}/identity/token")
        case "clu":
            return CluBot(line, url, "Shop/production", "clu-key", routes, sight)
        case "openai":
            return OpenAiBot(line, f"{url}/v1", "model-1", "openai-key", prompting)
    return AnthropicBot(line, url, "model-1", "anthropic-key", prompting)


@asynccontextmanager
async def world_of(
    kind: str,
    folder: Path,
    timeout_s: float = 5.0,
    sight: Sight | None = None,
    offers: Collection[str] = tuple(OFFERS),
) -> AsyncIterator[World]:
    """A world of this kind, whose vendor gives out tokens and sessions and answers `Hello`."""
    declared: dict[str, Any] = {}
    world: World

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path in ("/token", "/identity/token"):
            return web.json_response({"access_token": "access-token", "expires_in": 3600, "token_type": "Bearer"})
        if request.path.endswith("/sessions"):
            world.sessions.append(f"s{len(world.sessions) + 1}")
            return web.json_response({"session_id": world.sessions[-1]}, status=201)
        content = await request.text()
        world.asked.append(
            {
                "path": request.path,
                "query": dict(request.query),
                "headers": {name.lower(): value for name, value in request.headers.items()},
                "body": json.loads(content),
            }
        )
        return await world.answer(request)

    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serving(handle))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        bot = adapter(kind, session, url, folder, sight or Sight(), Routes(declared), timeout_s, offers)
        world = World(kind, bot, [], declared, [])
        world.says(Wanted(("Hello",)))
        yield world

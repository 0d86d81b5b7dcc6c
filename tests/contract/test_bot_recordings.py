"""What each adapter sends is what its vendor's own client sends: against recordings in every run, and against the
clients themselves where they are installed. `RECORD_BOTS=1` writes the recordings anew."""

import asyncio
import importlib.metadata
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import pytest
from aiohttp import web

from orchestrator.bots.contract import tidied
from orchestrator.bots.routes import Routes
from orchestrator.bots.sight import Sight
from orchestrator.ports import Answer, Question
from tests.contract.bots import KINDS, adapter
from tests.contract.vendor_clients import CLIENTS, SESSION, readable_token
from tests.e2e.doors import serving

DATA = Path(__file__).parents[1] / "data" / "bots"
QUESTION = Question("CH" + "1" * 32, "IM" + "1" * 32, "+15550100001", "May I talk to somebody?", "awaiting_choice")
FETCHING = "I am fetching somebody from billing."
DECLARED = {"Billing": {"messages": [FETCHING], "route": "queue", "queue": "Billing"}}
BILL = {"language": "en", "reason": "a bill"}
ANSWERS = {
    "http": Answer("Which of us would you like?", "no", choices={"Ada": "ada@example.test", "Anybody": "AGENT"}),
    "rasa": Answer("Which of us would you like?", "no", choices={"Billing": "/billing", "Anybody": "/anybody"}),
    "dialogflow": Answer(FETCHING, "queue", queue="Billing"),
    "watson": Answer("One moment, please.", "agent"),
    "clu": Answer(FETCHING, "queue", queue="Billing"),
    "openai": Answer("I am fetching somebody from billing.", "queue", queue="Billing", told=BILL),
    "anthropic": Answer("I am fetching somebody from billing.", "queue", queue="Billing", told=BILL),
}
HEADERS = ("authorization", "content-type", "anthropic-version", "ocp-apim-subscription-key")


@dataclass(slots=True)
class Recorder:
    """A vendor's server: it answers a recorded answer, and keeps what came."""

    url: str
    came: list[dict[str, Any]]


def seen(request: web.Request, content: str) -> dict[str, Any]:
    """A request as far as it is the vendor's form: nothing of tokens' values, nor of what a client says of itself."""
    is_form = "form" in request.content_type
    body = dict(parse_qsl(content)) if is_form else json.loads(content or "{}")
    headers = {name: request.headers[name].split(";")[0] for name in HEADERS if name in request.headers}
    if headers.get("authorization", "").startswith("Bearer e"):
        headers["authorization"] = "Bearer access-token"
    query = {name: value for name, value in request.query.items() if not name.startswith("$")}
    body = {name: value for name, value in body.items() if name != "assertion"}
    return {"path": request.path, "query": query, "headers": headers, "body": body}


@asynccontextmanager
async def recorder(answer: object) -> AsyncIterator[Recorder]:
    came: list[dict[str, Any]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        came.append(seen(request, await request.text()))
        if request.path.endswith("token"):
            return web.json_response(
                {"access_token": readable_token(), "expires_in": 3600, "expiration": 9_999_999_999}
            )
        if request.path.endswith("/sessions"):
            return web.json_response({"session_id": "s1"}, status=201)
        return web.json_response(answer)

    async with serving(handle) as url:
        yield Recorder(url, came)


@pytest.fixture(autouse=True)
def _one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pseudonym that stands in the recordings."""
    for kind in KINDS:
        if kind != "http":
            monkeypatch.setattr(f"orchestrator.bots.{kind}_bot.session_of", lambda _question: SESSION)


def recording(kind: str) -> dict[str, Any]:
    return dict(json.loads((DATA / f"{kind}.json").read_text(encoding="utf-8")))


async def asked_by_us(kind: str, recorded: dict[str, Any], folder: Path) -> tuple[list[dict[str, Any]], Answer]:
    """What our adapter sends, and what it makes of the recorded answer."""
    async with recorder(recorded["answer"]) as server, aiohttp.ClientSession() as session:
        bot = adapter(kind, session, server.url, folder, Sight(), Routes(DECLARED), 5.0)
        found = tidied(await bot.reply(QUESTION))
        return server.came, found


@pytest.mark.parametrize("kind", KINDS)
async def test_the_recorded_exchange_is_ours(kind: str, tmp_path: Path) -> None:
    recorded = recording(kind)
    came, found = await asked_by_us(kind, recorded, tmp_path)
    if kind not in CLIENTS and os.environ.get("RECORD_BOTS"):
        write(kind, recorded | {"client": None, "requests": came})
    assert came == recording(kind)["requests"]
    assert found == ANSWERS[kind]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", CLIENTS)
async def test_the_vendors_client_sends_the_same(kind: str, tmp_path: Path) -> None:
    module, distribution, ask = CLIENTS[kind]
    pytest.importorskip(module, reason=f"{distribution} is not installed: pip install expert-hub[bots-test]")
    recorded = recording(kind)
    ours, _ = await asked_by_us(kind, recorded, tmp_path)
    async with recorder(recorded["answer"]) as server:
        assert await asyncio.to_thread(ask, server.url, ours[-1]["body"])
        theirs = server.came
    if os.environ.get("RECORD_BOTS"):
        client = f"{distribution} {importlib.metadata.version(distribution)}"
        tokens = [] if kind != "dialogflow" else ours[:1]
        write(kind, recorded | {"client": client, "requests": [*tokens, *theirs]})
    assert theirs == [one for one in ours if kind != "dialogflow" or one["path"] != "/token"]


def write(kind: str, recorded: dict[str, Any]) -> None:
    (DATA / f"{kind}.json").write_text(json.dumps(recorded, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


async def test_what_a_real_rasa_answered_is_an_answer(tmp_path: Path) -> None:
    """Recorded from Rasa 3.6.21 with tests/rasa; one of its own fallbacks says the same ten times."""
    real = json.loads((DATA / "rasa_real.json").read_text(encoding="utf-8"))
    found = [(await asked_by_us("rasa", exchange, tmp_path))[1] for exchange in real["exchanges"]]
    assert len(real["exchanges"][-1]["answer"]) >= 10
    assert found == [
        Answer(
            "Hello from Rasa.",
            "no",
            more=("Which of us would you like?",),
            choices={"Billing": "/billing", "Ada": "/person"},
        ),
        Answer("I am fetching somebody from billing.", "queue", queue="Everyone"),
        Answer("One moment.", "email", "ada@example.test"),
        Answer("Goodbye.", "no", closes=True),
        Answer("I did not understand that.", "no", again=True),
    ]

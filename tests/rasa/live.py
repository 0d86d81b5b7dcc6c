"""A real Rasa that serves the project beside this file, at LIVE_RASA_URL: run by `make rasa`, and by no other run."""

import os

import aiohttp
import pytest

from orchestrator.bots.contract import tidied
from orchestrator.bots.line import Line
from orchestrator.bots.rasa_bot import RasaBot
from orchestrator.bots.sight import Sight
from orchestrator.ports import Answer, Question

GREETING = Answer(
    "Hello from Rasa.",
    "no",
    more=("Which of us would you like?",),
    choices={"Billing": "/billing", "Ada": "/person"},
)
BILLING = Answer("I am fetching somebody from billing.", "queue", queue="Everyone")
PERSON = Answer("One moment.", "email", "ada@example.test")


async def reply(body: str, conversation: int = 1) -> Answer:
    """What Rasa answers to this."""
    async with aiohttp.ClientSession() as session:
        line = Line(session, "rasa", 30.0, repeats=False)
        bot = RasaBot(line, os.environ["LIVE_RASA_URL"], os.environ.get("LIVE_RASA_TOKEN"), Sight(("language",)))
        question = Question(f"CH{conversation:032x}", "IM1", "+15550100001", body, "awaiting_choice", 0, "en")
        return tidied(await bot.reply(question))


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("hello", GREETING),
        ("my bill, please", BILLING),
        ("/billing", BILLING),
        ("ada", PERSON),
        ("bye", Answer("Goodbye.", "no", closes=True)),
        ("qwertz", Answer("I did not understand that.", "no", again=True)),
    ],
)
async def test_what_rasa_answers_is_what_the_contract_says(body: str, answer: Answer) -> None:
    assert await reply(body, hash(body) & 0xFFFF) == answer


async def test_a_conversation_goes_on_in_its_own_tracker() -> None:
    assert await reply("hello", 77) == GREETING
    assert await reply("/person", 77) == PERSON
    assert await reply("hello", 78) == GREETING

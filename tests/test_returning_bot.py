"""What stands before the menu: whom a customer means by LAST, and the line that offers him."""

from dataclasses import replace
from typing import cast

import pytest

from orchestrator.adapters.menu_bot import INSTRUCTIONS, MenuBot
from orchestrator.adapters.returning_bot import ReturningBot
from orchestrator.bots.menu_texts import built_in
from orchestrator.ports import Answer, Question
from orchestrator.returning import Offer, Returning
from storage.errors import StorageError

ADA = Offer("Ada", again=True)
TEXTS = built_in()


class Relationships:
    """Offers what it is told to, and notes how often it was asked. A failure is raised."""

    def __init__(self, offer: Offer | Exception | None) -> None:
        self._offer = offer
        self.asked: list[str] = []

    async def offer(self, address: str) -> Offer | None:
        self.asked.append(address)
        if isinstance(self._offer, Exception):
            raise self._offer
        return self._offer


def bot(offer: Offer | Exception | None = ADA, usual: str = "en") -> ReturningBot:
    return ReturningBot(MenuBot(TEXTS, usual), cast(Returning, Relationships(offer)), TEXTS, usual)


def question(body: str, tries: int = 0, language: str | None = None) -> Question:
    return Question("CH1", "IM1", "+15550100001", body, "awaiting_choice", tries, language)


@pytest.mark.parametrize(("language", "again"), [("en", True), ("es", True), ("fr", True), ("fr", False)])
async def test_somebody_is_offered_by_name_in_the_customer_s_language(language: str, again: bool) -> None:
    texts = TEXTS[language]
    line = (texts.last_offer_again if again else texts.last_offer).format(name="Ada")
    answer = await bot(Offer("Ada", again)).reply(question("?", language=language))
    assert answer == Answer(f"{texts.instructions}\n{line}", "no")
    assert "LAST" in line


@pytest.mark.parametrize("offer", [None, StorageError("the database cannot be read")])
async def test_where_there_is_nobody_to_offer_or_nobody_knows_the_menu_is_the_menu(
    offer: Offer | Exception | None,
) -> None:
    assert await bot(offer).reply(question("hello")) == Answer(INSTRUCTIONS, "no")


@pytest.mark.parametrize(("body", "tries"), [("agent", 0), ("grace@example.test", 0), ("hello", 1), ("hello", 2)])
async def test_who_has_chosen_and_who_was_offered_before_is_not_offered_anybody(body: str, tries: int) -> None:
    relationships = Relationships(ADA)
    asked = question(body, tries)
    returning = ReturningBot(MenuBot(), cast(Returning, relationships), TEXTS, "en")
    assert await returning.reply(asked) == await MenuBot().reply(asked)
    assert relationships.asked == []


@pytest.mark.parametrize(
    ("body", "language", "spoken"),
    [
        ("LAST", None, "en"),
        ("LAST", "fr", "fr"),
        ("la misma persona", None, "es"),
        ("comme la dernière fois", None, "fr"),
        ("the same agent as last time", None, "en"),
        ("LAST", "de", "en"),
    ],
)
@pytest.mark.parametrize("tries", [0, 3])
async def test_who_asks_for_the_same_person_is_looked_up(
    body: str, language: str | None, spoken: str, tries: int
) -> None:
    assert await bot().reply(question(body, tries, language)) == Answer(TEXTS[spoken].looking_for_last, "last")


async def test_an_address_comes_before_it() -> None:
    answer = await bot().reply(question("the same person: grace@example.test"))
    assert (answer.route, answer.identity) == ("email", "grace@example.test")


async def test_what_is_not_spoken_here_is_answered_in_the_usual_language() -> None:
    texts = {"fr": replace(TEXTS["fr"], looking_for_last="Un instant.")}
    returning = ReturningBot(MenuBot(texts, "fr"), cast(Returning, Relationships(None)), texts, "fr")
    assert await returning.reply(question("LAST")) == Answer("Un instant.", "last")

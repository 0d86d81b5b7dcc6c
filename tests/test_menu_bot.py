"""The built-in bot routes by address or keyword, and offers somebody to those who name nobody."""

import pytest

from orchestrator.adapters.menu_bot import INSTRUCTIONS, OFFER, MenuBot
from orchestrator.ports import Answer, Question


def question(body: str, tries: int = 0) -> Question:
    return Question("CH1", "IM1", "+15550100001", body, "awaiting_choice", tries)


@pytest.mark.parametrize("tries", [0, 1, 2, 5])
async def test_an_address_routes_to_its_person_as_it_was_written(tries: int) -> None:
    answer = await MenuBot().reply(question("please get <Ada@Example.test>.", tries))
    assert (answer.route, answer.identity) == ("email", "Ada@Example.test")
    assert "Ada@Example.test" in answer.message


async def test_the_keyword_routes_to_anyone() -> None:
    answer = await MenuBot().reply(question("Agent, please"))
    assert (answer.route, answer.identity) == ("agent", None)
    assert answer.message


@pytest.mark.parametrize("body", ["hello", "", "meet @ 5pm", "yes"])
async def test_the_first_two_fruitless_messages_are_answered_with_the_instructions(body: str) -> None:
    for tries in (0, 1):
        assert await MenuBot().reply(question(body, tries)) == Answer(INSTRUCTIONS, "no")


@pytest.mark.parametrize("tries", [2, 3, 9])
async def test_from_the_third_on_somebody_is_offered(tries: int) -> None:
    assert await MenuBot().reply(question("hm?", tries)) == Answer(OFFER, "no")


@pytest.mark.parametrize("body", ["yes", "Yes!", " OK ", "sure, please", "y", "Yes please."])
async def test_a_plain_yes_after_the_offer_routes_to_anyone(body: str) -> None:
    assert (await MenuBot().reply(question(body, 3))).route == "agent"


@pytest.mark.parametrize("body", ["yes", "ok"])
async def test_a_yes_before_the_offer_is_no_answer_to_it(body: str) -> None:
    assert (await MenuBot().reply(question(body, 2))).route == "no"


@pytest.mark.parametrize("body", ["no", "yesterday", "yes but not now", "not ok"])
async def test_what_is_no_plain_yes_is_offered_somebody_again(body: str) -> None:
    assert await MenuBot().reply(question(body, 3)) == Answer(OFFER, "no")


async def test_the_instructions_name_both_ways_to_a_person() -> None:
    assert "email" in INSTRUCTIONS
    assert "AGENT" in INSTRUCTIONS

"""The built-in bot routes by address or keyword, and offers somebody to those who name nobody."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from orchestrator.adapters.menu_bot import INSTRUCTIONS, OFFER, MenuBot
from orchestrator.bots.menu_texts import built_in, read_texts
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


@pytest.mark.parametrize("language", ["es", "fr", "fr-CA"])
async def test_the_menu_speaks_the_customers_language(language: str) -> None:
    texts = built_in()[language[:2]]
    asked = replace(question("?"), language=language)
    assert await MenuBot().reply(asked) == Answer(texts.instructions, "no")
    assert await MenuBot().reply(replace(asked, tries=2)) == Answer(texts.offer, "no")
    assert (await MenuBot().reply(replace(asked, body=texts.keywords[-1].upper()))).route == "agent"
    assert (await MenuBot().reply(replace(asked, body=texts.yes[0], tries=3))) == Answer(
        texts.looking_for_anyone, "agent"
    )


@pytest.mark.parametrize("language", [None, "en", "de", "zh-Hant"])
async def test_it_speaks_english_to_all_others(language: str | None) -> None:
    assert await MenuBot().reply(replace(question("?"), language=language)) == Answer(INSTRUCTIONS, "no")


def test_a_file_changes_a_language_and_adds_one(tmp_path: Path) -> None:
    german = {**asdict(built_in()["en"]), "instructions": "Antworten Sie mit einer Adresse oder AGENT."}
    path = tmp_path / "texts.json"
    path.write_text(json.dumps({"en": {"instructions": "An address, please."}, "de": german}))
    texts = read_texts(path)
    assert texts["en"].instructions == "An address, please."
    assert texts["en"].offer == OFFER
    assert texts["de"].instructions.startswith("Antworten")
    assert set(texts) == {"en", "es", "fr", "de"}


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "7",
        '{"german": {}}',
        '{"de": {"instructions": "x"}}',
        '{"en": {"instructions": ""}}',
        '{"en": {"instructions": 7}}',
        '{"en": {"cues": "hello"}}',
        '{"en": {"looking_for_person": "{who}"}}',
        '{"en": {"looking_for_person": "{"}}',
        '{"en": {"last_offer": "{identity}"}}',
        '{"en": {"last_offer_again": ""}}',
    ],
)
def test_a_file_that_is_none_of_texts_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "texts.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"."):
        read_texts(path)

"""What is asked of a language model beyond the contract of every bot: it chooses among declared intents, those that are
offered included, and names only whom the customer has named."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.bots.choosing import offers_of
from orchestrator.bots.contract import tidied
from orchestrator.bots.prompting import OFFERS, TALKING
from orchestrator.errors import BotUnusable
from orchestrator.settings import Settings
from tests.contract.bots import MODELS, Wanted, World, anthropic_says, openai_says, output_of, world_of
from tests.contract.test_bots import ADA, QUESTION, answer, texts, usable
from tests.e2e.doors import CREDENTIALS

WORKSPACE = {"TASKROUTER_WORKSPACE_SID": "WS" + "1" * 32, "TASKROUTER_QUEUE_SID": "WQ" + "1" * 32}


@pytest.fixture(params=MODELS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of(request.param, tmp_path) as world:
        yield world


@pytest.mark.parametrize("person", ["boss@example.test", "ADA@example.test ", "", None, 7, "ada"])
async def test_a_model_names_only_whom_the_customer_named(world: World, person: object) -> None:
    output = output_of(Wanted(("One moment.",), email="x")) | {"person": person}
    world.sends(openai_says(json.dumps(output)) if world.kind == "openai" else anthropic_says(output))
    found = await answer(world)
    named = isinstance(person, str) and person.strip().lower() == ADA
    assert (found.route, found.identity) == (("email", ADA) if named else ("no", None))


@pytest.mark.parametrize("intent", ["Billing", "close", "agent", ADA, "", None, 7, ["talk"]])
async def test_a_model_chooses_only_what_is_declared(world: World, intent: object) -> None:
    output = output_of(Wanted(("Done.",))) | {"intent": intent, "route": "agent", "close": True}
    world.sends(openai_says(json.dumps(output)) if world.kind == "openai" else anthropic_says(output))
    with pytest.raises(BotUnusable, match="not declared"):
        await answer(world)


def schema_of(world: World) -> Any:
    """The schema a model was given."""
    body = world.asked[-1]["body"]
    if world.kind == "openai":
        return body["response_format"]["json_schema"]["schema"]
    return body["tools"][0]["input_schema"]


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("offers", [(), ("last",), ("flex",), ("last", "flex")], ids=str)
async def test_a_model_is_offered_and_may_choose_only_what_there_is(
    kind: str, offers: tuple[str, ...], tmp_path: Path
) -> None:
    async with world_of(kind, tmp_path, offers=offers) as world:
        for route in ("last", "flex"):
            world.says(Wanted(("One moment.",), other=route))
            found = await usable(world)
            assert (None if found is None else found.route) == (route if route in offers else None)
            asked = json.dumps(world.asked[-1]["body"])
            assert (f'- \\"{route}\\": {OFFERS[route]}' in asked) == (route in offers)
        assert schema_of(world)["properties"]["intent"]["enum"] == [*TALKING, *offers]


async def test_an_intent_of_the_file_goes_before_what_is_offered_under_its_name(world: World) -> None:
    world.declared["last"] = {"messages": ["Whom did you talk to?"]}
    world.says(Wanted((), other="last"))
    found = await answer(world)
    assert (found.route, texts(found)) == ("no", ["Whom did you talk to?"])
    assert schema_of(world)["properties"]["intent"]["enum"] == [*TALKING, "flex", "last"]


async def test_a_model_that_puts_its_json_into_a_fence_is_understood(tmp_path: Path) -> None:
    async with world_of("openai", tmp_path) as world:
        world.sends(openai_says("Sure!\n```json\n" + json.dumps(output_of(Wanted(("Hi",)))) + "\n```"))
        assert texts(await answer(world)) == ["Hi"]


async def test_a_model_that_is_cut_off_or_refuses_is_unusable(world: World) -> None:
    output = output_of(Wanted(("Hi",)))
    if world.kind == "openai":
        refused: list[Any] = [openai_says(json.dumps(output), "length"), openai_says("I cannot help with that.")]
    else:
        refused = [anthropic_says(output, "max_tokens"), {"content": [{"type": "text", "text": "No."}]}]
    for answered in refused:
        world.sends(answered)
        with pytest.raises(BotUnusable):
            await answer(world)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("not ada@example.test but Grace@Example.test, please", "Grace@Example.test"),
        ("<grace@example.test>.", "grace@example.test"),
        ("disgrace@example.test", None),
        ("grace@example.test.evil.test", None),
        ("grace@example.tester", None),
    ],
)
async def test_a_model_may_name_any_of_whom_the_customer_named_and_nobody_like_them(
    world: World, body: str, named: str | None
) -> None:
    world.says(Wanted(("One moment.",), email="grace@example.test"))
    found = tidied(await world.bot.reply(replace(QUESTION, body=body)))
    assert found.identity == named


@pytest.mark.parametrize(
    ("variables", "offered"),
    [
        ({}, ["last", "flex"]),
        (CREDENTIALS, []),
        (
            CREDENTIALS | {"TASKROUTER_WORKSPACE_SID": "WS" + "1" * 32, "TASKROUTER_QUEUE_SID": "WQ" + "1" * 32},
            ["last"],
        ),
    ],
    ids=["sandbox", "bare", "taskrouter"],
)
def test_what_is_offered_is_what_the_house_has(variables: dict[str, str], offered: list[str]) -> None:
    assert offers_of(Settings.load(variables)) == offered

"""The contract of the Bot port, on every adapter, whose vendor is a server of our own: what it answers is taken,
repaired or refused, in time, and nothing it sends gets past that."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from orchestrator.bots.contract import CHOICES_MAX, MESSAGE_MAX, TEXTS_MAX, tidied
from orchestrator.bots.sight import Sight, session_of
from orchestrator.errors import BotUnusable
from orchestrator.ports import Answer, Question
from tests.contract.bots import KINDS, MODELS, Wanted, World, world_of

ADA = "ada@example.test"
BODY = f"a private question for {ADA}"
QUESTION = Question("CH" + "1" * 32, "IM1", "+15550100001", BODY, "awaiting_choice", 1, "fr")
VENDORS = [kind for kind in KINDS if kind != "http"]
only_vendors = pytest.mark.parametrize("world", VENDORS, indirect=True)
# The forms of the others say where the customer goes or that it is over, and never both.
BOTH = [kind for kind in KINDS if kind not in ("dialogflow", "watson", *MODELS)]
only_those_who_say_both = pytest.mark.parametrize("world", BOTH, indirect=True)


@pytest.fixture(params=KINDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of(request.param, tmp_path) as world:
        yield world


async def answer(world: World) -> Answer:
    """As the customer gets it."""
    return tidied(await world.bot.reply(QUESTION))


def texts(found: Answer) -> list[str]:
    return [text for text in (found.message, *found.more) if text]


async def test_it_answers(world: World) -> None:
    found = await answer(world)
    assert (texts(found), found.route, found.closes) == (["Hello"], "no", False)
    assert len(world.asked) == 1


async def test_it_sees_the_words_and_a_pseudonym_and_nothing_else(world: World) -> None:
    await answer(world)
    await answer(world)
    told = json.dumps(world.asked)
    assert "a private question" in told
    if world.kind != "http":
        assert QUESTION.conversation_sid not in told
        assert "15550100001" not in told
        assert session_of(QUESTION) in told
    assert '"fr"' not in told


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "clu"])
async def test_it_sees_what_is_declared(kind: str, tmp_path: Path) -> None:
    async with world_of(kind, tmp_path, sight=Sight(("language", "address"))) as world:
        await answer(world)
    told = json.dumps(world.asked[0]["body"])
    assert "fr" in told
    assert QUESTION.author in told


async def test_it_asks_again(world: World) -> None:
    world.says(Wanted(again=True))
    found = await answer(world)
    assert (found.again, texts(found), found.route) == (True, [], "no")


async def test_it_routes_to_anyone(world: World) -> None:
    world.says(Wanted(("One moment.",), agent=True))
    found = await answer(world)
    assert (found.route, texts(found)) == ("agent", ["One moment."])


async def test_it_routes_to_a_person(world: World) -> None:
    world.says(Wanted(("One moment.",), email=ADA))
    found = await answer(world)
    assert (found.route, found.identity) == ("email", ADA)


@pytest.mark.parametrize("queue", ["Billing", "WQ" + "0" * 32])
async def test_it_routes_to_a_queue(world: World, queue: str) -> None:
    world.says(Wanted(("One moment.",), queue=queue))
    found = await answer(world)
    assert (found.route, found.queue) == ("queue", queue)


@pytest.mark.parametrize("route", ["last", "flex"])
async def test_it_routes_to_whom_he_talked_to_last_and_to_flex(world: World, route: str) -> None:
    world.says(Wanted(("One moment.",), other=route))
    found = await answer(world)
    assert (found.route, found.identity, texts(found)) == (route, None, ["One moment."])


async def test_it_says_several_texts_in_order(world: World) -> None:
    world.says(Wanted(("One.", "Two.", "Three.")))
    assert texts(await answer(world)) == ["One.", "Two.", "Three."]


async def test_it_offers_choices(world: World) -> None:
    world.says(Wanted(("Which?",), choices={"Yes": "/yes", "No": "/no"}))
    found = await answer(world)
    assert list(found.choices) == ["Yes", "No"]
    has_meanings = world.kind not in ("dialogflow", *MODELS)
    assert list(found.choices.values()) == (["/yes", "/no"] if has_meanings else ["Yes", "No"])


async def test_it_closes(world: World) -> None:
    world.says(Wanted(("Goodbye.",), closes=True))
    found = await answer(world)
    assert (found.closes, texts(found)) == (True, ["Goodbye."])


@only_those_who_say_both
async def test_who_is_routed_is_not_closed_on(world: World) -> None:
    world.says(Wanted(("One moment.",), agent=True, closes=True))
    found = await answer(world)
    assert (found.route, found.closes) == ("agent", False)


async def test_ten_copies_are_one(world: World) -> None:
    world.says(Wanted(("Hello there.",) * 10))
    assert texts(await answer(world)) == ["Hello there."]


async def test_nothing_at_all_is_unusable(world: World) -> None:
    for said in ((), ("",), ("\x00 \x1b", " \n")):
        world.says(Wanted(said))
        with pytest.raises(BotUnusable):
            await answer(world)


async def test_hostile_text_is_cleaned(world: World) -> None:
    world.says(Wanted(("a\x00\x1b[31mb\u202ec\ud83d",)))
    assert texts(await answer(world)) == ["a[31mbc"]


async def test_markup_stays_text(world: World) -> None:
    markup = "<script>alert(1)</script> **now** {{x}} ${y}"
    world.says(Wanted((markup,)))
    assert texts(await answer(world)) == [markup]


async def test_no_answer_is_longer_than_can_be_read(world: World) -> None:
    many = tuple(f"{number} " + "x" * 3000 for number in range(8))
    world.says(Wanted(many, {f"c{number}" * 50: "v" * 900 for number in range(20)}))
    found = await answer(world)
    assert sum(map(len, texts(found))) <= MESSAGE_MAX
    assert len(texts(found)) <= TEXTS_MAX
    assert len(found.choices) <= CHOICES_MAX
    assert all(len(shown) <= 80 and len(value) <= 500 for shown, value in found.choices.items())


@pytest.mark.parametrize("size", [300_000, 10_000_000])
async def test_an_answer_of_many_bytes_is_not_read_to_its_end(world: World, size: int) -> None:
    world.sends(json.dumps("x" * size).encode())
    with pytest.raises(BotUnusable, match="over"):
        await answer(world)


MALFORMED = [b"", b"{", b"<html>", b"\xff\xfe", b"[" * 50_000, b'{"a": ' + b"9" * 5_000 + b"}"]
OF_NOBODY: list[Any] = [None, 7, "text", True, [], {}, [7, None, "x", []]]
OF_WATSON: list[Any] = [
    {"output": 7},
    {"output": {"generic": [7, {"response_type": "text", "text": 7}]}},
    {"output": {"generic": [{"response_type": "user_defined", "user_defined": 7}]}},
    {"output": {"generic": [{"response_type": "option", "options": 7}, {"response_type": "connect_to_agent"}]}},
]
OF_DIALOGFLOW: list[Any] = [
    {"queryResult": []},
    {"queryResult": {"responseMessages": [{"text": 7}, {"payload": {"richContent": [7, [{"type": "chips"}]]}}]}},
    {"queryResult": {"responseMessages": [{"liveAgentHandoff": 7}, {"payload": 7}]}},
]
OF_CLU: list[Any] = [
    {"result": {"prediction": {"topIntent": 7, "intents": 7}}},
    {"result": {"prediction": {"topIntent": "Wanted", "intents": [{"category": "Wanted", "confidenceScore": "x"}]}}},
    {"result": {"prediction": {"topIntent": "Wanted", "intents": [{"category": [], "confidenceScore": 1}]}}},
]
OF_MODELS: list[Any] = [
    {"choices": [{}]},
    {"choices": [{"message": {"content": 7}}]},
    {"choices": [{"message": {"content": '{"intent": ["talk"], "say": ["x"]}'}}]},
    {"content": 7},
    {"content": [{"type": "tool_use", "name": "answer", "input": "x"}]},
    {"content": [{"type": "tool_use", "name": "answer", "input": {"intent": {}, "say": 7}}]},
]
OF_RASA: list[Any] = [
    [{"text": 7}, {"buttons": 7}, {"buttons": [{"title": 7, "payload": []}]}, {"custom": 7}],
    [{"custom": {"route": 7}}],
]
OF_ITS_OWN: list[Any] = [
    {"message": 7, "route": "no"},
    {"messages": 7, "route": "no"},
    {"messages": ["x"], "choices": 7, "set": 7, "route": "no"},
]
WRONG = [*OF_NOBODY, *OF_WATSON, *OF_DIALOGFLOW, *OF_CLU, *OF_MODELS, *OF_RASA, *OF_ITS_OWN]


@pytest.mark.parametrize("content", MALFORMED, ids=lambda content: repr(content)[:20])
async def test_what_is_no_json_is_unusable(world: World, content: bytes) -> None:
    world.sends(content)
    with pytest.raises(BotUnusable) as refusal:
        await answer(world)
    assert "private" not in str(refusal.value)


async def usable(world: World) -> Answer | None:
    """The answer, or None for one that is refused."""
    try:
        return await answer(world)
    except BotUnusable:
        return None


@pytest.mark.parametrize("value", WRONG, ids=lambda value: repr(value)[:70])
async def test_a_wrong_shape_is_refused_or_is_an_answer(world: World, value: object) -> None:
    world.sends(value)
    found = await usable(world)
    if found is not None:
        assert found.route in ("no", "agent")
        assert texts(found) or found.again or found.route == "agent"


@pytest.mark.parametrize("route", ["meet @ 5pm", "ada@example", "ada@example.test, bob@example.test", "x" * 5000])
async def test_an_address_that_is_none_never_routes(world: World, route: str) -> None:
    world.says(Wanted(("One moment.",), email=route))
    found = await usable(world)
    assert found is None or found.route == "no"


async def test_a_server_error_is_unusable(world: World) -> None:
    world.sends({}, 500)
    with pytest.raises(BotUnusable, match="500"):
        await answer(world)
    assert len(world.asked) <= 2


@only_vendors
async def test_a_refusal_that_passes_costs_nothing(world: World) -> None:
    good = world.answer

    async def first_busy(request: web.Request) -> web.StreamResponse:
        if len(world.asked) == 1:
            return web.Response(status=429, headers={"Retry-After": "0"})
        return await good(request)

    world.answer = first_busy
    assert texts(await answer(world)) == ["Hello"]
    assert len(world.asked) == 2


async def test_nobody_waits_for_a_refusal_that_lasts(world: World) -> None:
    world.sends({}, 429, **{"Retry-After": "3600"})
    began = time.monotonic()
    with pytest.raises(BotUnusable, match="429"):
        await answer(world)
    assert time.monotonic() - began < 3
    assert len(world.asked) == 1


@pytest.mark.parametrize("status", [201, 204, 301, 400, 401, 403, 404, 422])
async def test_any_other_status_is_unusable(world: World, status: int) -> None:
    world.sends({}, status, Location="/elsewhere")
    with pytest.raises(BotUnusable):
        await answer(world)


@pytest.mark.parametrize("kind", KINDS)
async def test_one_that_hangs_is_unusable_at_the_deadline(kind: str, tmp_path: Path) -> None:
    released = asyncio.Event()

    async def hang(_request: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    async with world_of(kind, tmp_path, timeout_s=0.5) as world:
        world.answer = hang
        began = time.monotonic()
        with pytest.raises(BotUnusable, match=r"within 0\.5 s"):
            await answer(world)
        assert time.monotonic() - began < 2
        released.set()


async def test_one_that_needs_most_of_its_time_has_answered(world: World) -> None:
    good = world.answer

    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(1)
        return await good(request)

    world.answer = slow
    assert texts(await answer(world)) == ["Hello"]
    assert len(world.asked) == 1


async def test_an_answer_that_is_cut_off_is_unusable(world: World) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "5000", "Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(b'{"message": "Hel')
        assert request.transport is not None
        request.transport.abort()
        return response

    world.answer = cut
    with pytest.raises(BotUnusable):
        await answer(world)
    repeats = world.kind in ("clu", *MODELS)
    assert len(world.asked) == (2 if repeats else 1)


async def test_watson_begins_a_new_session_once_where_the_old_one_has_ended(tmp_path: Path) -> None:
    async with world_of("watson", tmp_path) as world:
        await answer(world)
        good = world.answer

        async def first_gone(request: web.Request) -> web.StreamResponse:
            return await good(request) if "/sessions/s2/" in request.path else web.Response(status=404)

        world.answer = first_gone
        assert texts(await answer(world)) == ["Hello"]
        assert world.sessions == ["s1", "s2"]
        world.sends({}, 404)
        with pytest.raises(BotUnusable, match="404"):
            await answer(world)
        assert world.sessions == ["s1", "s2", "s3"]


@pytest.mark.parametrize("world", ["rasa", "dialogflow", "watson", "clu"], indirect=True)
async def test_a_picture_alone_is_asked_about_in_words(world: World) -> None:
    found = tidied(await world.bot.reply(replace(QUESTION, body=" ")))
    assert (found.again, found.route, world.asked) == (True, "no", [])


async def test_clu_asks_again_where_it_is_not_sure_or_the_intent_is_not_declared(tmp_path: Path) -> None:
    async with world_of("clu", tmp_path) as world:
        for intent, score in (("Wanted", 0.3), ("Other", 0.99), ("None", 0.9)):
            prediction = {"topIntent": intent, "intents": [{"category": intent, "confidenceScore": score}]}
            world.sends({"result": {"prediction": prediction}})
            assert (await answer(world)).again


async def test_clu_routes_to_whom_an_entity_names(tmp_path: Path) -> None:
    async with world_of("clu", tmp_path) as world:
        world.declared["TalkTo"] = {"messages": ["One moment."], "route": "$Person"}
        for text, route in ((ADA, "email"), ("Ada", "no")):
            prediction = {
                "topIntent": "TalkTo",
                "intents": [{"category": "TalkTo", "confidenceScore": 0.9}],
                "entities": [{"category": "Person", "text": text, "confidenceScore": 1}],
            }
            world.sends({"result": {"prediction": prediction}})
            assert (await answer(world)).route == route

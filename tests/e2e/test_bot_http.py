"""A bot of one's own behind BOT_URL: asked as promised, and whatever it does, the customer is not left alone."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from states.texts import BOT_TROUBLE, NO_SUCH_WORKER, WELCOME
from tests.e2e.conftest import House
from tests.e2e.doors import CREDENTIALS, serving

MARIA = "+15550100001"
Behaviour = Callable[[dict[str, Any]], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Bot:
    """What it was asked, and how it answers."""

    behave: Behaviour
    asked: list[dict[str, Any]] = field(default_factory=list)
    content_types: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        question = await request.json()
        self.asked.append(question)
        self.content_types.append(f"{request.method} {request.content_type}")
        return await self.behave(question)


async def echo(question: dict[str, Any]) -> web.StreamResponse:
    return web.json_response({"message": f"you said {question['body']}", "route": "no"})


def always(answer: object, status: int = 200) -> Behaviour:
    async def behave(_question: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(answer, status=status)

    return behave


@pytest.fixture
async def bot(bare_house: House) -> AsyncIterator[Bot]:
    """A bot that echoes, and a house that asks it."""
    bot = Bot(echo)
    async with serving(bot.answer) as url:
        await bare_house.start(BOT="http", BOT_URL=url + "/bot", BOT_TIMEOUT_S="1")
        yield bot
        await bare_house.stop()


async def says(house: House, sid: str, *bodies: str) -> None:
    """Wait until the program has said exactly this after the welcome."""

    async def heard() -> bool:
        return len([1 for author, _ in await house.said(sid) if author == "system"]) > len(bodies)

    await house.until(heard)
    await house.quiet(sid)
    assert [body for author, body in await house.said(sid) if author == "system"] == [WELCOME, *bodies]


async def test_the_bot_is_asked_what_the_contract_says(bare_house: House, bot: Bot) -> None:
    sid = await bare_house.say(MARIA, "Grüße, 你好 & more")
    await says(bare_house, sid, "you said Grüße, 你好 & more")
    (question,) = bot.asked
    message = (await bare_house.record(sid))["messages"][0]
    assert question == {
        "conversation_sid": sid,
        "message_sid": message["sid"],
        "author": MARIA,
        "body": "Grüße, 你好 & more",
        "state": "awaiting_choice",
    }
    assert bot.content_types == ["POST application/json"]


@pytest.mark.parametrize("route", ["agent", "ada@example.test", "ADA@Example.test"])
async def test_the_bot_routes(bare_house: House, bot: Bot, route: str) -> None:
    bot.behave = always({"message": "One moment.", "route": route})
    sid = await bare_house.say(MARIA, "Hello")
    assert (await bare_house.state(sid, "with_worker"))["worker"] == {"identity": "ada@example.test"}
    await says(bare_house, sid, "One moment.")


async def test_a_bot_that_routes_without_a_word_routes(bare_house: House, bot: Bot) -> None:
    bot.behave = always({"message": "", "route": "agent"})
    sid = await bare_house.say(MARIA, "Hello")
    await bare_house.state(sid, "with_worker")
    await says(bare_house, sid)


async def test_the_address_of_nobody_adds_nobody_and_asks_again(bare_house: House, bot: Bot) -> None:
    bot.behave = always({"message": "One moment.", "route": "nobody@example.test"})
    sid = await bare_house.say(MARIA, "Hello")
    await says(bare_house, sid, "One moment.", NO_SUCH_WORKER)
    assert (await bare_house.dump(sid))["state"] == "awaiting_choice"
    assert await bare_house.identities(sid) == []


async def hang(_question: dict[str, Any]) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


def raw(body: bytes, content_type: str = "application/json") -> Behaviour:
    async def behave(_question: dict[str, Any]) -> web.StreamResponse:
        return web.Response(body=body, content_type=content_type)

    return behave


HOSTILE = {
    "slow": hang,
    "failing": always({"message": "x", "route": "no"}, 500),
    "refusing": always({"message": "x", "route": "no"}, 404),
    "empty": raw(b""),
    "no JSON": raw(b"<html>no</html>", "text/html"),
    "no object": always(["hello"]),
    "nothing in it": always({}),
    "no route": always({"message": "Hello"}),
    "a number for a route": always({"message": "Hello", "route": 7}),
    "an unknown route": always({"message": "Hello", "route": "elsewhere"}),
    "no address": always({"message": "Hello", "route": "a@b@c"}),
    "a list for a message": always({"message": ["Hello"], "route": "no"}),
    "an empty message": always({"message": "", "route": "no"}),
    "a blank message": always({"message": " \n\t ", "route": "no"}),
    "too much": raw(json.dumps({"message": "x" * 100_000, "route": "no"}).encode()),
    "bad UTF-8": raw(b'{"message": "\xff", "route": "no"}'),
    "half a pair": raw(b'{"message": "\\ud800", "route": "no"}'),
}


@pytest.mark.parametrize("manner", HOSTILE)
async def test_a_bad_answer_leads_to_an_apology_and_a_worker(bare_house: House, bot: Bot, manner: str) -> None:
    bot.behave = HOSTILE[manner]
    sid = await bare_house.say(MARIA, "Hello")
    await bare_house.state(sid, "with_worker")
    await says(bare_house, sid, BOT_TROUBLE)
    assert await bare_house.identities(sid) == ["ada@example.test"]


async def test_a_dead_bot_leads_to_an_apology_and_a_worker(bare_house: House) -> None:
    async with serving(hang) as url:
        pass
    await bare_house.start(BOT="http", BOT_URL=url, BOT_TIMEOUT_S="2")
    sid = await bare_house.say(MARIA, "Hello")
    await bare_house.state(sid, "with_worker")
    await says(bare_house, sid, BOT_TROUBLE)


async def test_a_long_answer_comes_whole_in_messages_a_phone_can_take(bare_house: House, bot: Bot) -> None:
    text = " ".join(f"word{n}" for n in range(800))
    bot.behave = always({"message": text, "route": "no"})
    sid = await bare_house.say(MARIA, "Hello")
    await bare_house.until(lambda: asked_and_settled(bare_house, sid))
    bodies = [body for author, body in await bare_house.said(sid) if author == "system"][1:]
    assert " ".join(bodies) == text
    assert max(map(len, bodies)) <= 1600


async def asked_and_settled(house: House, sid: str) -> bool:
    dump = await house.dump(sid)
    sent = [e for e in dump["effects"] if e["kind"] == "send_message"]
    return len(sent) > 1 and all(e["status"] == "done" for e in sent)


async def test_answers_of_a_slow_bot_come_in_the_order_of_the_messages(bare_house: House, bot: Bot) -> None:
    async def slower_first(question: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(0.6 - 0.25 * len(bot.asked) if len(bot.asked) < 3 else 0)
        return await echo(question)

    bot.behave = slower_first
    sid = await bare_house.say(MARIA, "one")
    await bare_house.say(MARIA, "two")
    await bare_house.say(MARIA, "three")
    await says(bare_house, sid, "you said one", "you said two", "you said three")


async def test_an_answer_after_the_turn_has_passed_is_kept_and_not_sent(bare_house: House, bot: Bot) -> None:
    released = asyncio.Event()

    async def wait(question: dict[str, Any]) -> web.StreamResponse:
        await released.wait()
        return await echo(question)

    bot.behave = wait
    sid = await bare_house.say(MARIA, "Hello")
    await bare_house.until(lambda: asked(bot, 1))
    await bare_house.post(f"/sandbox/conversations/{sid}/join", {"identity": "ada@example.test"})
    await bare_house.state(sid, "with_worker")
    released.set()
    await says(bare_house, sid)
    (kept,) = [row for row in (await bare_house.dump(sid))["history"] if row["trigger"] == "bot_replied"]
    assert kept["event"]["message"] == "you said Hello"
    assert kept["effects"] == []


async def asked(bot: Bot, count: int) -> bool:
    return len(bot.asked) >= count


async def test_a_late_answer_does_not_come_even_when_the_turn_is_the_bots_again(bare_house: House, bot: Bot) -> None:
    released = asyncio.Event()

    async def wait(question: dict[str, Any]) -> web.StreamResponse:
        if question["body"] == "Hello":
            await released.wait()
        return await echo(question)

    bot.behave = wait
    sid = await bare_house.say(MARIA, "Hello")
    await bare_house.until(lambda: asked(bot, 1))
    await bare_house.post(f"/sandbox/conversations/{sid}/join", {"identity": "ada@example.test"})
    await bare_house.state(sid, "with_worker")
    await bare_house.post(f"/sandbox/conversations/{sid}/leave", {"identity": "ada@example.test"})
    await bare_house.state(sid, "awaiting_choice")
    await bare_house.say(MARIA, "again")
    released.set()
    await says(bare_house, sid, "you said again")


async def test_the_bot_is_not_asked_while_a_worker_is_there(bare_house: House, bot: Bot) -> None:
    bot.behave = always({"message": "One moment.", "route": "agent"})
    sid = await bare_house.say(MARIA, "Hello")
    await bare_house.state(sid, "with_worker")
    await bare_house.say(MARIA, "Hello, Ada")

    async def taken() -> bool:
        rows = (await bare_house.dump(sid))["history"]
        return sum(1 for row in rows if row["trigger"] == "message_received") == 2

    await bare_house.until(taken)
    await bare_house.quiet(sid)
    assert len(bot.asked) == 1


async def test_without_taskrouter_a_bad_bot_still_gets_a_polite_answer(bare_house: House) -> None:
    bot = Bot(always({"nonsense": True}))
    async with serving(bot.answer) as url:
        settings = {"BOT": "http", "BOT_URL": url, "TWILIO_API_URL": bare_house.sandbox.url, **CREDENTIALS}
        await bare_house.start(**settings)
        sid = await bare_house.say(MARIA, "Hello")

        async def apologised() -> bool:
            return len(await bare_house.said(sid)) == 3

        await bare_house.until(apologised)
        assert (await bare_house.quiet(sid))["state"] == "awaiting_choice"
        await bare_house.stop()


async def test_who_is_sent_on_does_not_wait_for_what_the_bot_is_still_asked(bare_house: House, bot: Bot) -> None:
    """Three messages before the first answer: each costs the hanging bot a second, and the customer only the first."""
    bot.behave = hang
    sid = await bare_house.say(MARIA, "Hello")
    await bare_house.until(lambda: asked(bot, 1))
    await bare_house.say(MARIA, "Hello?")
    await bare_house.say(MARIA, "Anybody?")
    await bare_house.say(MARIA, "Hello???")
    await bare_house.state(sid, "with_worker", 2.5)
    await says(bare_house, sid, BOT_TROUBLE)

"""A bot behind a URL answers in time and in form, or is unusable; on real sockets."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from orchestrator.adapters.http_bot import ANSWER_MAX_BYTES, HttpBot
from orchestrator.errors import BotUnusable
from orchestrator.ports import Answer, Question

QUESTION = Question("CH1", "IM1", "+15550100001", "a private question", "awaiting_choice", 1)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Bot:
    """A server that answers with `answer`, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.answer: Handler | dict[str, object] | bytes = {"message": "Hello", "route": "no"}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        if callable(self.answer):
            return await self.answer(request)
        content = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
        return web.Response(body=content, content_type="application/json")


@pytest.fixture
async def bot() -> Bot:
    return Bot()


@pytest.fixture
async def url(bot: Bot) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/bot", bot.handle)
    async with TestServer(app) as server:
        yield str(server.make_url("/bot"))


@pytest.fixture
def adapter(session: aiohttp.ClientSession, url: str) -> HttpBot:
    return HttpBot(session, url, 2.0)


async def test_the_question_is_posted_as_promised(adapter: HttpBot, bot: Bot) -> None:
    assert await adapter.reply(QUESTION) == Answer("Hello", "no")
    assert bot.asked == [
        {
            "conversation_sid": "CH1",
            "message_sid": "IM1",
            "author": "+15550100001",
            "body": "a private question",
            "state": "awaiting_choice",
        }
    ]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"message": "Hi", "route": "NO"}, Answer("Hi", "no")),
        ({"message": "Hi", "route": " Agent "}, Answer("Hi", "agent")),
        ({"message": "", "route": "AGENT"}, Answer("", "agent")),
        ({"message": "One moment.", "route": " Last "}, Answer("One moment.", "last")),
        ({"route": "last"}, Answer("", "last")),
        ({"route": "agent"}, Answer("", "agent")),
        ({"message": None, "route": "agent"}, Answer("", "agent")),
        ({"message": "Hi", "route": " Ada@Example.test\n"}, Answer("Hi", "email", "Ada@Example.test")),
        ({"message": "Hi", "route": "no", "more": [1]}, Answer("Hi", "no")),
        ({"message": " a\r\n\tb\x00\x1b[31m\x7f\ud83d \n", "route": "no"}, Answer("a\n\tb[31m", "no")),
        ({"message": "日本 👩‍👩‍👧", "route": "no"}, Answer("日本 👩‍👩‍👧", "no")),
    ],
)
async def test_a_good_answer_is_taken(adapter: HttpBot, bot: Bot, answer: dict[str, object], expected: Answer) -> None:
    bot.answer = answer
    assert await adapter.reply(QUESTION) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"messages": ["One.", "Two."], "route": "no"}, Answer("One.", "no", more=("Two.",))),
        ({"message": "One.", "messages": ["One.", "Two."], "route": "no"}, Answer("One.", "no", more=("Two.",))),
        ({"message": "Hi", "route": "queue", "queue": "Billing"}, Answer("Hi", "queue", queue="Billing")),
        ({"message": "Hi", "route": "queue"}, Answer("Hi", "queue")),
        ({"message": "Hi", "route": "no", "queue": "Billing"}, Answer("Hi", "no")),
        ({"route": "no", "ask_again": True}, Answer("", "no", again=True)),
        ({"message": "Bye", "route": "no", "close": True}, Answer("Bye", "no", closes=True)),
        ({"message": "Hi", "route": "agent", "close": True}, Answer("Hi", "agent")),
        ({"message": "Hi", "route": "no", "close": "yes", "ask_again": 1}, Answer("Hi", "no")),
        (
            {"message": "Hi", "route": "no", "choices": ["A", {"title": "B", "value": "/b"}, {"title": 7}, 7]},
            Answer("Hi", "no", choices={"A": "A", "B": "/b"}),
        ),
        (
            {"message": "Hi", "route": "no", "set": {"language": "FR_ca", "reason": " x\x00 ", "admin": "1"}},
            Answer("Hi", "no", told={"language": "fr-CA", "reason": "x"}),
        ),
        ({"message": "Hi", "route": "no", "set": {"language": "no tag!"}}, Answer("Hi", "no")),
    ],
)
async def test_the_newer_fields_are_taken_too(
    adapter: HttpBot, bot: Bot, answer: dict[str, object], expected: Answer
) -> None:
    bot.answer = answer
    assert await adapter.reply(QUESTION) == expected


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"message": "Hi"},
        {"message": "", "route": "no"},
        {"message": "\x00", "route": "no"},
        {"message": None, "route": "no"},
        {"message": 7, "route": "agent"},
        {"message": ["Hi"], "route": "no"},
        {"message": "Hi", "route": None},
        {"message": "Hi", "route": True},
        {"message": "Hi", "route": ""},
        {"message": "Hi", "route": "yes"},
        {"message": "Hi", "route": "email"},
        {"message": "Hi", "route": "meet @ 5pm"},
        {"message": "Hi", "route": "ada@example"},
        {"message": "Hi", "route": "ada@example.test, bob@example.test"},
        {"message": "Hi", "route": "Ada <ada@example.test>"},
        {"message": "Hi", "route": "a" * 60_000 + "@example.test"},
        b"",
        b"null",
        b"[]",
        b'"Hi"',
        b"<html>",
        b'{"message": "Hi", "route": "no"',
        b"\xff\xfe{}",
        b"[" * 60_000,
        b'{"message": ' + b"9" * 10_000 + b"}",
        b'{"message": "' + b"x" * ANSWER_MAX_BYTES + b'", "route": "no"}',
    ],
    ids=lambda answer: repr(answer)[:40],
)
async def test_anything_else_is_unusable_and_asked_once(adapter: HttpBot, bot: Bot, answer: Any) -> None:
    bot.answer = answer
    with pytest.raises(BotUnusable) as refusal:
        await adapter.reply(QUESTION)
    assert "private" not in str(refusal.value)
    assert "Hi" not in str(refusal.value)
    assert len(bot.asked) == 1


@pytest.mark.parametrize("status", [201, 204, 301, 400, 401, 404, 429])
async def test_a_status_other_than_200_is_unusable_and_asked_once(adapter: HttpBot, bot: Bot, status: int) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    bot.answer = answer
    with pytest.raises(BotUnusable, match=str(status)):
        await adapter.reply(QUESTION)
    assert len(bot.asked) == 1


async def test_a_redirect_is_not_followed(adapter: HttpBot, bot: Bot) -> None:
    async def answer(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect("/bot")

    bot.answer = answer
    with pytest.raises(BotUnusable, match="307"):
        await adapter.reply(QUESTION)
    assert len(bot.asked) == 1


async def test_a_server_error_is_asked_a_second_time_and_no_third(adapter: HttpBot, bot: Bot) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=503)

    bot.answer = answer
    with pytest.raises(BotUnusable, match="503"):
        await adapter.reply(QUESTION)
    assert len(bot.asked) == 2


async def test_a_server_error_that_passes_costs_nothing(adapter: HttpBot, bot: Bot) -> None:
    async def answer(request: web.Request) -> web.Response:
        if len(bot.asked) == 1:
            return web.Response(status=500)
        return web.json_response({"message": "Back", "route": "no"})

    bot.answer = answer
    assert await adapter.reply(QUESTION) == Answer("Back", "no")


async def test_a_bot_that_is_slow_is_unusable_at_the_deadline(
    session: aiohttp.ClientSession, url: str, bot: Bot
) -> None:
    released = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        await released.wait()
        return web.Response()

    bot.answer = answer
    started = time.monotonic()
    with pytest.raises(BotUnusable, match=r"within 0\.3 s"):
        await HttpBot(session, url, 0.3).reply(QUESTION)
    released.set()
    assert time.monotonic() - started < 1


async def test_the_second_attempt_ends_at_the_same_deadline(session: aiohttp.ClientSession, url: str, bot: Bot) -> None:
    async def answer(request: web.Request) -> web.Response:
        if len(bot.asked) == 1:
            return web.Response(status=500)
        await asyncio.Event().wait()
        return web.Response()

    bot.answer = answer
    started = time.monotonic()
    with pytest.raises(BotUnusable, match="within"):
        await HttpBot(session, url, 0.5).reply(QUESTION)
    assert time.monotonic() - started < 1


async def test_a_bot_that_drips_is_unusable_at_the_deadline(session: aiohttp.ClientSession, url: str, bot: Bot) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.02)

    bot.answer = answer
    with pytest.raises(BotUnusable, match="within"):
        await HttpBot(session, url, 0.3).reply(QUESTION)


async def test_a_dead_bot_is_unusable(session: aiohttp.ClientSession) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(BotUnusable, match="ClientConnectorError"):
            await HttpBot(session, f"http://127.0.0.1:{unused.getsockname()[1]}/", 2.0).reply(QUESTION)


@pytest.mark.parametrize("content", [b"", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"])
async def test_a_bot_that_cuts_or_speaks_no_http_is_unusable(session: aiohttp.ClientSession, content: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(content)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(BotUnusable, match="no answer"):
            await HttpBot(session, f"http://127.0.0.1:{port}/", 2.0).reply(QUESTION)


@pytest.mark.parametrize("url", ["ftp://example.test/", "http://", "nowhere"])
async def test_a_url_that_is_none_makes_the_bot_unusable(session: aiohttp.ClientSession, url: str) -> None:
    with pytest.raises(BotUnusable):
        await HttpBot(session, url, 2.0).reply(QUESTION)


async def test_a_closed_session_makes_the_bot_unusable(session: aiohttp.ClientSession, url: str) -> None:
    await session.close()
    with pytest.raises(BotUnusable):
        await HttpBot(session, url, 2.0).reply(QUESTION)


async def test_a_cancelled_question_is_cancelled(adapter: HttpBot, bot: Bot) -> None:
    arrived, released = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        arrived.set()
        await released.wait()
        return web.Response()

    bot.answer = answer
    task = asyncio.create_task(adapter.reply(QUESTION))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    released.set()

"""The line to a vendor: whether a question is taken and when it is answered are two clocks."""

import asyncio
import socket
import time

import aiohttp
import pytest
from aiohttp import web

from orchestrator.bots.line import Line, items, part
from orchestrator.errors import BotUnusable
from tests.e2e.doors import serving


async def test_a_vendor_that_comes_back_at_once_costs_nothing() -> None:
    """A connection that is refused is tried again, and nobody is told: it comes with a restart."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    async with aiohttp.ClientSession() as session:
        line = Line(session, "vendor", 5.0, repeats=False)
        asking = asyncio.create_task(line.post(f"http://127.0.0.1:{port}/", json={}))
        await asyncio.sleep(0)
        server = await asyncio.start_server(answer, "127.0.0.1", port)
        async with server:
            assert (await asking).wanted("vendor", 200) == {}


async def test_one_that_is_not_there_is_known_long_before_the_answer_is_due() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with aiohttp.ClientSession() as session:
        line = Line(session, "vendor", 60.0, repeats=False)
        began = time.monotonic()
        with pytest.raises(BotUnusable, match="ClientConnectorError"):
            async with line.answering():
                await line.post(f"http://127.0.0.1:{port}/", json={})
        assert time.monotonic() - began < 5


async def test_a_refusal_names_neither_the_question_nor_a_secret() -> None:
    async def refuse(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=401, text="canary")

    async with serving(refuse) as url, aiohttp.ClientSession() as session:
        line = Line(session, "vendor", 5.0, repeats=True)
        reply = await line.post(url, {"Authorization": "Bearer canary"}, json={"text": "canary"})
        with pytest.raises(BotUnusable, match="vendor answered 401") as refusal:
            reply.wanted("vendor", 200)
        assert "canary" not in str(refusal.value)


def test_json_is_taken_apart_without_trust() -> None:
    assert part({"a": {"b": 1}}, "a", "b") == 1
    assert part({"a": 7}, "a", "b") is part(None, "a") is part([], "a") is None
    assert items([{"a": 1}, 7, None]) == [{"a": 1}]
    assert items({"a": 1}) == items("x") == items(None) == []

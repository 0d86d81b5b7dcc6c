"""What every page has: its headers, its static files, and the stream it lives on, over real sockets."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from orchestrator import pages
from orchestrator.pages import leaving, rendering
from orchestrator.pages import live as streams
from orchestrator.pages.assets import assets, static
from orchestrator.people.rights import PERSON, Person, Role
from orchestrator.people.sessions import TOKEN, digest
from orchestrator.service import SERVICE
from storage.errors import StorageError

GRACE = Person(1, "grace", "Grace", Role.worker, "grace@example.test")


@dataclass
class Told:
    """A change, as the feed gives it."""

    id: str
    sids: frozenset[str] | None


@dataclass
class PlayedFeed:
    """A feed whose changes the test makes."""

    queue: "asyncio.Queue[Told | None]" = field(default_factory=asyncio.Queue)
    after: list[str | None] = field(default_factory=list)

    @contextmanager
    def subscribe(self, after: str | None = None) -> Iterator[AsyncIterator[Told]]:
        self.after.append(after)

        async def changes() -> AsyncIterator[Told]:
            while (told := await self.queue.get()) is not None:
                yield told

        yield changes()


@pytest.fixture
def feed() -> PlayedFeed:
    return PlayedFeed()


@dataclass
class PlayedReader:
    """A database in which the sign-ins of these hashes hold."""

    held: set[str] = field(default_factory=lambda: {digest("graces")})
    fails: bool = False
    questions: "asyncio.Queue[None]" = field(default_factory=asyncio.Queue)

    async def read(self, _work: Any) -> set[str]:
        self.questions.put_nowait(None)
        if self.fails:
            raise StorageError("played")
        return self.held

    async def is_asked_again(self) -> None:
        """Wait for the question after the one that may be under way."""
        for _ in range(self.questions.qsize() + 2):
            await self.questions.get()


@pytest.fixture
def reader() -> PlayedReader:
    return PlayedReader()


@pytest.fixture
async def app(feed: PlayedFeed, reader: PlayedReader) -> web.Application:
    async def page(request: web.Request) -> web.Response:
        return rendering.problem(request, 404, "Nothing here", "<script>alert(1)</script>")

    async def stream(request: web.Request) -> web.StreamResponse:
        request[PERSON], request[TOKEN] = GRACE, "graces"

        async def relevant(sids: frozenset[str]) -> list[str]:
            return [sid for sid in sids if sid == "CH1"]

        return await streams.live(request, relevant)

    app = web.Application()
    app.add_routes([*pages.routes(), web.get("/page", page), web.get("/events", stream)])
    pages.attach(app)
    app[SERVICE] = SimpleNamespace(  # type: ignore[assignment]
        feed=feed, reader=reader, writer=SimpleNamespace(now=lambda: 0)
    )
    return app


async def test_a_page_lets_nothing_run_but_what_is_ours(aiohttp_client: AiohttpClient, app: web.Application) -> None:
    answer = await (await aiohttp_client(app)).get("/page")
    policy = answer.headers["Content-Security-Policy"]
    assert answer.status == 404
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Encoding"] == "gzip"
    html = await answer.text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert not re.search(r"<[^>]+\s(style|on\w+)=", html)


async def test_a_fragment_is_the_moving_part_alone(aiohttp_client: AiohttpClient, app: web.Application) -> None:
    html = await (await (await aiohttp_client(app)).get("/page", headers={"X-Fragment": "live"})).text()
    assert "data-live" in html
    assert "appbar" not in html


async def test_a_static_file_is_kept_for_ever_under_its_hash(
    aiohttp_client: AiohttpClient, app: web.Application
) -> None:
    client = await aiohttp_client(app)
    current = await client.get(static("style.css"))
    assert "immutable" in current.headers["Cache-Control"]
    assert current.content_type == "text/css"
    past = await client.get("/static/000000000000/style.css")
    assert past.headers["Cache-Control"] == "no-store"
    assert await past.text() == await current.text()


@pytest.mark.parametrize("name", ["none.css", "..%2f..%2frendering.py", "../rendering.py", "style.css/", "%00"])
async def test_what_is_no_static_file_is_not_found(
    aiohttp_client: AiohttpClient, app: web.Application, name: str
) -> None:
    answer = await (await aiohttp_client(app)).get(f"/static/000000000000/{name}")
    assert answer.status == 404


def test_static_files_load_nothing_from_elsewhere_and_every_icon_is_drawn() -> None:
    for name, asset in assets().items():
        if asset.content_type.startswith("text/"):
            text = asset.body.decode()
            assert "https://" not in text.replace("https://www.w3.org", ""), name
            assert "eval(" not in text, name
            assert "innerHTML" not in text, name


async def events(answer: Any, count: int) -> list[tuple[str, str, str]]:
    """The next `count` events: their kind, id and data."""
    found = []
    for _ in range(count):
        block: dict[str, str] = {}
        while (line := (await answer.content.readline()).decode().strip()) or not block:
            name, _, value = line.partition(": ")
            block[name] = value
        found.append((block.get("event", ""), block.get("id", ""), block.get("data", "")))
    return found


async def test_a_stream_tells_of_what_matters_and_resumes_where_it_was(
    aiohttp_client: AiohttpClient, app: web.Application, feed: PlayedFeed
) -> None:
    client = await aiohttp_client(app)
    async with client.get("/events", headers={"Last-Event-ID": "7"}) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert [kind for kind, _, _ in await events(answer, 1)] == ["hello"]
        feed.queue.put_nowait(Told("8", frozenset({"CH2"})))
        feed.queue.put_nowait(Told("9", frozenset({"CH1", "CH2"})))
        feed.queue.put_nowait(Told("10", None))
        assert await events(answer, 2) == [("change", "9", '{"sids": ["CH1"]}'), ("change", "10", '{"sids": null}')]
    assert feed.after == ["7"]


async def test_a_quiet_stream_ticks(
    aiohttp_client: AiohttpClient, app: web.Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "TICK_S", 0.05)
    async with (await aiohttp_client(app)).get("/events") as answer:
        assert [kind for kind, _, _ in await events(answer, 3)] == ["hello", "tick", "tick"]


async def test_the_oldest_stream_of_somebody_who_has_too_many_ends(
    aiohttp_client: AiohttpClient, app: web.Application
) -> None:
    client = await aiohttp_client(app)
    answers = [await client.get("/events") for _ in range(streams.STREAMS_MAX + 1)]
    assert [kind for kind, _, _ in await events(answers[0], 2)] == ["hello", "elsewhere"]
    assert await answers[0].content.read() == b""
    assert app[streams.STREAMS].is_watching(GRACE.id, "CH1")
    for answer in answers:
        answer.close()


async def test_stopping_ends_the_streams_and_is_not_held_up(
    aiohttp_client: AiohttpClient, app: web.Application
) -> None:
    client = await aiohttp_client(app)
    answer = await client.get("/events")
    await events(answer, 1)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await client.server.close()
    assert loop.time() - began < 1.0
    assert not app[streams.STREAMS].is_watching(GRACE.id, "CH1")


async def test_while_a_stream_is_open_it_is_asked_whether_its_sign_in_holds_and_then_no_more(
    aiohttp_client: AiohttpClient, app: web.Application, reader: PlayedReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "EVERY_S", 0.01)
    client = await aiohttp_client(app)
    async with client.get("/events") as answer, asyncio.timeout(5):
        assert [kind for kind, _, _ in await events(answer, 1)] == ["hello"]
        reader.fails = True
        await reader.is_asked_again()
        reader.fails = False
        await reader.is_asked_again()
        assert app[streams.STREAMS].is_watching(GRACE.id, "CH1")
        reader.held.clear()
        assert [kind for kind, _, _ in await events(answer, 1)] == ["over"]
        assert await answer.content.read() == b""
    assert not app[streams.STREAMS].tokens()
    for _ in range(reader.questions.qsize()):
        reader.questions.get_nowait()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.is_asked_again(), 0.1)

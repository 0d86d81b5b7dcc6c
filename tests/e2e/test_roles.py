"""`--role web` and `--role effects`: two parts of the service over one PostgreSQL, each doing its own."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from chaos.postgres import Postgres
from orchestrator.app import build_app
from orchestrator.feed import Subscription
from orchestrator.service import SERVICE, Role
from states.texts import WELCOME
from storage.shared_writer import SharedWriter
from tests.e2e.conftest import House

DATABASES = ("postgresql",)
MARIA = "+15550100001"
# So seldom is the outbox looked at that only a hint can be the reason for what happens sooner.
SELDOM = "60"
SOON_S = 1.0


@asynccontextmanager
async def part(house: House, role: Role, door: socket.socket) -> AsyncIterator[str]:
    """A part of the service, listening; its address."""
    runner = web.AppRunner(build_app(house.settings(), role), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.SockSite(runner, door).start()
    try:
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def taking(house: House) -> AsyncIterator[None]:
    """The part that takes webhooks, at the house's address."""
    async with part(house, "web", house.socket.dup()):
        yield


@asynccontextmanager
async def performing(house: House) -> AsyncIterator[str]:
    """The part that carries effects out; its address."""
    async with part(house, "effects", socket.create_server(("127.0.0.1", 0))) as url:
        yield url


async def welcomed(house: House, sid: str) -> bool:
    return ("system", WELCOME) in await house.said(sid)


async def writes(house: House) -> list[Any]:
    """What Twilio was asked to change."""
    return [entry for entry in await house.ledger() if entry["kind"] == "rest"]


async def test_who_takes_webhooks_performs_nothing_and_who_performs_finds_it(bare_house: House) -> None:
    house = bare_house
    async with taking(house):
        sid = await house.say(MARIA, "Hello")

        async def decided() -> Any:
            return (await house.dump(sid))["effects"]

        effects = await house.until(decided)
        assert {effect["status"] for effect in effects} == {"pending"}
        assert await writes(house) == []
        async with performing(house):
            dump = await house.quiet(sid)
    assert {effect["status"] for effect in dump["effects"]} == {"done"}
    assert await welcomed(house, sid)


async def test_what_is_decided_is_performed_within_a_second_though_polls_are_seldom(
    bare_house: House, postgres: Postgres
) -> None:
    house = bare_house
    house.variables["DISPATCH_POLL_S"] = SELDOM

    async def listening() -> bool:
        query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
        return postgres.query(query, house.database_url.rpartition("/")[2]) == "2"

    async with taking(house), performing(house):
        await house.until(listening)
        sid = await house.say(MARIA, "Hello")
        committed = time.monotonic()
        await house.until(lambda: welcomed(house, sid), SOON_S)
        print(f"performed {time.monotonic() - committed:.2f} s after the answer")
        await house.quiet(sid)


async def test_a_hint_that_is_lost_costs_nothing_but_a_poll(bare_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house = bare_house

    async def lost(writer: SharedWriter) -> None:
        writer._telling = set()

    monkeypatch.setattr(SharedWriter, "_notify", lost)
    async with taking(house), performing(house):
        sid = await house.say(MARIA, "Hello")
        await house.quiet(sid)
    assert await welcomed(house, sid)


async def test_who_performs_has_no_door_for_webhooks_and_is_ready(bare_house: House) -> None:
    house = bare_house
    async with performing(house) as url:
        for path in ("/pre-event", "/post-event", "/routing", "/taskrouter-event", "/crm", "/outbound", "/templates"):
            async with house.session.post(url + path, data={"a": "b"}) as answer:
                assert answer.status == 404
        async with house.session.get(f"{url}/readyz") as answer:
            assert answer.status == 200


async def test_who_watches_at_one_part_is_told_what_the_other_commits(bare_house: House) -> None:
    house = bare_house
    async with taking(house), watched(house) as changes:
        sid = await house.say(MARIA, "Hello")
        committed = time.monotonic()
        async with asyncio.timeout(SOON_S):
            async for change in changes:
                if change.sids is not None and sid in change.sids:
                    break
        print(f"told {time.monotonic() - committed:.2f} s after the answer")


@asynccontextmanager
async def watched(house: House) -> AsyncIterator[Subscription]:
    """What somebody sees who watches at the part that carries effects out; everybody has heard that he does."""
    app = build_app(house.settings(), "effects")
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        with app[SERVICE].feed.subscribe() as changes:
            assert (await anext(changes)).sids is None
            yield changes
    finally:
        await runner.cleanup()

"""The load balancer and the processes behind it, before anything is done to PostgreSQL."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import Connection, insert

from chaos import balancer as balancing
from chaos.balancer import Balancer
from chaos.customers import Customers
from chaos.fleet import LEASE_S, fleet
from chaos.house import serving
from chaos.postgres import quiet_port
from chaos.transcripts import passed_over
from storage.schema import conversation, history, outbox
from tests.stores import new_store

Handler = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def balanced(*replicas: Handler | None, copies: int = 1) -> AsyncIterator[tuple[Balancer, str]]:
    """A balancer before these replicas, None for one that is dead; and its address."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        ports = [quiet_port() for _ in replicas]
        for port, handler in zip(ports, replicas, strict=True):
            if handler is not None:
                app = web.Application()
                app.router.add_post("/post-event", handler)
                await stack.enter_async_context(serving(app, port))
        balancer = Balancer(session, [f"http://127.0.0.1:{port}" for port in ports], lambda: copies)
        port = quiet_port()
        await stack.enter_async_context(serving(balancer.app(), port))
        yield balancer, f"http://127.0.0.1:{port}/post-event"


def replica(name: str, heard: list[str], after_s: float = 0) -> Handler:
    """One that answers with its name."""

    async def handler(_request: web.Request) -> web.Response:
        heard.append(name)
        await asyncio.sleep(after_s)
        return web.Response(text=name)

    return handler


async def ask(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.post(url, data={"a": "b"}) as answer:
        return answer.status, await answer.text()


async def test_replicas_take_turns_and_a_dead_one_costs_nobody_his_answer() -> None:
    heard: list[str] = []
    async with balanced(replica("one", heard), None, replica("three", heard)) as (balancer, url):
        assert [await ask(url) for _ in range(3)] == [(200, "one"), (200, "three"), (200, "three")]
    assert balancer.failed == {"refused": 1}
    assert balancer.answers == {("/post-event", 200): 3}


async def test_what_a_stalled_replica_was_sent_is_sent_to_the_next_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balancing, "STALLED_S", 0.05)
    heard: list[str] = []
    async with balanced(replica("slow", heard, 0.3), replica("quick", heard)) as (balancer, url):
        assert await ask(url) == (200, "quick")
        await balancer.delivered()
    assert heard == ["slow", "quick"]
    assert balancer.answers == {("/post-event", 200): 2}


async def test_copies_are_under_way_at_the_same_instant() -> None:
    heard: list[str] = []
    async with balanced(*(replica(name, heard, 0.1) for name in "abc"), copies=3) as (balancer, url):
        asking = asyncio.create_task(ask(url))
        await asyncio.sleep(0.06)
        assert sorted(heard) == ["a", "b", "c"]
        assert (await asking)[0] == 200
        await balancer.delivered()


async def test_where_nobody_answers_it_says_so() -> None:
    async with balanced(None, None) as (balancer, url):
        assert (await ask(url))[0] == 502
    assert balancer.failed == {"refused": 2, "answered by nobody": 1}


async def test_a_fleet_of_one_over_sqlite_survives_what_is_done_to_it(tmp_path: Path) -> None:
    database = f"sqlite+aiosqlite:///{tmp_path}/hub.db"
    async with fleet(database, replicas=1) as it:
        customers = Customers(it.session, it.sandbox_url, 12, seed=1)
        writing = customers.write(1, 1.5)
        await asyncio.sleep(0.3)
        await it.kill(0)
        await it.ready()
        await it.freeze(0, LEASE_S / 3)
        await asyncio.gather(*writing)
        await it.rest()
        assert await it.end() == []
        assert customers.refused == []
        assert await it.violations() == []
        assert (await it.triggers())["message_received"] == 12


async def test_a_replica_that_ends_by_itself_is_noticed(tmp_path: Path) -> None:
    async with fleet(f"sqlite+aiosqlite:///{tmp_path}/hub.db", replicas=1) as it:
        await it._replicas[it._ports[0]].end()
        assert await it.end() == ["replica 0 had ended by itself", "SIGTERM ended replica 0 with -9"]


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        (["ada", "bob", "ada", "bob"], []),
        (["ada", "ada"], ["CH1/1: ada was chosen, though bob had been idle longer"]),
        (["ada", "ADA named", "bob"], []),
        (["ada", "ada known", "bob"], []),
        (["bob", "ada"], ["CH0/1: bob was chosen, though ada had been idle longer"]),
    ],
)
def test_who_was_chosen_though_another_had_been_idle_longer_is_found(
    tmp_path: Path, chosen: list[str], found: list[str]
) -> None:
    """The order is that of the outbox, whatever the times say."""
    with new_store(tmp_path) as store, store.engine.begin() as connection:
        for n, who in enumerate(chosen):
            _assign(connection, f"CH{n}", who, at=9 - n)
        assert list(passed_over(connection, {"ada", "bob"})) == found


def _assign(connection: Connection, sid: str, who: str, at: int) -> None:
    identity, _, how = who.lower().partition(" ")
    asked = {"named": {"named": True}, "known": {"considered": [f"last: {identity} chosen"]}}
    event = json.dumps({"identity": identity} | asked.get(how, {}))
    decided = {"at": at, "trigger": "worker_found", "source": "routing", "dest": "routing", "row": "", "event": event}
    connection.execute(insert(history).values(conversation_sid=sid, version=1, table_version=1, **decided))
    effect = {"kind": "add_participant", "lane": "", "payload": "", "status": "done", "created_at": 0, "due_at": 0}
    connection.execute(insert(outbox).values(key=f"{sid}/1/0", conversation_sid=sid, **effect))
    stored = {"state": "routing", "version": 1, "created_at": 0, "updated_at": 0, "snapshot": "{}"}
    connection.execute(insert(conversation).values(sid=sid, members_known=True, has_waiting=False, **stored))

"""The commands and the service over PostgreSQL: the same answers, and a server that goes and comes back."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chaos.postgres import Postgres
from storage.opening import HEAD
from tests.process.conftest import Place, until
from tests.process.test_commands import CSV, MARIA, MISCONFIGURED

STOPPING_S = 15.0
SOON_S = 5.0
ROUTES = ("/post-event", "/routing", "/taskrouter-event")


@pytest.fixture
def over_postgres(place: Place, postgres_url: str) -> Place:
    """A place whose database is an empty PostgreSQL."""
    place.variables["DATABASE_URL"] = postgres_url
    return place


async def test_the_commands_answer_over_postgresql_as_the_routes_do(over_postgres: Place) -> None:
    place = over_postgres
    assert place.run("db", "current", "--json").json["revision"] is None
    (place.folder / "customers.csv").write_text(CSV)
    imported = place.run("customers", "import", "customers.csv")
    assert (imported.code, imported.out) == (1, "2 read, 2 added or changed, 2 refused\n")
    service = place.serve()
    sid = await place.say(MARIA, "Hello")
    dump = await place.quiet(sid)
    same = {
        "conversations list --json": await place.get(f"{place.url}/debug/conversations"),
        f"conversations show {sid}": dump,
        f"conversations history {sid} --json": dump["history"],
        "effects list --json": [],
        "inbox list --json": [],
    }
    others = ("effects list --all", "verify --ledger", "verify --json", "customers list --json", "db current")
    beside = place.run_all(*same, *others)
    assert {command: beside[command].json for command in same} == same
    assert [answer for answer in beside.values() if answer.code] == []
    assert [row["customer_id"] for row in beside["customers list --json"].json][:2] == ["1", "4"]
    assert "BROKEN" not in beside["verify --ledger"].out
    assert beside["db current"].out == f"{HEAD} (this version needs {HEAD})\n"
    (line,) = place.run("db", "backup", "copy.db").refused(MISCONFIGURED)
    assert "pg_dump" in line
    (line,) = place.run("effects", "skip", "no such effect").refused(1)
    assert "no such effect" in line
    service.signal(signal.SIGTERM)
    assert service.ended(STOPPING_S) == 0


async def test_a_server_that_goes_is_told_with_503_and_one_that_comes_back_is_served(
    over_postgres: Place, postgres: Postgres
) -> None:
    """Never 500; ready again within five seconds; told to stop while it is away, the service ends in order."""
    place = over_postgres
    service = place.serve()
    await place.quiet(await place.say(MARIA, "Hello"))
    async with away(postgres):
        gone = time.monotonic()
        await until(lambda: answers(place, 503), SOON_S)
        print(f"not ready {time.monotonic() - gone:.1f} s after the server went")
        await place.say(MARIA, "Is anybody there?")
        debug = [await status(place, path) for path in ("/debug/conversations", "/metrics", "/healthz")]
        assert debug == [503, 503, 200]
    back = time.monotonic()
    await until(lambda: answers(place, 200), SOON_S)
    print(f"ready again {time.monotonic() - back:.1f} s after it was back")
    webhooks = await told(place)
    assert {entry["status"] for entry in webhooks} <= {200, 204, 503}
    async with away(postgres):
        await place.say(MARIA, "And now?")
        stopped = time.monotonic()
        service.signal(signal.SIGTERM)
        assert await asyncio.to_thread(service.ended, STOPPING_S) == 0
        print(f"stopped in {time.monotonic() - stopped:.1f} s")

    assert "Traceback" not in service.log.read_text()


async def test_told_to_stop_while_its_server_hangs_the_service_ends_in_order(
    over_postgres: Place, postgres: Postgres
) -> None:
    place = over_postgres
    service = place.serve()
    await place.quiet(await place.say(MARIA, "Hello"))
    with postgres.hanging():
        saying = asyncio.create_task(place.say(MARIA, "Is anybody there?"))
        stopped = time.monotonic()
        service.signal(signal.SIGTERM)
        assert await asyncio.to_thread(service.ended, STOPPING_S) == 0
        print(f"stopped in {time.monotonic() - stopped:.1f} s")
    await asyncio.gather(saying, return_exceptions=True)
    assert "Traceback" not in service.log.read_text()


@asynccontextmanager
async def away(postgres: Postgres) -> AsyncIterator[None]:
    """The server is not there."""
    postgres.stop_immediately()
    try:
        yield
    finally:
        postgres.start()


async def answers(place: Place, wanted: int) -> bool:
    return await place.ready() == wanted


async def status(place: Place, path: str) -> int:
    async with place.session.get(place.url + path) as response:
        return response.status


async def told(place: Place) -> list[Any]:
    """Every webhook and its answer."""
    entries = (await place.get(f"{place.sandbox_url}/sandbox/ledger"))["entries"]
    return [entry for entry in entries if entry["kind"] == "webhook"]


@pytest.mark.parametrize("role", ["web", "effects"])
def test_a_part_of_the_service_alone_needs_postgresql(place: Place, role: str) -> None:
    (line,) = place.run("serve", "--role", role).refused(MISCONFIGURED)
    assert "DATABASE_URL" in line
    assert "expected PostgreSQL" in line
    assert list(place.folder.iterdir()) == []


async def test_each_role_does_its_part_as_a_process_of_its_own(over_postgres: Place) -> None:
    place = over_postgres
    sandbox = place.sandbox()
    web = place.serve("--no-sandbox", "--role", "web")
    sid = await place.say(MARIA, "Hello")
    effects = place.start("serve", "--no-sandbox", "--role", "effects", "--port", "0")
    dump = await place.quiet(sid)
    assert dump["state"] == "awaiting_choice"
    for service in (web, effects, sandbox):
        service.signal(signal.SIGTERM)
    assert [service.ended(STOPPING_S) for service in (web, effects, sandbox)] == [0, 0, 0]

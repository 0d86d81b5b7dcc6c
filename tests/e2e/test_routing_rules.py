"""Who gets the customer: by email, the longest idle, the queue, and what is noted on the worker who was assigned."""

import asyncio
import json
import time
from typing import Any

import pytest

from orchestrator.sandbox import seeds
from orchestrator.sandbox.sandbox import Switches
from states.texts import NO_ROUTING, NO_SUCH_WORKER, PLEASE_WAIT, WELCOME
from tests.e2e.conftest import House, on_both
from tests.e2e.doors import CREDENTIALS, rest

MARIA = "+15550100001"
LAST = "lastAcceptedTaskTime"
FAR = 9_000_000_000_000


def attributes(house: House, identity: str) -> dict[str, Any]:
    worker = house.sandbox.sandbox.world.workforce.named(identity)
    assert worker is not None
    found = json.loads(worker.attributes)
    assert isinstance(found, dict)
    return found


async def assigned(house: House, identity: str, than: int = 0) -> Any:
    """Wait until the worker's time is noted, later than `than`; his attributes."""

    async def noted() -> Any:
        found = attributes(house, identity)
        return found if found.get(LAST, 0) > than else None

    return await house.until(noted)


async def ours(house: House, sid: str, body: str) -> bool:
    return ("system", body) in await house.said(sid)


async def meets(house: House, sender: str, body: str = "agent") -> str:
    """A customer writes and meets somebody; whom."""
    sid = await house.say(sender, body)
    return str((await house.state(sid, "with_worker"))["worker"]["identity"])


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "null in lists"])
@pytest.mark.parametrize("text", ["agent", "ada@example.test"])
async def test_an_assignment_sets_the_time_and_keeps_the_other_attributes(
    house: House, text: str, listed: bool
) -> None:
    house.sandbox.sandbox.switches = Switches(listed_worker_attributes=listed)
    await house.everyone_away()
    await house.worker("ada@example.test", True, skills=["tea"], contact_uri="client:ada", **{LAST: 12})
    before = time.time_ns() // 1_000_000
    assert await meets(house, MARIA, text) == "ada@example.test"
    found = await assigned(house, "ada@example.test", than=12)
    assert type(found[LAST]) is int
    assert before <= found[LAST] <= time.time_ns() // 1_000_000
    assert found | {LAST: 0} == {"skills": ["tea"], "contact_uri": "client:ada", LAST: 0}


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "null in lists"])
@pytest.mark.parametrize("text", ["agent", "ada@example.test"])
async def test_a_time_in_the_future_goes_up_by_one(house: House, text: str, listed: bool) -> None:
    house.sandbox.sandbox.switches = Switches(listed_worker_attributes=listed)
    await house.everyone_away()
    await house.worker("ada@example.test", True, **{LAST: FAR})
    await meets(house, MARIA, text)
    assert (await assigned(house, "ada@example.test", than=FAR))[LAST] == FAR + 1
    await meets(house, "+15550100002", text)
    assert (await assigned(house, "ada@example.test", than=FAR + 1))[LAST] == FAR + 2


async def test_joining_by_himself_is_no_assignment(house: House) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)
    await house.post(f"/sandbox/conversations/{sid}/join", {"identity": "ada@example.test"})
    await house.state(sid, "with_worker")
    await house.quiet(sid)
    assert LAST not in attributes(house, "ada@example.test")


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "null in lists"])
async def test_never_assigned_come_first_then_the_oldest_and_ties_go_by_identity(house: House, listed: bool) -> None:
    house.sandbox.sandbox.switches = Switches(listed_worker_attributes=listed)
    await house.everyone_away()
    for identity, at in (("dora@example.test", 300), ("bob@example.test", 200), ("carl@example.test", 200)):
        await house.worker(identity, True, **{LAST: at})
    for identity in ("zoe@example.test", "yan@example.test"):
        await house.worker(identity, True)
    met = [await meets(house, f"+1555020{n:04d}") for n in range(6)]
    names = ["yan", "zoe", "bob", "carl", "dora", "yan"]
    assert met == [f"{name}@example.test" for name in names]


async def test_an_assignment_by_email_counts_for_who_is_idle_longest(house: House) -> None:
    assert await meets(house, MARIA, "ada@example.test") == "ada@example.test"
    assert await meets(house, "+15550100002") == "grace@example.test"
    assert await meets(house, "+15550100004") == "ada@example.test"


@on_both
async def test_one_available_worker_takes_all_who_wait_oldest_first(house: House) -> None:
    await house.everyone_away()
    sids = []
    for n in range(4):
        sids.append(await house.say(f"+1555030{n:04d}", "agent"))
        await house.until(lambda: ours(house, sids[-1], PLEASE_WAIT))
    await house.worker("alan@example.test", True)
    dumps = [await house.state(sid, "with_worker", 2) for sid in sids]
    assert {dump["worker"]["identity"] for dump in dumps} == {"alan@example.test"}
    times = [next(r["event"]["at_ms"] for r in d["history"] if r["trigger"] == "worker_found") for d in dumps]
    assert times == sorted(set(times))
    assert (await assigned(house, "alan@example.test", than=times[-1] - 1))[LAST] == times[-1]


@on_both
async def test_who_waits_is_served_within_ten_seconds_without_any_event(house: House) -> None:
    house.sandbox.sandbox.world.workforce.settings.event_callback_url = ""
    await house.everyone_away()
    sid = await house.say(MARIA, "agent")
    await house.until(lambda: ours(house, sid, PLEASE_WAIT))
    await house.worker("alan@example.test", True)
    await house.state(sid, "with_worker", 10)


@on_both
async def test_who_has_waited_is_served_before_who_comes_now(house: House) -> None:
    house.sandbox.sandbox.world.workforce.settings.event_callback_url = ""
    await house.everyone_away()
    first = await house.say(MARIA, "agent")
    await house.until(lambda: ours(house, first, PLEASE_WAIT))
    await house.worker("alan@example.test", True)
    second = await house.say("+15550100002", "agent")
    found = []
    for sid in (first, second):
        dump = await house.state(sid, "with_worker", 10)
        found.append(next(r["event"]["at_ms"] for r in dump["history"] if r["trigger"] == "worker_found"))
    assert found[0] < found[1]


async def test_what_a_waiting_customer_writes_is_kept_and_not_answered(house: House) -> None:
    await house.everyone_away()
    sid = await house.say(MARIA, "agent")
    await house.until(lambda: ours(house, sid, PLEASE_WAIT))
    before = len(await house.said(sid))
    for text in ("hello?", "AGENT", "nobody@example.test"):
        await house.say(MARIA, text)
    await house.until(lambda: received(house, sid, 4))
    dump = await house.quiet(sid)
    assert dump["state"] == "routing"
    assert [author for author, _ in (await house.said(sid))[before:]] == [MARIA] * 3
    assert await house.identities(sid) == []


async def received(house: House, sid: str, count: int) -> bool:
    rows = (await house.dump(sid))["history"]
    return sum(1 for row in rows if row["trigger"] == "message_received") == count


async def test_an_address_of_a_worker_routes_even_a_waiting_customer(house: House) -> None:
    await house.everyone_away()
    sid = await house.say(MARIA, "agent")
    await house.until(lambda: ours(house, sid, PLEASE_WAIT))
    await house.say(MARIA, "then ALAN@example.test, please.")
    assert (await house.state(sid, "with_worker"))["worker"] == {"identity": "alan@example.test"}
    await assigned(house, "alan@example.test")


async def test_the_customer_is_told_once_however_often_it_is_looked_for_somebody(house: House) -> None:
    await house.everyone_away()
    sid = await house.say(MARIA, "agent")
    await house.until(lambda: ours(house, sid, PLEASE_WAIT))
    for _ in range(5):
        await house.worker("ada@example.test", False, note="still away")
        house.service.waiting_room.hint()
        await asyncio.sleep(0.1)
    bodies = [body for _author, body in await house.said(sid)]
    assert bodies.count(PLEASE_WAIT) == 1
    assert (await house.dump(sid))["state"] == "routing"


@pytest.mark.parametrize("text", ["agent", "ada@example.test"])
async def test_without_taskrouter_the_customer_is_told_and_keeps_his_choice(bare_house: House, text: str) -> None:
    await bare_house.start(TWILIO_API_URL=bare_house.sandbox.url, **CREDENTIALS)
    sid = await bare_house.say(MARIA, text)
    await bare_house.until(lambda: ours(bare_house, sid, NO_ROUTING))
    await bare_house.say(MARIA, text)
    await bare_house.until(lambda: received(bare_house, sid, 2))
    dump = await bare_house.quiet(sid)
    assert dump["state"] == "awaiting_choice"
    bodies = [body for author, body in await bare_house.said(sid) if author == "system"]
    assert bodies == [WELCOME, NO_ROUTING, NO_ROUTING]
    assert await bare_house.identities(sid) == []


async def test_an_address_of_nobody_is_asked_again_and_then_found(house: House) -> None:
    sid = await house.say(MARIA, "nobody@example.test")
    await house.until(lambda: ours(house, sid, NO_SUCH_WORKER))
    await house.worker("nobody@example.test", False)
    await house.say(MARIA, "nobody@example.test")
    assert (await house.state(sid, "with_worker"))["worker"] == {"identity": "nobody@example.test"}


async def test_a_worker_who_left_the_workspace_is_nobody(house: House) -> None:
    await house.quiet(await house.say(MARIA, "Hello"))
    workforce = house.sandbox.sandbox.world.workforce
    ada = workforce.named("ada@example.test")
    assert ada is not None
    workforce.remove(ada)
    sid = await house.say("+15550100002", "ada@example.test")
    await house.until(lambda: ours(house, sid, NO_SUCH_WORKER))
    assert await house.identities(sid) == []


@on_both
async def test_a_worker_changed_by_hand_meanwhile_keeps_what_was_changed(house: House) -> None:
    await house.everyone_away()
    await house.worker("ada@example.test", True, team="red")
    await meets(house, MARIA)
    await assigned(house, "ada@example.test")
    sid = str(house.sandbox.sandbox.world.workforce.named("ada@example.test").sid)  # type: ignore[union-attr]
    await rest_attributes(house, sid, {"team": "blue", LAST: 5})
    await meets(house, "+15550100002")
    found = await assigned(house, "ada@example.test", than=5)
    assert found["team"] == "blue"


async def rest_attributes(house: House, worker_sid: str, wanted: dict[str, Any]) -> None:
    path = f"/Workspaces/{seeds.WORKSPACE_SID}/Workers/{worker_sid}"
    await rest(house, "POST", path, Attributes=json.dumps(wanted))

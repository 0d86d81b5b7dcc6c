"""Twilio TaskRouter through the official client, against the sandbox, which behaves as Twilio documents."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from twilio.rest import Client

from orchestrator.adapters.twilio_taskrouter import TwilioTaskRouter
from orchestrator.adapters.twilio_transport import TwilioTransport
from orchestrator.errors import Ambiguous, Gone, NotProcessed, Rejected
from orchestrator.ports import Worker, Workers
from orchestrator.sandbox import seeds
from orchestrator.sandbox.faults import Faults
from orchestrator.sandbox.server import Running
from tests.clients import at_hand

NOW_MS = 1_790_000_000_000


class Interrupted(TwilioTransport):
    """A transport in which somebody else changes the worker just before our write, as often as `times` says."""

    times = 0
    other: Any = None

    async def request(self, method: str, url: str, **rest: Any) -> Any:  # type: ignore[override]
        if method == "POST" and self.times > 0:
            self.times -= 1
            await self.other(self.times)
        return await super().request(method, url, **rest)


@pytest.fixture
async def transport(sandbox: Running) -> AsyncIterator[Interrupted]:
    async with Interrupted(5.0, sandbox.url) as transport:
        yield transport


@pytest.fixture
async def twilio(sandbox: Running) -> AsyncIterator[Any]:
    """The workers as somebody else sees them."""
    async with TwilioTransport(5.0, sandbox.url) as transport:
        client = Client(seeds.ACCOUNT_SID, seeds.AUTH_TOKEN, http_client=transport)
        yield client.taskrouter.v1.workspaces(seeds.WORKSPACE_SID).workers


@pytest.fixture
def port(transport: Interrupted) -> Workers:
    client = Client(seeds.ACCOUNT_SID, seeds.AUTH_TOKEN, http_client=transport)
    return TwilioTaskRouter(at_hand(client), seeds.WORKSPACE_SID, seeds.TASK_QUEUE_SID)


async def hired(twilio: Any, identity: str = "new@example.test", attributes: object = None) -> str:
    sid: str = (
        await twilio.create_async(
            friendly_name=identity, activity_sid=seeds.AVAILABLE_SID, attributes=json.dumps(attributes or {})
        )
    ).sid
    return sid


async def attributes_of(twilio: Any, sid: str) -> Any:
    return json.loads((await twilio(sid).fetch_async()).attributes)


def writes(sandbox: Running) -> int:
    return sum(entry.method == "POST" and "/Workers/" in entry.path for entry in sandbox.sandbox.ledger.since(0))


async def test_everyone_is_listed_and_the_available_apart(port: Workers) -> None:
    everyone = await port.everyone()
    assert {(worker.identity, worker.available) for worker in everyone} == set(seeds.WORKERS)
    assert await port.available() == [worker for worker in everyone if worker.available]


async def test_the_available_are_those_of_the_configured_queue(sandbox: Running, transport: Interrupted) -> None:
    client = Client(seeds.ACCOUNT_SID, seeds.AUTH_TOKEN, http_client=transport)
    assert await TwilioTaskRouter(at_hand(client), seeds.WORKSPACE_SID, "WQ" + "0" * 32).available() == []


async def test_more_than_one_page_of_workers_is_listed_whole(sandbox: Running, port: Workers, twilio: Any) -> None:
    workforce = sandbox.sandbox.world.workforce
    for number in range(450):
        workforce.add(f"w{number}@example.test", seeds.AVAILABLE_SID, "{}")
    assert len(await port.everyone()) == 450 + len(seeds.WORKERS)
    assert len(await port.available()) == 450 + 2


async def test_attributes_are_read_from_a_list_that_shows_them(port: Workers, twilio: Any) -> None:
    sid = await hired(twilio, attributes={"lastAcceptedTaskTime": NOW_MS})
    expected = Worker(sid, "new@example.test", True, NOW_MS, True)
    assert expected in await port.everyone()
    assert await port.fetch(sid) == expected


async def test_a_list_without_attributes_says_nothing_of_them(sandbox: Running, port: Workers, twilio: Any) -> None:
    sid = await hired(twilio, attributes={"lastAcceptedTaskTime": NOW_MS})
    sandbox.sandbox.switches.listed_worker_attributes = False
    assert Worker(sid, "new@example.test", True, None, False) in await port.everyone()
    assert await port.fetch(sid) == Worker(sid, "new@example.test", True, NOW_MS, True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (NOW_MS, NOW_MS),
        (float(NOW_MS), NOW_MS),
        (NOW_MS + 0.5, None),
        (-1, None),
        (2**53, None),
        (10**400, None),
        (True, None),
        (None, None),
        ("yesterday", None),
        (str(NOW_MS), None),
        ([NOW_MS], None),
        ({}, None),
    ],
)
async def test_a_time_that_is_no_count_of_milliseconds_is_none(
    port: Workers, twilio: Any, value: object, expected: int | None
) -> None:
    sid = await hired(twilio, attributes={"lastAcceptedTaskTime": value})
    assert (await port.fetch(sid)).last_accepted_task_time == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"phone": "+15550100555", "contact_uri": "client:ada"}, "+15550100555"),
        ({"phone": "ask reception", "contact_uri": " client:ada_40example_2Etest "}, "client:ada_40example_2Etest"),
        ({"contact_uri": "sip:ada@example.test;transport=tls"}, "sip:ada@example.test;transport=tls"),
        ({"contact_uri": "tel:+15550100555"}, None),
        ({"phone": 15550100555}, None),
        ({"phone": "+1555\n0100555"}, None),
        ({"phone": None}, None),
        ({}, None),
    ],
)
async def test_where_a_worker_is_rung_is_the_first_attribute_that_can_be_dialled(
    port: Workers, twilio: Any, attributes: dict[str, object], expected: str | None
) -> None:
    sid = await hired(twilio, attributes=attributes)
    assert (await port.fetch(sid)).rings_at == expected


async def test_a_worker_who_is_not_there_is_a_refusal_and_ends_no_conversation(port: Workers) -> None:
    for call in (port.fetch("WK" + "0" * 32), port.set_last_accepted("WK" + "0" * 32, NOW_MS)):
        with pytest.raises(Rejected) as refusal:
            await call
        assert not isinstance(refusal.value, Gone)
        assert refusal.value.code == 20404


@pytest.mark.parametrize("etags", [True, False])
@pytest.mark.parametrize("before", [None, NOW_MS - 1, "yesterday", 2**60])
async def test_the_time_is_set_and_other_attributes_stay(
    sandbox: Running, port: Workers, twilio: Any, etags: bool, before: object
) -> None:
    sandbox.sandbox.switches.worker_etags = etags
    others = {"skills": ["cards"], "näme": {"a": None}, "rate": 1.5}
    sid = await hired(twilio, attributes=others | {"lastAcceptedTaskTime": before})
    await port.set_last_accepted(sid, NOW_MS)
    assert await attributes_of(twilio, sid) == others | {"lastAcceptedTaskTime": NOW_MS}


@pytest.mark.parametrize("later", [NOW_MS, NOW_MS + 1])
async def test_a_time_as_late_is_left_alone(sandbox: Running, port: Workers, twilio: Any, later: int) -> None:
    sid = await hired(twilio, attributes={"lastAcceptedTaskTime": later})
    await port.set_last_accepted(sid, NOW_MS)
    assert await attributes_of(twilio, sid) == {"lastAcceptedTaskTime": later}
    assert writes(sandbox) == 0


async def test_setting_it_twice_writes_once(sandbox: Running, port: Workers, twilio: Any) -> None:
    sid = await hired(twilio)
    await port.set_last_accepted(sid, NOW_MS)
    await port.set_last_accepted(sid, NOW_MS)
    assert writes(sandbox) == 1


@pytest.mark.parametrize("times", [1, 4])
async def test_what_somebody_else_wrote_in_between_is_kept(
    sandbox: Running, port: Workers, transport: Interrupted, twilio: Any, times: int
) -> None:
    sandbox.sandbox.switches.worker_etags = True
    sid = await hired(twilio)

    async def other(left: int) -> None:
        await twilio(sid).update_async(attributes=json.dumps({"left": left}))

    transport.times, transport.other = times, other
    await port.set_last_accepted(sid, NOW_MS)
    assert await attributes_of(twilio, sid) == {"left": 0, "lastAcceptedTaskTime": NOW_MS}


async def test_a_later_time_somebody_else_wrote_in_between_wins(
    sandbox: Running, port: Workers, transport: Interrupted, twilio: Any
) -> None:
    sandbox.sandbox.switches.worker_etags = True
    sid = await hired(twilio)

    async def other(left: int) -> None:
        await twilio(sid).update_async(attributes=json.dumps({"lastAcceptedTaskTime": NOW_MS + 5}))

    transport.times, transport.other = 1, other
    await port.set_last_accepted(sid, NOW_MS)
    assert await attributes_of(twilio, sid) == {"lastAcceptedTaskTime": NOW_MS + 5}


async def test_attributes_that_keep_changing_are_given_up_for_now(
    sandbox: Running, port: Workers, transport: Interrupted, twilio: Any
) -> None:
    sandbox.sandbox.switches.worker_etags = True
    sid = await hired(twilio)

    async def other(left: int) -> None:
        await twilio(sid).update_async(attributes=json.dumps({"left": left}))

    transport.times, transport.other = 99, other
    with pytest.raises(NotProcessed):
        await port.set_last_accepted(sid, NOW_MS)
    assert transport.times == 99 - 5


async def test_a_cut_write_is_ambiguous_and_harmless_to_repeat(sandbox: Running, port: Workers, twilio: Any) -> None:
    sid = await hired(twilio, attributes={"skills": ["cards"]})
    sandbox.sandbox.set_faults(Faults(cut_after_commit=1.0))
    with pytest.raises(Ambiguous):
        await port.set_last_accepted(sid, NOW_MS)
    sandbox.sandbox.set_faults(Faults())
    await port.set_last_accepted(sid, NOW_MS)
    assert await attributes_of(twilio, sid) == {"skills": ["cards"], "lastAcceptedTaskTime": NOW_MS}
    assert writes(sandbox) == 1


async def test_lists_in_trouble_are_in_the_same_classes(sandbox: Running, port: Workers) -> None:
    sandbox.sandbox.set_faults(Faults(errors={429: 1.0}))
    with pytest.raises(NotProcessed):
        await port.everyone()
    sandbox.sandbox.set_faults(Faults(errors={500: 1.0}))
    with pytest.raises(Ambiguous):
        await port.available()


async def test_a_worker_is_switched_to_the_activity_of_that_name(sandbox: Running, port: Workers, twilio: Any) -> None:
    sid = await hired(twilio, attributes={"skills": ["cards"]})
    for available, activity in ((False, seeds.OFFLINE_SID), (False, seeds.OFFLINE_SID), (True, seeds.AVAILABLE_SID)):
        await port.set_available(sid, available)
        assert (await twilio(sid).fetch_async()).activity_sid == activity
    assert await attributes_of(twilio, sid) == {"skills": ["cards"]}


async def test_where_none_is_called_so_the_first_activity_that_will_do_is_chosen(
    sandbox: Running, port: Workers, twilio: Any
) -> None:
    activities = sandbox.sandbox.world.workforce.activities
    offline = activities.pop(seeds.OFFLINE_SID)
    sid = await hired(twilio)
    await port.set_available(sid, False)
    assert (await twilio(sid).fetch_async()).activity_sid == seeds.UNAVAILABLE_SID
    activities[seeds.OFFLINE_SID] = offline


async def test_a_workspace_without_such_an_activity_says_so(sandbox: Running, port: Workers, twilio: Any) -> None:
    del sandbox.sandbox.world.workforce.activities[seeds.OFFLINE_SID]
    del sandbox.sandbox.world.workforce.activities[seeds.UNAVAILABLE_SID]
    with pytest.raises(Rejected, match="Offline"):
        await port.set_available(await hired(twilio), False)

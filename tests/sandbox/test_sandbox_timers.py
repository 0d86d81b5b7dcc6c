"""Timers by which conversations become inactive and are closed, on a clock that the tests move."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asking import refused
from parties import Control, Service, settled
from twilio.rest import Client

from orchestrator.sandbox.server import Running, start
from orchestrator.sandbox.world import World

BEGAN = datetime(2026, 11, 22, 10, tzinfo=UTC)
BOTH = {"timers_inactive": "PT1H", "timers_closed": "P1D"}


class Clock:
    """The time, until it is moved."""

    def __init__(self) -> None:
        self.time = BEGAN

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def sandbox(service: Service, clock: Clock) -> AsyncIterator[Running]:
    running = await start("127.0.0.1", 0, service.url, World(clock.now))
    yield running
    await running.stop()


def passes(sandbox: Running, clock: Clock, **time: float) -> None:
    clock.time += timedelta(**time)
    sandbox.sandbox.ring_timers()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"timers_inactive": "PT1H"}, 50382),
        ({"timers_inactive": "PT59S", "state": "active"}, 50375),
        ({"timers_closed": "PT9M59S", "state": "active"}, 50376),
        ({"timers_inactive": "an hour", "state": "active"}, 50379),
        ({"timers_inactive": "PT", "state": "active"}, 50379),
        ({"timers_closed": "1H", "state": "active"}, 50380),
    ],
)
async def test_a_timer_is_refused(client: Client, fields: dict[str, Any], code: int) -> None:
    assert await refused(client.conversations.v1.conversations.create_async(**fields)) == (400, code)


async def test_timers_are_shown_while_they_run(api: Any) -> None:
    made = await api.conversations.create_async(state="active", **BOTH)
    assert made.timers == {"date_inactive": "2026-11-22T11:00:00Z", "date_closed": "2026-11-23T10:00:00Z"}
    asleep = await api.conversations(made.sid).update_async(state="inactive")
    assert asleep.timers == {"date_closed": "2026-11-23T10:00:00Z"}
    changed = await api.conversations(made.sid).update_async(timers_closed="PT10M")
    assert changed.timers == {"date_closed": "2026-11-22T10:10:00Z"}
    assert (await api.conversations(made.sid).update_async(timers_closed="")).timers == {}
    assert (await api.conversations(made.sid).update_async(state="active")).timers == {
        "date_inactive": "2026-11-22T11:00:00Z"
    }


async def test_a_conversation_falls_asleep_is_stirred_and_closed(
    sandbox: Running, service: Service, client: Client, clock: Clock
) -> None:
    conversation = await client.conversations.v1.conversations.create_async(state="active", **BOTH)
    passes(sandbox, clock, minutes=59)
    await conversation.messages.create_async(body="still here")
    passes(sandbox, clock, minutes=59)
    assert (await conversation.fetch_async()).state == "active"
    passes(sandbox, clock, minutes=1)
    assert (await conversation.fetch_async()).state == "inactive"
    passes(sandbox, clock, hours=23)
    assert (await conversation.fetch_async()).state == "closed"
    passes(sandbox, clock, days=9)
    await settled(sandbox)
    told = [(heard.form["StateFrom"], heard.form["StateTo"], heard.form["Reason"]) for heard in service.heard]
    assert told == [("active", "inactive", "TIMER"), ("inactive", "closed", "TIMER")]
    assert await refused(conversation.update_async(timers_closed="PT1H")) == (400, 50377)


async def test_the_account_has_timers_for_those_without_their_own(client: Client, control: Control) -> None:
    configuration = client.conversations.v1.configuration()
    set_to = await configuration.update_async(default_inactive_timer="PT90M", default_closed_timer="P1DT1S")
    assert (set_to.default_inactive_timer, set_to.default_closed_timer) == ("PT1H30M", "P1DT1S")
    ch = (await control.inbound())["conversation_sid"]
    inherited = await client.conversations.v1.conversations(ch).fetch_async()
    assert inherited.timers == {"date_inactive": "2026-11-22T11:30:00Z", "date_closed": "2026-11-23T10:00:01Z"}
    own = await client.conversations.v1.conversations.create_async(state="active", timers_inactive="")
    assert own.timers == {"date_closed": "2026-11-23T10:00:01Z"}
    assert await refused(configuration.update_async(default_inactive_timer="PT1S")) == (400, 50375)
    assert await refused(configuration.update_async(default_chat_service_sid="IS" + "0" * 32)) == (400, 20001)
    assert await refused(configuration.update_async()) == (400, 20161)
    await control.call("POST", "/sandbox/reset")
    assert (await configuration.fetch_async()).default_inactive_timer is None


async def test_what_was_deleted_or_reset_is_not_closed(
    sandbox: Running, service: Service, control: Control, client: Client, clock: Clock
) -> None:
    for _ in range(2):
        conversation = await client.conversations.v1.conversations.create_async(state="active", **BOTH)
    await conversation.delete_async()
    await control.call("POST", "/sandbox/reset")
    passes(sandbox, clock, days=2)
    await settled(sandbox)
    assert service.heard == []


async def test_the_clock_looks_by_itself(sandbox: Running, client: Client, clock: Clock, control: Control) -> None:
    conversation = await client.conversations.v1.conversations.create_async(state="active", **BOTH)
    clock.time += timedelta(days=1)
    with sandbox.sandbox.world.changes.watched() as watch:
        await watch.get()
    assert (await conversation.fetch_async()).state == "closed"

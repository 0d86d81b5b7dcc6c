"""The service in the foreground: how it starts, how it refuses to, and how it stops when told."""

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import aiohttp
import pytest

from tests.process.conftest import Place, Running, until

MARIA = "+15550100001"
MISCONFIGURED = 78
STOPPING_S = 15.0


async def test_make_run_starts_both_and_prints_where_they_are(place: Place) -> None:
    started = time.monotonic()
    service = place.serve()
    print(f"cold start: {time.monotonic() - started:.2f} s")
    assert place.sandbox_url in service.said
    assert "AC" + "5a" * 16 in service.said
    assert await place.ready() == 200
    assert (await place.get(f"{place.sandbox_url}/sandbox/state"))["service_url"] == place.url
    dump = await place.quiet(await place.say(MARIA, "Hello"))
    assert dump["state"] == "awaiting_choice"
    assert dump["customer"]["display_name"] == "Maria Sanchez"
    refused = place.run("serve", "--no-sandbox", "--port", "0")
    (line,) = refused.refused(MISCONFIGURED)
    assert "another expert-hub serves" in line
    assert "hub.db" in line
    (line,) = place.run("serve").refused(MISCONFIGURED)
    assert "SANDBOX_PORT" in line
    assert await place.ready() == 200
    service.signal(signal.SIGINT)
    assert service.ended(STOPPING_S) == 0
    assert "Traceback" not in service.log.read_text()


async def test_with_twilio_credentials_the_service_runs_alone(place: Place) -> None:
    credentials = {"TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "TWILIO_AUTH_TOKEN": "0" * 32}
    with socket.create_server(("127.0.0.1", place.sandbox_port)):
        service = place.serve(**credentials, TWILIO_API_URL=place.sandbox_url)
        assert await place.ready() == 200
    assert place.sandbox_url not in service.said
    service.signal(signal.SIGTERM)
    assert service.ended(STOPPING_S) == 0


async def test_options_go_before_settings_and_port_0_is_any(place: Place) -> None:
    service = place.start("serve", "--host", "localhost", "--port", "0", "--sandbox", SANDBOX_PORT="0")
    phone = service.wait_for("The sandbox").split()[-1]
    place.url = service.wait_for("listens").split()[3]
    assert place.url.startswith("http://localhost:")
    assert f"{place.url}/app, supervisors at {place.url}/console" in service.said
    place.sandbox_url = phone
    assert (await place.quiet(await place.say(MARIA, "Hello")))["state"] == "awaiting_choice"


async def stops_in_order(place: Place, service: Running, number: int) -> float:
    """Signal the service; it says so at once, and ends well. Seconds until it has ended."""
    told = time.monotonic()
    service.signal(number)
    answers = [await place.ready() async for _ in ticks(0.4)]
    ended = await asyncio.to_thread(service.ended, STOPPING_S)
    took = time.monotonic() - told
    assert ended == 0
    assert 503 in answers
    assert answers[answers.index(503) :].count(200) == 0
    assert answers.index(503) <= 2
    assert took < STOPPING_S
    assert "Traceback" not in service.log.read_text()
    return took


async def ticks(seconds: float) -> AsyncIterator[None]:
    """Every 40 ms for some time."""
    until_then = time.monotonic() + seconds
    while time.monotonic() < until_then:
        yield
        await asyncio.sleep(0.04)


@asynccontextmanager
async def customers_texting(place: Place, how_many: int) -> AsyncIterator[None]:
    """Customers who write one message after another, whoever listens."""

    async def texts(number: int) -> None:
        for n in count(1):
            await place.say(f"+1555010{number:04d}", f"message {n}")

    tasks = [asyncio.create_task(texts(number)) for number in range(how_many)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def acknowledged(place: Place) -> set[tuple[str, str]]:
    """Conversation and message of each `onMessageAdded` the service answered 200."""
    entries = (await place.get(f"{place.sandbox_url}/sandbox/ledger"))["entries"]
    forms = [e["form"] for e in entries if e["kind"] == "webhook" and e["status"] == 200]
    return {(f["ConversationSid"], f["MessageSid"]) for f in forms if f.get("EventType") == "onMessageAdded"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
async def test_told_to_stop_in_the_middle_of_things_nothing_acknowledged_is_lost(place: Place, number: int) -> None:
    sandbox = place.sandbox()
    service = place.serve("--no-sandbox")
    async with customers_texting(place, 6):
        await until(lambda: many(place, 30))
        await stops_in_order(place, service, number)
    taken = await acknowledged(place)
    sandbox.signal(signal.SIGTERM)
    assert sandbox.ended(STOPPING_S) == 0
    # Without the sandbox nothing can be looked up: what is known now was kept.
    place.serve("--no-sandbox")
    known = {(sid, message) for sid in {sid for sid, _ in taken} for message in messages_of(await place.dump(sid))}
    assert taken - known == set()


async def many(place: Place, messages: int) -> bool:
    return len(await acknowledged(place)) >= messages


def messages_of(dump: Any) -> list[str]:
    """The messages a dump knows of: decided upon, of our own sending, or waiting to be decided."""
    decided = [row["event"].get("message_sid") for row in dump["history"]]
    sent = [effect["result_sid"] for effect in dump["effects"]]
    waiting = [row["key"].split("/")[1] for row in dump["undecided"]]
    return [sid for sid in decided + sent + waiting if sid]


async def test_a_call_that_hangs_delays_the_end_and_is_taken_up_by_the_next_start(place: Place) -> None:
    place.sandbox()
    service = place.serve("--no-sandbox", EFFECT_TIMEOUT_S="30")
    await place.control("/sandbox/faults", {"latency_ms": 60_000}, "PUT")
    sid = await place.say(MARIA, "Hello")
    await until(lambda: sending(place, sid))
    print(f"stopped within {await stops_in_order(place, service, signal.SIGTERM):.1f} s")
    await place.control("/sandbox/faults", {}, "PUT")
    place.serve("--no-sandbox")
    dump = await place.quiet(sid)
    assert dump["state"] == "awaiting_choice"
    messages = (await place.get(f"{place.sandbox_url}/sandbox/conversations/{sid}"))["messages"]
    assert [message["author"] for message in messages] == [MARIA, "system", "system"]


async def sending(place: Place, sid: str) -> bool:
    dump = await place.dump(sid)
    return bool(dump) and any(e["kind"] == "send_message" and e["status"] == "running" for e in dump["effects"])


async def test_the_second_signal_ends_at_once(place: Place) -> None:
    service = place.serve(EFFECT_TIMEOUT_S="30")
    await place.control("/sandbox/faults", {"latency_ms": 60_000}, "PUT")
    sid = await place.say(MARIA, "Hello")
    await until(lambda: sending(place, sid))
    service.signal(signal.SIGINT)
    await until(lambda: stopping(place))
    told = time.monotonic()
    service.signal(signal.SIGINT)
    assert service.ended(2) == 130
    assert time.monotonic() - told < 1


async def stopping(place: Place) -> bool:
    return await place.ready() == 503


async def test_the_sandbox_alone_stops_when_told_while_a_page_is_watching(place: Place) -> None:
    sandbox = place.sandbox()
    assert f"webhooks go to {place.url}" in sandbox.wait_for("webhooks")
    async with place.session.get(f"{place.sandbox_url}/sandbox/events") as stream:
        assert stream.status in (200, 404)
        sandbox.signal(signal.SIGTERM)
        assert await asyncio.to_thread(sandbox.ended, STOPPING_S) == 0
    with pytest.raises(aiohttp.ClientError):
        await place.get(f"{place.sandbox_url}/sandbox/state")

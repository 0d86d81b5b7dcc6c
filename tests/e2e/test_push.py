"""Ringing a worker whose app is closed: a real push service on loopback, and a browser's own keys to read by."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import http_ece
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02

from orchestrator.pages.live import STREAMS
from orchestrator.phone.push import PUSH, PublicHosts
from storage import subscriptions
from tests.e2e.conftest import House
from tests.e2e.doors import serving
from tests.visitors import Answer, Visitor, visiting

ADA, GRACE = "ada@example.test", "grace@example.test"
MARIA = "+15550100001"
AUTH = bytes(range(16))


class AnyHost:
    """Lets a test's push service be called."""

    async def may_call(self, _endpoint: str) -> bool:
        return True

    def connector(self) -> aiohttp.BaseConnector:
        return aiohttp.TCPConnector()


@dataclass
class PushService:
    """What was pushed, as the browser with these keys reads it."""

    url: str = ""
    status: int = 201
    rings: "asyncio.Queue[tuple[dict[str, str], Any]]" = field(default_factory=asyncio.Queue)
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def subscription(self) -> dict[str, Any]:
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"endpoint": f"{self.url}/push/1", "keys": {"p256dh": _url64(point), "auth": _url64(AUTH)}}

    async def take(self, request: web.Request) -> web.Response:
        body = http_ece.decrypt(await request.read(), private_key=self.key, auth_secret=AUTH, version="aes128gcm")
        self.rings.put_nowait((dict(request.headers), json.loads(body)))
        return web.Response(status=self.status)

    async def ring(self) -> tuple[dict[str, str], Any]:
        return await asyncio.wait_for(self.rings.get(), 10)


def _url64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.fixture
async def push() -> AsyncIterator[PushService]:
    service = PushService()
    async with serving(service.take) as url:
        service.url = url
        yield service


@pytest.fixture
async def grace(house: House) -> AsyncIterator[Visitor]:
    house.app[PUSH].hosts = AnyHost()
    async with visiting(house.url) as visitor:
        await visitor.tap(GRACE)
        yield visitor


async def tell(visitor: Visitor, path: str, body: object) -> Answer:
    """Post JSON as the app's script does."""
    headers = {"X-CSRF-Token": visitor.csrf, "Origin": visitor.url, "X-Fragment": "post"}
    url = f"{visitor.url}/app/push/{path}"
    async with visitor.session.post(url, json=body, headers=headers) as response:
        return Answer(response.status, await response.text(), response.headers)


async def subscribed(house: House) -> list[str]:
    """Where anybody is rung."""
    found = await house.service.reader.read(lambda connection: subscriptions.of(connection, range(20)))
    return [one.endpoint for one in found]


async def joined(house: House) -> str:
    sid = await house.say(MARIA, f"{GRACE} please, I am Maria and this is secret")
    await house.state(sid, "with_worker")
    return sid


@asynccontextmanager
async def watching(visitor: Visitor) -> AsyncIterator[None]:
    """A page of hers is open."""
    async with visitor.session.get(f"{visitor.url}/app/events") as stream:
        await stream.content.readuntil(b"\r\n\r\n")
        yield


async def test_a_worker_whose_app_is_closed_is_rung_without_a_word_of_whom(
    house: House, grace: Visitor, push: PushService
) -> None:
    assert (await tell(grace, "subscribe", push.subscription())).status == 200
    sid = await joined(house)
    headers, told = await push.ring()
    assert told == {"text": "A customer is waiting", "tag": sid}
    assert (headers["Urgency"], headers["Topic"]) == ("high", sid[-32:])
    key = json.loads((await grace.get("/app/push/key")).text)["key"]
    assert headers["Authorization"].endswith(f"k={key}")
    assert Vapid02.verify(headers["Authorization"])
    await house.say(MARIA, "Hello?")
    assert (await push.ring())[1]["tag"] == sid
    assert push.rings.empty()


async def test_a_missed_call_rings_as_a_message_does_and_an_answered_one_does_not(
    house: House, grace: Visitor, push: PushService
) -> None:
    await house.worker(GRACE, True, phone="+15550100666")
    sid = await joined(house)
    await house.quiet(sid)
    await grace.get(f"/app/c/{sid}")
    await tell(grace, "subscribe", push.subscription())
    heard = {"from": MARIA, "digits": ["1"], "dial": "completed", "duration": 60}
    await house.post("/sandbox/call", heard)

    async def is_told() -> bool:
        return any(row["trigger"] == "call_ended" for row in (await house.dump(sid))["history"])

    await house.until(is_told)
    await house.post("/sandbox/call", {"from": MARIA, "digits": ["2"]})
    assert (await push.ring())[1] == {"text": "A customer is waiting", "tag": sid}
    assert push.rings.empty()


async def test_a_worker_whom_a_missed_call_brings_in_is_rung(house: House, grace: Visitor, push: PushService) -> None:
    await house.worker(GRACE, True, phone="+15550100666")
    first = await joined(house)
    await house.quiet(first)
    await grace.post(f"/app/c/{first}/close", token="token-0001")
    await house.state(first, "closed")
    await tell(grace, "subscribe", push.subscription())
    await house.post("/sandbox/call", {"from": MARIA, "digits": ["1"], "dial": "no-answer"})
    sid = (await push.ring())[1]["tag"]
    assert sid != first
    (row,) = json.loads((await grace.get("/app.json")).text)["conversations"]
    assert (row["sid"], row["unread"]) == (sid, 1)


async def test_who_has_a_page_open_is_not_rung(house: House, grace: Visitor, push: PushService) -> None:
    await tell(grace, "subscribe", push.subscription())
    async with watching(grace):
        sid = await joined(house)
        await house.quiet(sid)

    async def nobody_watches() -> bool:
        return not any(house.app[STREAMS].is_watching(number, "") for number in range(20))

    await house.until(nobody_watches)
    await house.say(MARIA, "Are you there?")
    await push.ring()
    assert push.rings.empty()


@pytest.mark.parametrize("status", [404, 410])
async def test_a_browser_that_is_gone_is_forgotten(
    house: House, grace: Visitor, push: PushService, status: int
) -> None:
    await tell(grace, "subscribe", push.subscription())
    push.status = status
    await joined(house)
    await push.ring()

    async def is_forgotten() -> bool:
        return await subscribed(house) == []

    await house.until(is_forgotten)


async def test_a_push_service_that_fails_holds_nothing_up(house: House, grace: Visitor, push: PushService) -> None:
    dead = push.subscription() | {"endpoint": "http://127.0.0.1:1/push"}
    await tell(grace, "subscribe", dead)
    await tell(grace, "subscribe", push.subscription())
    push.status = 500
    sid = await joined(house)
    await push.ring()
    await house.quiet(sid)
    assert len(await subscribed(house)) == 2


async def test_a_subscription_is_taken_back_by_its_owner_alone(house: House, grace: Visitor, push: PushService) -> None:
    where = push.subscription()
    await tell(grace, "subscribe", where)
    async with visiting(house.url) as ada:
        await ada.tap(ADA)
        await tell(ada, "unsubscribe", where)
        assert await subscribed(house) == [where["endpoint"]]
    await tell(grace, "unsubscribe", where)
    assert await subscribed(house) == []


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"endpoint": "https://push.example.test/1"},
        {"endpoint": "https://push.example.test/1", "keys": {"p256dh": 1, "auth": "x"}},
        {"endpoint": "https://push.example.test/\n", "keys": {"p256dh": "x", "auth": "x"}},
        {"endpoint": "x" * 3000, "keys": {"p256dh": "x", "auth": "x"}},
        {"endpoint": "https://push.example.test/1", "keys": {"p256dh": "x" * 9000, "auth": "x"}},
    ],
)
async def test_what_is_no_subscription_is_refused(house: House, grace: Visitor, body: object) -> None:
    assert (await tell(grace, "subscribe", body)).status == 422
    assert await subscribed(house) == []


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://push.example.test/1",
        "https://127.0.0.1/1",
        "https://[::1]/1",
        "https://169.254.169.254/latest/meta-data",
        "https://8.8.8.8/1",
        "https://localhost/1",
        "https://localhost.localdomain/1",
        "https://intranet/1",
        "https://user@push.example.test/1",
        "https://push.example.test:8443/1",
        "https://0x7f.1/1",
        "https://2130706433/1",
        "https://[/1",
        "ftp://push.example.test/1",
        "",
    ],
)
async def test_only_a_public_push_service_may_be_called(endpoint: str) -> None:
    assert await PublicHosts().may_call(endpoint) is False


async def test_the_key_is_made_once(house: House, grace: Visitor) -> None:
    first = json.loads((await grace.get("/app/push/key")).text)["key"]
    await house.stop()
    await house.start()
    assert json.loads((await grace.get("/app/push/key")).text)["key"] == first


async def test_a_person_has_so_many_browsers_and_no_more(house: House, grace: Visitor, push: PushService) -> None:
    for number in range(subscriptions.EACH_MAX + 2):
        await tell(grace, "subscribe", push.subscription() | {"endpoint": f"{push.url}/push/{number}"})
    assert len(await subscribed(house)) == subscriptions.EACH_MAX

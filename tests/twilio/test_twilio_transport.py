"""The transport sends the official client's calls where it should, once, in time, and says how they failed."""

import asyncio
import base64
import logging
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer
from twilio.rest import Client

from orchestrator.adapters.outcomes import AnswerTooLong, calling, json_object
from orchestrator.adapters.twilio_transport import ANSWER_MAX_BYTES, TwilioTransport
from orchestrator.errors import Ambiguous, NotProcessed, NotSent

ACCOUNT, TOKEN = "AC" + "0" * 32, "a-secret-token"


class Recorder:
    """A server that answers each request with what `answer` makes of it, and keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.bodies: list[str] = []
        self.peers: set[object] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.text())
        self.peers.add(request.transport and request.transport.get_extra_info("peername"))
        return await self.answer(request)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"sid": "x", "path": request.raw_path}, status=int(request.query.get("status", 200)))


@pytest.fixture
async def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def origin(recorder: Recorder) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", recorder.handle)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


@pytest.fixture
async def transport(origin: str) -> AsyncIterator[TwilioTransport]:
    async with TwilioTransport(2.0, origin) as transport:
        yield transport


@pytest.fixture
def client(transport: TwilioTransport) -> Client:
    return Client(ACCOUNT, TOKEN, http_client=transport)


async def test_scheme_and_host_are_replaced_while_path_and_query_stay(
    transport: TwilioTransport, recorder: Recorder
) -> None:
    await transport.request(
        "GET", "https://conversations.twilio.com/v1/P/a%2Fb%3Fc?Address=%2B15550100001&PageToken=PT%25"
    )
    await transport.request(
        "GET", "https://taskrouter.twilio.com:8443/v1/W", params={"Address": "+1 5", "PageSize": 50}
    )
    assert [request.raw_path for request in recorder.requests] == [
        "/v1/P/a%2Fb%3Fc?Address=%2B15550100001&PageToken=PT%25",
        "/v1/W?Address=%2B1+5&PageSize=50",
    ]


async def test_the_next_page_is_asked_of_the_configured_host_whatever_host_the_answer_names(
    client: Client, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(request: web.Request) -> web.Response:
        last = request.query.get("PageToken") == "two"
        following = None if last else "https://foreign.example.test/v1/Conversations?PageToken=two"
        return web.json_response({"conversations": [], "meta": {"key": "conversations", "next_page_url": following}})

    monkeypatch.setattr(recorder, "answer", answer)
    await client.conversations.v1.conversations.list_async(page_size=2)
    assert [request.raw_path for request in recorder.requests] == [
        "/v1/Conversations?PageSize=2",
        "/v1/Conversations?PageToken=two",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "https://foreign.example.test/v1/Conversations",
        "https://conversations.twilio.com@foreign.example.test/",
        "https://nottwilio.com/",
        "https://twilio.com.example.test/",
        "http://conversations.twilio.com/v1/Conversations",
        "/v1/Conversations",
    ],
)
async def test_without_an_api_url_credentials_follow_a_page_to_twilio_alone(url: str) -> None:
    async with TwilioTransport(2.0) as transport:
        with pytest.raises(Ambiguous, match="not Twilio's"):
            await transport.request("GET", url, auth=(ACCOUNT, TOKEN))


class NoNetwork(AbstractResolver):
    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        raise OSError(f"{host}:{port} is not looked up here, in no family ({family})")

    async def close(self) -> None:
        pass


async def test_without_an_api_url_calls_go_to_twilio() -> None:
    async with TwilioTransport(2.0) as transport:
        await transport.session.close()
        transport.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=NoNetwork()))
        with pytest.raises(aiohttp.ClientConnectorDNSError) as failure:
            await transport.request("GET", "https://conversations.twilio.com/v1/Conversations")
        assert (failure.value.host, failure.value.port) == ("conversations.twilio.com", 443)


@pytest.mark.filterwarnings("error")
async def test_a_call_carries_the_clients_headers_and_basic_credentials(client: Client, recorder: Recorder) -> None:
    await client.conversations.v1.conversations("CH1").update_async(friendly_name="Zoë & Co")
    headers = recorder.requests[0].headers
    assert headers["Authorization"] == "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    assert headers["User-Agent"].startswith("twilio-python/")
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert recorder.bodies == ["FriendlyName=Zo%C3%AB+%26+Co"]


async def test_a_list_is_sent_as_repeated_keys_and_half_a_surrogate_pair_breaks_nothing(
    transport: TwilioTransport, recorder: Recorder
) -> None:
    await transport.request("POST", "https://x.twilio.com/", data={"F": ["a", "b"], "Body": "x\ud83d"})
    assert recorder.bodies == ["F=a&F=b&Body=x%3F"]


async def test_calls_share_one_session_and_its_connection(transport: TwilioTransport, recorder: Recorder) -> None:
    for _ in range(5):
        await transport.request("GET", "https://x.twilio.com/")
    assert len(recorder.peers) == 1


async def test_each_call_gets_its_own_retry_after(
    transport: TwilioTransport, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone_here = asyncio.Barrier(5)

    async def answer(request: web.Request) -> web.Response:
        await everyone_here.wait()
        return web.json_response({"code": 20429}, status=429, headers={"Retry-After": request.query["n"]})

    async def retry_after(n: int) -> float | None:
        with pytest.raises(NotProcessed) as refusal, calling():
            await transport.request("POST", f"https://x.twilio.com/?n={n}")
        return refusal.value.retry_after_s

    monkeypatch.setattr(recorder, "answer", answer)
    assert await asyncio.gather(*map(retry_after, range(5))) == [0, 1, 2, 3, 4]


async def test_a_call_ends_at_its_deadline(origin: str, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    released = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        await released.wait()
        return web.Response()

    monkeypatch.setattr(recorder, "answer", answer)
    async with TwilioTransport(0.3, origin) as transport:
        started = time.monotonic()
        with pytest.raises(Ambiguous, match="TimeoutError"), calling():
            await transport.request("POST", "https://x.twilio.com/")
        assert 0.25 < time.monotonic() - started < 1
    released.set()
    assert len(recorder.requests) == 1


async def test_a_cancelled_call_is_cancelled(
    transport: TwilioTransport, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived, released = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        arrived.set()
        await released.wait()
        return web.Response()

    async def call() -> None:
        with calling():
            await transport.request("POST", "https://x.twilio.com/")

    monkeypatch.setattr(recorder, "answer", answer)
    task = asyncio.create_task(call())
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    released.set()


async def test_no_more_than_the_limit_is_read_of_an_answer(
    transport: TwilioTransport, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=b" " * int(request.query["size"]))

    monkeypatch.setattr(recorder, "answer", answer)
    whole = await transport.request("GET", f"https://x.twilio.com/?size={ANSWER_MAX_BYTES}")
    assert len(whole.text) == ANSWER_MAX_BYTES
    with pytest.raises(AnswerTooLong):
        await transport.request("GET", f"https://x.twilio.com/?size={ANSWER_MAX_BYTES + 1}")


async def test_redirects_are_not_followed(
    transport: TwilioTransport, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect("/elsewhere")

    monkeypatch.setattr(recorder, "answer", answer)
    with pytest.raises(Ambiguous, match="307"):
        await transport.request("GET", "https://x.twilio.com/")
    assert len(recorder.requests) == 1


async def test_nothing_confidential_is_logged(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    for logger in ("", "twilio", "twilio.async_http_client", "aiohttp.client"):
        caplog.set_level(logging.DEBUG, logger)
    await client.conversations.v1.conversations("CH1").messages.create_async(body="a very private text")
    await client.conversations.v1.users("+15550100001").fetch_async()
    logged = " ".join(record.getMessage() for record in caplog.records if record.name != "aiohttp.access")
    for secret in (TOKEN, "private", "15550100001", base64.b64encode(TOKEN.encode()).decode()):
        assert secret not in logged


@pytest.mark.parametrize("text", [None, "", "x", "[]", '"x"', "7", "null", "[" * 100_000])
def test_attributes_that_are_no_object_count_as_an_empty_one(text: str | None) -> None:
    assert json_object(text) == {}


def test_attributes_that_are_an_object_are_that_object() -> None:
    assert json_object('{"a": [1, {"b": null}]}') == {"a": [1, {"b": None}]}


async def test_a_call_that_is_not_ours_any_more_once_connected_is_not_sent(
    transport: TwilioTransport, recorder: Recorder, origin: str
) -> None:
    """A process may be frozen for longer than its lease while it connects."""
    answers = iter([True, False])
    transport.hold.may_call = lambda: next(answers)
    with pytest.raises(NotSent, match="lease"):
        await transport.request("POST", origin, data={"Body": "Hello"})
    assert recorder.requests == []
    transport.hold.may_call = lambda: True
    await transport.request("POST", origin, data={"Body": "Hello"})
    assert recorder.bodies == ["Body=Hello"]

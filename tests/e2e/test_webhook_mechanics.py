"""The routes Twilio calls, to the letter: what is refused, in which order, and what is answered when the store is not
there."""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import Any

import pytest

from orchestrator.bodies import split_form
from orchestrator.sandbox import seeds
from tests.e2e.answers import MARIA
from tests.e2e.conftest import House
from tests.e2e.doors import CREDENTIALS, PROXY, knock, locked, read, rows, signature

FORM = "application/x-www-form-urlencoded"


def sid(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


CH, IM, MB = sid("CH"), sid("IM"), sid("MB")
MESSAGE = {
    "EventType": "onMessageAdded",
    "ConversationSid": CH,
    "MessageSid": IM,
    "Index": "0",
    "Author": MARIA,
    "Body": "Hello",
    "ParticipantSid": MB,
}
GOOD = {
    "/pre-event": {"EventType": "onMessageAdd", "ConversationSid": CH, "Author": MARIA, "Body": "Hello"},
    "/post-event": MESSAGE,
    "/routing": {"ConversationSid": CH},
    "/taskrouter-event": {"EventType": "worker.activity.update"},
    "/crm": {"Location": "GetCustomersList", "Worker": "ada@example.test"},
    "/outbound": {
        "Location": "GetProxyAddress",
        "Worker": "ada@example.test",
        "CustomerId": "1",
        "ChannelType": "sms",
        "ChannelValue": MARIA,
    },
    "/templates": {"Location": "GetTemplatesByCustomerId", "Worker": "ada@example.test", "CustomerId": "1"},
}
ROUTES = list(GOOD)


@pytest.mark.parametrize("path", ROUTES)
async def test_a_good_request_is_taken(house: House, path: str) -> None:
    reply = await knock(house, path, GOOD[path])
    assert reply.status == (204 if path == "/taskrouter-event" else 200)
    if path == "/pre-event":
        assert reply.json == {}


@pytest.mark.parametrize("path", ROUTES)
async def test_another_accounts_sid_is_403_and_none_or_an_empty_one_is_fine(house: House, path: str) -> None:
    before = rows(house)
    assert (await knock(house, path, GOOD[path] | {"AccountSid": sid("AC")})).status == 403
    assert (await knock(house, path, GOOD[path] | {"AccountSid": "AC1"})).status == 403
    assert rows(house) == before
    assert (await knock(house, path, GOOD[path] | {"AccountSid": ""})).status < 300
    assert (await knock(house, path, GOOD[path] | {"AccountSid": seeds.ACCOUNT_SID})).status < 300


@pytest.mark.parametrize("path", ROUTES)
async def test_a_wrong_or_missing_signature_is_403_and_leaves_nothing(house: House, path: str) -> None:
    before = rows(house)
    good = signature(house.url + path, GOOD[path])
    altered = ("B" if good[0] == "A" else "A") + good[1:]
    for given in (None, "", "x", altered, good[:-1], "é" * 9):
        headers = {} if given is None else {"X-Twilio-Signature": given}
        async with house.session.post(house.url + path, data=GOOD[path], headers=headers) as response:
            assert response.status == 403, given
    assert (await knock(house, path, GOOD[path], token="0" * 32)).status == 403
    signed_elsewhere = signature(f"{house.url}/elsewhere", GOOD[path])
    assert (await knock(house, path, GOOD[path], **{"X-Twilio-Signature": signed_elsewhere})).status == 403
    assert rows(house) == before


@pytest.mark.parametrize("path", ROUTES)
async def test_the_host_header_and_forwarded_ones_have_no_say(house: House, path: str) -> None:
    forged = {"Host": "evil.example.test", "X-Forwarded-Host": "evil.example.test", "X-Forwarded-Proto": "https"}
    assert (await knock(house, path, GOOD[path], **forged)).status < 300


@pytest.mark.parametrize("path", ROUTES)
async def test_a_big_body_is_413_before_anything_else_is_looked_at(house: House, path: str) -> None:
    before = rows(house)
    big = "Body=" + "x" * 256 * 1024
    async with house.session.post(house.url + path, data=big, headers={"Content-Type": FORM}) as response:
        assert response.status == 413
    full = GOOD[path] | {"Filler": "x" * (256 * 1024 - 2048)}
    assert (await knock(house, path, full)).status < 300
    if path not in ("/pre-event", "/post-event", "/routing"):
        assert rows(house) == before


async def test_a_big_body_without_a_length_is_413(house: House) -> None:
    async def chunks() -> Any:
        for _ in range(30):
            yield b"x" * 10_000

    async with house.session.post(house.url + "/post-event", data=chunks(), headers={"Content-Type": FORM}) as answer:
        assert answer.status == 413


async def test_a_slow_body_is_408_signed_or_not(house: House) -> None:
    before = rows(house)
    for line, seconds in await asyncio.gather(*(drip(house, path) for path in ROUTES)):
        assert b" 408 " in line
        assert 2.5 < seconds < 4.5
    assert rows(house) == before


async def drip(house: House, path: str) -> tuple[bytes, float]:
    """Begin a body and never end it; the status line, and how many seconds it took."""
    host, port = house.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    started = time.monotonic()
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: 50\r\n\r\nA=".encode())
    line = await asyncio.wait_for(reader.readline(), 6)
    writer.close()
    await writer.wait_closed()
    return line, time.monotonic() - started


@pytest.mark.parametrize("path", ["/pre-event", "/post-event"])
async def test_a_get_is_not_a_webhook(house: House, path: str) -> None:
    async with house.session.get(house.url + path) as response:
        assert response.status == 405


BAD = [
    ("/pre-event", {}),
    ("/pre-event", {"EventType": ""}),
    ("/pre-event", GOOD["/pre-event"] | {"ConversationSid": ""}),
    ("/pre-event", GOOD["/pre-event"] | {"ConversationSid": "CH1"}),
    ("/pre-event", GOOD["/pre-event"] | {"ConversationSid": CH[:-1] + "g"}),
    ("/pre-event", GOOD["/pre-event"] | {"ConversationSid": CH + "0"}),
    ("/pre-event", GOOD["/pre-event"] | {"ConversationSid": "1" + CH[1:]}),
    ("/pre-event", GOOD["/pre-event"] | {"ConversationSid": CH + "\n"}),
    ("/pre-event", GOOD["/pre-event"] | {"Author": ""}),
    ("/pre-event", GOOD["/pre-event"] | {"ChatServiceSid": "nonsense"}),
    ("/post-event", {}),
    *(("/post-event", MESSAGE | {name: ""}) for name in ("ConversationSid", "MessageSid", "Index", "Author")),
    *(("/post-event", MESSAGE | {name: "XX"}) for name in ("ConversationSid", "MessageSid", "Index", "ParticipantSid")),
    ("/post-event", MESSAGE | {"Index": "-1"}),
    ("/post-event", MESSAGE | {"Index": "1.5"}),
    ("/post-event", MESSAGE | {"Index": "9" * 400}),
    ("/post-event", MESSAGE | {"Index": "٣"}),
    ("/post-event", {"EventType": "onParticipantAdded", "ConversationSid": CH, "Identity": "a"}),
    ("/post-event", {"EventType": "onParticipantAdded", "ParticipantSid": MB, "Identity": "a"}),
    ("/post-event", {"EventType": "onParticipantRemoved", "ConversationSid": CH}),
    ("/post-event", {"EventType": "onConversationAdded"}),
    ("/post-event", {"EventType": "onConversationRemoved", "ConversationSid": "CHx"}),
    ("/post-event", {"EventType": "onConversationStateUpdated", "ConversationSid": CH}),
    ("/post-event", {"EventType": "onConversationStateUpdated", "StateTo": "closed"}),
    ("/post-event", {"EventType": "onDeliveryUpdated", "MessageSid": IM, "Status": "sent"}),
    ("/routing", {"EventType": "x"}),
    ("/routing", {"ConversationSid": "x"}),
    ("/taskrouter-event", {"Sid": "EV1"}),
    ("/crm", {"Worker": "ada@example.test"}),
    ("/crm", {"Location": "GetCustomersList"}),
    ("/crm", {"Location": "GetCustomerDetailsByCustomerId", "Worker": "ada@example.test"}),
    ("/outbound", GOOD["/outbound"] | {"ChannelValue": ""}),
    ("/outbound", GOOD["/outbound"] | {"CustomerId": ""}),
    ("/templates", GOOD["/templates"] | {"CustomerId": ""}),
]


async def test_what_lacks_something_or_is_malformed_is_400_and_leaves_nothing(house: House) -> None:
    before = rows(house)
    for path, form in BAD:
        assert (await knock(house, path, form)).status == 400, (path, form)
        async with house.session.post(house.url + path, data=form) as unsigned:
            assert unsigned.status == 403, (path, form)
    assert rows(house) == before


@pytest.mark.parametrize("body", [b"A=%zz", b"&" * 2000], ids=["escape", "fields"])
async def test_a_body_that_cannot_be_parsed_is_400_when_signed_and_403_when_not(house: House, body: bytes) -> None:
    before = rows(house)
    fields = split_form(body).covered
    for path in ROUTES:
        url = house.url + path
        digest = hmac.digest(seeds.AUTH_TOKEN.encode(), url.encode() + fields, "sha1")
        for given, status in ((base64.b64encode(digest).decode(), 400), ("x", 403)):
            headers = {"Content-Type": FORM, "X-Twilio-Signature": given}
            async with house.session.post(url, data=body, headers=headers) as response:
                assert response.status == status, path
    assert rows(house) == before


FINE: list[tuple[str, dict[str, str]]] = [
    ("/pre-event", {"EventType": "onSomethingNew", "ConversationSid": "whatever"}),
    ("/pre-event", GOOD["/pre-event"] | {"Novel": "x", "ParticipantSid": "unused", "MessageSid": "unused"}),
    ("/pre-event", {"EventType": "onConversationAdd"}),
    ("/pre-event", {"EventType": "onConversationAdd", "MessagingBinding.Address": MARIA}),
    ("/post-event", {"EventType": "onSomethingNew", "ConversationSid": "whatever"}),
    ("/post-event", {"EventType": "onUserAdded"}),
    ("/post-event", MESSAGE | {"Novel": "x", "RoleSid": "unused", "MessagingServiceSid": "unused"}),
    ("/post-event", MESSAGE | {"Novel": "a\0b"}),
    ("/post-event", MESSAGE | {"Body": "", "Media": '[{"Sid": "ME1"}]'}),
    ("/post-event", MESSAGE | {"Media": "not JSON"}),
    ("/post-event", MESSAGE | {"ParticipantSid": "", "ChatServiceSid": ""}),
    ("/routing", {"ConversationSid": CH, "Novel": "x"}),
    ("/taskrouter-event", {"EventType": "task.created", "WorkerSid": "unused"}),
]


async def test_unknown_fields_and_types_and_empty_values_are_fine(house: House) -> None:
    for path, form in FINE:
        assert (await knock(house, path, form)).status < 300, (path, form)


async def post_json(house: House, path: str, body: bytes, claimed: bytes | None = None) -> int:
    digest = hashlib.sha256(body if claimed is None else claimed).hexdigest()
    target = f"{path}?bodySHA256={digest}"
    headers = {"Content-Type": "application/json", "X-Twilio-Signature": signature(house.url + target, {})}
    async with house.session.post(house.url + target, data=body, headers=headers) as response:
        return (await read(response)).status


async def test_json_is_signed_by_its_hash(house: House) -> None:
    body = json.dumps(MESSAGE | {"Index": 0}).encode()
    before = rows(house)
    assert await post_json(house, "/post-event", body, claimed=b"other") == 403
    assert await post_json(house, "/post-event", b"[1]") == 400
    assert await post_json(house, "/post-event", b"{") == 400
    assert await post_json(house, "/post-event", b"{}") == 400
    assert await post_json(house, "/post-event", json.dumps({**MESSAGE, "AccountSid": sid("AC")}).encode()) == 403
    assert rows(house) == before
    assert await post_json(house, "/post-event", body) == 200
    assert rows(house)["inbox"] == before["inbox"] + 1


async def test_both_tokens_are_good_while_they_rotate(bare_house: House) -> None:
    await bare_house.start(TWILIO_API_URL=bare_house.sandbox.url, TWILIO_AUTH_TOKEN_SECONDARY="1f" * 16, **CREDENTIALS)
    for token, status in ((seeds.AUTH_TOKEN, 200), ("1f" * 16, 200), ("2f" * 16, 403)):
        assert (await knock(bare_house, "/post-event", MESSAGE, token)).status == status


async def test_a_store_that_cannot_commit_refuses_no_message_and_acknowledges_no_fact(house: House) -> None:
    ch = await house.say(MARIA, "Hello")
    await house.quiet(ch)
    await house.sandbox.sandbox.webhooks.settled()
    before = rows(house)
    async with locked(house):
        started = time.monotonic()
        pre = await knock(house, "/pre-event", GOOD["/pre-event"] | {"ConversationSid": ch})
        assert (pre.status, pre.json) == (200, {})
        assert time.monotonic() - started < 2
        opening = {"EventType": "onConversationAdd", "MessagingBinding.Address": MARIA}
        started = time.monotonic()
        pre = await knock(house, "/pre-event", opening | {"MessagingBinding.ProxyAddress": PROXY})
        assert (pre.status, pre.json) == (200, {})
        assert time.monotonic() - started < 2
        started = time.monotonic()
        posts = await asyncio.gather(
            knock(house, "/post-event", MESSAGE | {"ConversationSid": ch}),
            knock(house, "/routing", {"ConversationSid": sid("CH")}),
        )
        assert [post.status for post in posts] == [503, 503]
        assert time.monotonic() - started < 4.5
        assert rows(house) == before

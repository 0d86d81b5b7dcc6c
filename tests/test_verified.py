"""The door of the webhooks, tried over real sockets: 413, 408, 403, 400 in this order, and never a 5xx."""

import asyncio
import gzip
import json
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from hmac import digest
from urllib.parse import urlencode

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from multidict import MultiDict
from structlog.testing import capture_logs
from structlog.typing import EventDict
from twilio.request_validator import RequestValidator

from orchestrator.answering import answered
from orchestrator.verified import verified_form

PUBLIC = "https://hub.example.test"
ACCOUNT = "AC" + "0" * 32
TOKENS = ("primary-token", "secondary-token")
FORM = "application/x-www-form-urlencoded"
CONVERSATION = "CH" + "0" * 31 + "1"
EVENT = {"EventType": "onMessageAdd", "AccountSid": ACCOUNT, "ConversationSid": CONVERSATION, "Body": "hello"}

Serve = Callable[[web.Application], Awaitable[TestServer]]
Answer = tuple[int, str]


@pytest.fixture
async def server(aiohttp_server: Serve) -> TestServer:
    """The door with a handler behind it that echoes the form, and reads its SID first if there is one."""

    async def echo(request: web.Request) -> web.Response:
        form = await verified_form(request, PUBLIC, ACCOUNT, TOKENS, deadline_s=0.5)
        form.sid("ConversationSid", needed=False)
        return web.json_response(dict(form))

    app = web.Application()
    app.router.add_post("/hook", answered("/hook", echo))
    return await aiohttp_server(app)


@pytest.fixture(autouse=True)
def refusal_log() -> Iterator[list[EventDict]]:
    with capture_logs() as entries:
        yield entries


def signed(
    form: Mapping[str, str] | Iterable[tuple[str, str]], url: str = PUBLIC + "/hook", token: str = TOKENS[0]
) -> str:
    """The signature of a form given as a dictionary or as pairs."""
    return str(RequestValidator(token).compute_signature(url, MultiDict(form)))


async def post(
    server: TestServer,
    body: bytes | str,
    signature: str | None = None,
    headers: dict[str, str] | None = None,
    target: str = "/hook",
) -> Answer:
    """A raw POST; what is answered, status and body."""
    content = body.encode() if isinstance(body, str) else body
    heads = {"Host": "x", "Content-Type": FORM, "Content-Length": str(len(content)), **(headers or {})}
    heads |= {"X-Twilio-Signature": signature} if signature is not None else {}
    head = "".join(f"{name}: {value}\r\n" for name, value in heads.items())
    return await raw(server, f"POST {target} HTTP/1.1\r\n{head}\r\n".encode() + content)


async def raw(server: TestServer, request: bytes) -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    status = int((await reader.readline()).split()[1])
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    body = await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
    writer.close()
    assert status < 500
    return status, body.decode()


FORBIDDEN = (403, '{"error": "Forbidden"}')
BAD = (400, '{"error": "Bad Request"}')
SLOW = (408, '{"error": "Request Timeout"}')


async def test_a_signed_form_comes_out_as_its_fields(server: TestServer) -> None:
    status, answer = await post(server, urlencode(EVENT), signed(EVENT))
    assert (status, json.loads(answer)) == (200, EVENT)
    status, _ = await post(server, urlencode(EVENT), signed(EVENT, token=TOKENS[1]))
    assert status == 200


async def test_unknown_fields_are_signed_and_kept(server: TestServer) -> None:
    event = {**EVENT, "Tomorrow": "☕ a&b=c+d %41", "Empty": ""}
    status, answer = await post(server, urlencode(event), signed(event))
    assert (status, json.loads(answer)["Tomorrow"]) == (200, event["Tomorrow"])


@pytest.mark.parametrize(
    "signature",
    [None, "", "x", "=" * 28, "\x80", "é", signed(EVENT, token="other"), signed(EVENT).lower(), signed(EVENT) + "="],
)
async def test_a_missing_or_wrong_signature_is_forbidden(server: TestServer, signature: str | None) -> None:
    assert await post(server, urlencode(EVENT), signature) == FORBIDDEN


async def test_two_signatures_are_as_good_as_none(server: TestServer) -> None:
    two = {"x-twilio-signature": signed(EVENT)}
    assert await post(server, urlencode(EVENT), signed(EVENT), headers=two) == FORBIDDEN


async def test_another_accounts_form_is_forbidden_and_one_without_account_is_not(server: TestServer) -> None:
    other = {**EVENT, "AccountSid": "AC" + "1" * 32}
    assert await post(server, urlencode(other), signed(other)) == FORBIDDEN
    both = [*EVENT.items(), ("AccountSid", "AC" + "1" * 32)]
    assert await post(server, urlencode(both), signed(both)) == FORBIDDEN
    for absent in ({"Body": "x"}, {"Body": "x", "AccountSid": ""}):
        assert (await post(server, urlencode(absent), signed(absent)))[0] == 200


async def test_the_url_is_the_public_one_whatever_the_headers_say(server: TestServer) -> None:
    tricks = {"Host": "evil.test", "X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "http", "Forwarded": "host=e"}
    assert (await post(server, urlencode(EVENT), signed(EVENT), headers=tricks))[0] == 200
    elsewhere = signed(EVENT, "http://evil.test/hook")
    assert await post(server, urlencode(EVENT), elsewhere, headers=tricks) == FORBIDDEN
    absolute = "http://evil.test/hook"
    assert (await post(server, urlencode(EVENT), signed(EVENT), target=absolute))[0] == 200
    assert await post(server, urlencode(EVENT), elsewhere, target=absolute) == FORBIDDEN


async def test_the_path_and_query_are_signed_as_they_were_received(server: TestServer) -> None:
    for target in ("/hook?a=b%20c&d", "/%68ook", "/hook?x=%2F+%zz"):
        assert (await post(server, urlencode(EVENT), signed(EVENT, PUBLIC + target), target=target))[0] == 200
        assert await post(server, urlencode(EVENT), signed(EVENT), target=target) == FORBIDDEN


async def test_a_port_in_the_public_url_may_have_been_signed_or_not(server: TestServer) -> None:
    assert (await post(server, urlencode(EVENT), signed(EVENT, PUBLIC + ":443/hook")))[0] == 200
    assert await post(server, urlencode(EVENT), signed(EVENT, PUBLIC + ":8443/hook")) == FORBIDDEN


async def test_a_signed_json_body_comes_out_as_its_scalars(server: TestServer) -> None:
    body = json.dumps({**EVENT, "Index": 1}).encode()
    target = f"/hook?bodySHA256={sha256(body).hexdigest()}"
    kind = {"Content-Type": "application/json"}
    signature = signed({}, PUBLIC + target)
    status, answer = await post(server, body, signature, headers=kind, target=target)
    assert (status, json.loads(answer)) == (200, {**EVENT, "Index": "1"})
    assert await post(server, body + b" ", signature, headers=kind, target=target) == FORBIDDEN
    assert await post(server, body, signed({}), headers=kind) == FORBIDDEN


@pytest.mark.parametrize("body", [b"{", b"[]", b"[" * 100_000, b'{"a": "\\ud800"}', b'{"a": "\xff"}'])
async def test_signed_json_that_is_no_object_is_malformed(server: TestServer, body: bytes) -> None:
    target = f"/hook?bodySHA256={sha256(body).hexdigest()}"
    kind = {"Content-Type": "application/json"}
    assert await post(server, body, signed({}, PUBLIC + target), headers=kind, target=target) == BAD


async def test_json_of_another_account_is_forbidden(server: TestServer) -> None:
    body = json.dumps({"AccountSid": "AC" + "1" * 32}).encode()
    target = f"/hook?bodySHA256={sha256(body).hexdigest()}"
    kind = {"Content-Type": "application/json"}
    assert await post(server, body, signed({}, PUBLIC + target), headers=kind, target=target) == FORBIDDEN


MALFORMED = {
    "bad UTF-8": ("Body=%FF", [("Body", b"\xff")], {}),
    "lone surrogate": ("Body=%ED%A0%80", [("Body", b"\xed\xa0\x80")], {}),
    "bogus charset": ("Body=x", [("Body", b"x")], {"Content-Type": FORM + "; charset=bogus"}),
    "1,001 fields": (
        "&".join(f"f{n}=" for n in range(1_001)),
        [(f"f{n}", b"") for n in range(1_001)],
        {},
    ),
    "broken escape": ("Body=%zz", [("Body", b"%zz")], {}),
    "no SID": ("ConversationSid=CHx", [("ConversationSid", b"CHx")], {}),
    "a SID twice": (
        f"ConversationSid={CONVERSATION}&ConversationSid=CHx",
        [("ConversationSid", CONVERSATION.encode()), ("ConversationSid", b"CHx")],
        {},
    ),
    "no form": ("Body=x", [("Body", b"x")], {"Content-Type": "text/plain"}),
}


@pytest.mark.parametrize("case", MALFORMED)
async def test_what_is_malformed_is_400_with_a_signature_and_403_without(server: TestServer, case: str) -> None:
    body, pairs, headers = MALFORMED[case]
    text = PUBLIC + "/hook" + "".join(name + value.decode("utf-8", "surrogateescape") for name, value in sorted(pairs))
    assert await post(server, body, sign_bytes(text), headers=headers) == BAD
    assert await post(server, body, sign_bytes(text + "x"), headers=headers) == FORBIDDEN
    assert await post(server, body, headers=headers) == FORBIDDEN


def sign_bytes(text: str) -> str:
    return b64encode(digest(TOKENS[0].encode(), text.encode("utf-8", "surrogateescape"), "sha1")).decode()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"no gzip", {"Content-Encoding": "gzip"}),
        (gzip.compress(b"Body=x", mtime=0)[:-9], {"Content-Encoding": "gzip"}),
        (b"Body=x", {"Content-Encoding": "bogus"}),
        (b"--x\r\nno multipart", {"Content-Type": "multipart/form-data; boundary=x"}),
        (b"--x\r\n", {"Content-Type": "multipart/form-data"}),
        (b"Body=x", {"Content-Type": "application/json; charset=bogus"}),
        (b"Body=x", {"Content-Type": ";;;"}),
        (b"\x00\xff" * 1000, {}),
    ],
)
async def test_what_nobody_can_have_signed_is_forbidden(
    server: TestServer, body: bytes, headers: dict[str, str]
) -> None:
    assert await post(server, body, signed(EVENT), headers=headers) == FORBIDDEN
    assert await post(server, body, headers=headers) == FORBIDDEN


async def test_a_compressed_form_is_read_and_a_bomb_is_not(server: TestServer) -> None:
    compressed = {"Content-Encoding": "gzip"}
    body = gzip.compress(urlencode(EVENT).encode())
    assert (await post(server, body, signed(EVENT), headers=compressed))[0] == 200
    assert (await post(server, gzip.compress(b"x" * 10_000_000), headers=compressed))[0] == 413


async def test_too_large_is_said_before_anything_else(server: TestServer) -> None:
    status, answer = await post(server, b"x" * (256 * 1024 + 1))
    assert (status, answer) == (413, '{"error": "Request Entity Too Large"}')
    claimed = b"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"
    assert (await raw(server, claimed))[0] == 413
    assert (await post(server, b"x" * 10_000_000))[0] == 413
    assert (await post(server, b"x" * (256 * 1024)))[0] == 403


async def test_too_slow_is_said_before_the_signature_is_looked_at(server: TestServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
    answer = asyncio.ensure_future(reader.readline())
    while not answer.done():
        writer.write(b"x")
        await asyncio.wait([answer], timeout=0.05)
    writer.close()
    assert b" 408 " in answer.result()


async def test_a_shifted_border_keeps_its_signature_and_leaves_a_sid_whole_or_none(server: TestServer) -> None:
    event = {"Body": "hello", "BodyX": "1", "ConversationSid": CONVERSATION, "Digits": "1"}
    shifts = {
        f"Body=helloBodyX1&ConversationSid={CONVERSATION}&Digits=1": {"ConversationSid": CONVERSATION},
        f"Body=hello&BodyX1ConversationSid={CONVERSATION}&Digits=1": {},
        f"Body=hello&BodyX=1&ConversationSi=d{CONVERSATION}&Digits=1": {},
        f"Body=hello&BodyX=1&ConversationSid={CONVERSATION}Digits1": None,
        f"Body=hello&BodyX=1&ConversationSid={CONVERSATION[:-1]}&{CONVERSATION[-1]}Digits=1": None,
    }
    for body, sid in shifts.items():
        status, answer = await post(server, body, signed(event))
        if sid is None:
            assert (status, answer) in (BAD, FORBIDDEN), body
        else:
            assert (status, {"ConversationSid", "x"} & json.loads(answer).keys()) == (200, sid.keys()), body


async def test_broken_http_is_refused(server: TestServer) -> None:
    for request in (
        b"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"POST /hook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"POST /hook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
        b"POST /hook HTTP/1.1\r\nHost: x\r\nX-Twilio-Signature: a\0b\r\nContent-Length: 1\r\n\r\nx",
        b"POST /hook HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\nx",
        b"GET /hook HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\r\n\r\n",
    ):
        status, _ = await raw(server, request)
        assert 400 <= status < 500


async def test_a_refusal_is_logged_with_its_reason_and_nothing_of_the_request(
    server: TestServer, refusal_log: list[EventDict]
) -> None:
    body = urlencode({**EVENT, "Author": "+15550100001", "ConversationSid": "canary"})
    await post(server, body, signed({**EVENT, "Author": "+15550100001", "ConversationSid": "canary"}))
    (entry,) = refusal_log
    assert entry == {
        "event": "webhook_refused",
        "log_level": "warning",
        "route": "/hook",
        "status": 400,
        "reason": "ConversationSid is no SID",
    }


async def test_an_empty_body_is_an_empty_form(server: TestServer) -> None:
    assert await post(server, b"", signed({})) == (200, "{}")
    assert await post(server, b"") == FORBIDDEN


async def test_every_status_has_a_constant_body(server: TestServer) -> None:
    answers = {await post(server, body) for body in (b"a=1", b"<script>", b"\xff", b"a=1&a=2")}
    assert answers == {FORBIDDEN}

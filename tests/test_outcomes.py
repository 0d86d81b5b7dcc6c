"""Each answer or failure of an outside call falls into its class, and no attempt is repeated unseen.

The failures are made on real sockets: a server that speaks as little HTTP as it takes to misbehave.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from twilio.rest import Client

from orchestrator.adapters.outcomes import PreconditionFailed, calling, known, of_answer
from orchestrator.adapters.twilio_conversations import TwilioConversations
from orchestrator.adapters.twilio_transport import TwilioTransport
from orchestrator.errors import Ambiguous, EffectError, Gone, Held, NotProcessed, NotSent, Rejected
from orchestrator.ports import Published
from tests.clients import at_hand

CH = "CH00000000000000000000000000000001"
TIMEOUT_S = 0.5

ANSWERS = [
    (429, 20429, NotProcessed),
    (429, None, NotProcessed),
    (400, 50074, NotProcessed),
    (400, 50349, NotProcessed),
    (409, 50391, NotProcessed),
    (500, 50449, NotProcessed),
    (412, 20412, PreconditionFailed),
    (412, None, PreconditionFailed),
    (301, None, Ambiguous),
    (307, None, Ambiguous),
    (408, None, Ambiguous),
    (500, 20500, Ambiguous),
    (500, None, Ambiguous),
    (502, None, Ambiguous),
    (503, 20503, Ambiguous),
    (504, None, Ambiguous),
    (401, 20003, Held),
    (401, None, Held),
    (403, 20003, Held),
    (403, None, Held),
    (403, 50107, Rejected),
    (403, 50415, Rejected),
    (400, 50377, Gone),
    (409, 50377, Gone),
    (404, 50350, Gone),
    (404, 20404, Rejected),
    (404, None, Rejected),
    (400, 20001, Rejected),
    (409, 50433, Rejected),
    (409, 50416, Rejected),
    (400, 50407, Rejected),
    (422, None, Rejected),
]


@pytest.mark.parametrize(("status", "code", "expected"), ANSWERS)
def test_each_answer_has_its_class(status: int, code: int | None, expected: type[EffectError]) -> None:
    body = "" if code is None else json.dumps({"code": code, "message": "to +15550100001", "status": status})
    found = of_answer(status, body)
    assert type(found) is expected
    assert str(code or status) in str(found)
    assert "+15550100001" not in str(found)
    if isinstance(found, Rejected):
        assert (found.status, found.code) == (status, code or status)


@pytest.mark.parametrize("body", ["", "<html>", "[]", "7", '{"code": "x"}', '{"code": null}', "[" * 100_000])
def test_a_body_without_a_code_is_judged_by_its_status(body: str) -> None:
    found = of_answer(400, body)
    assert isinstance(found, Rejected)
    assert found.code == 400


def test_what_is_not_found_in_a_call_on_the_conversation_is_the_conversation() -> None:
    with pytest.raises(Gone), calling(conversation=True):
        raise of_answer(404, '{"code": 20404}')
    with pytest.raises(Rejected) as refusal, calling():
        raise of_answer(404, '{"code": 20404}')
    assert not isinstance(refusal.value, Gone)


def test_a_404_of_something_that_is_not_twilio_is_not_the_end_of_a_conversation() -> None:
    with pytest.raises(Rejected) as refusal, calling(conversation=True):
        raise of_answer(404, "<html>no such page</html>")
    assert not isinstance(refusal.value, Gone)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("9" * 400, 3600.0),
        (None, None),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_where_it_says_something(header: str | None, expected: float | None) -> None:
    found = of_answer(429, "", header)
    assert isinstance(found, NotProcessed)
    assert found.retry_after_s == expected


def test_retry_after_may_be_a_date() -> None:
    found = of_answer(429, "", format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True))
    assert isinstance(found, NotProcessed)
    assert found.retry_after_s is not None
    assert 25 < found.retry_after_s <= 30


@pytest.mark.parametrize("malformed", [KeyError("sid"), TypeError(), AttributeError(), ValueError(), RecursionError()])
def test_an_answer_that_cannot_be_read_is_ambiguous(malformed: Exception) -> None:
    with pytest.raises(Ambiguous, match=type(malformed).__name__), calling():
        raise malformed


def test_a_cancellation_is_no_outcome() -> None:
    with pytest.raises(asyncio.CancelledError), calling():
        raise asyncio.CancelledError


@pytest.mark.parametrize(("value", "kind"), [(None, str), (1, str), (True, int), (1, bool), ("1", int)])
def test_a_field_of_another_kind_is_missing(value: object, kind: type) -> None:
    with pytest.raises(Ambiguous), calling():
        known(value, kind)


Misbehaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RawServer:
    """A TCP server that hands each request it read whole to `behave`, and counts the POSTs."""

    behave: Misbehaviour
    reads: bool = True
    url: str = ""
    posts: int = 0
    connections: int = 0
    handlers: list[tuple[asyncio.Task[None], asyncio.StreamWriter]] = field(default_factory=list)

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection. One that is stopped before its handler has begun is known all the same, to be closed."""
        self.connections += 1
        self.handlers.append((asyncio.create_task(self._handle(reader, writer)), writer))

    async def stop(self) -> None:
        """End what is going on and hang up."""
        for handler, writer in self.handlers:
            handler.cancel()
            writer.close()
        await asyncio.gather(*(handler for handler, _writer in self.handlers), return_exceptions=True)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not self.reads or await self._read_request(reader):
                await self.behave(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _read_request(self, reader: asyncio.StreamReader) -> bool:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
        except asyncio.IncompleteReadError:
            return False
        self.posts += head.startswith(b"post ")
        length = next((line for line in head.split(b"\r\n") if line.startswith(b"content-length:")), b":0")
        await reader.readexactly(int(length.split(b":")[1]))
        return True


@asynccontextmanager
async def raw_server(behave: Misbehaviour, reads: bool = True) -> AsyncIterator[RawServer]:
    server = RawServer(behave, reads)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        await server.stop()


@asynccontextmanager
async def conversations_at(url: str) -> AsyncIterator[TwilioConversations]:
    async with TwilioTransport(TIMEOUT_S, url) as transport:
        yield TwilioConversations(at_hand(Client("AC" + "0" * 32, "token", http_client=transport)))


async def send_to(url: str) -> Published:
    async with conversations_at(url) as conversations:
        return await conversations.send_message(CH, "Hello", f"{CH}/1/0")


def saying(answer: bytes) -> Misbehaviour:
    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return behave


def http(status: int, body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    writer.transport.abort()


async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(http(201, b"", length=100_000))
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(TIMEOUT_S / 20)


async def cut(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(http(201, b'{"sid": "IM', length=500))
    writer.close()


async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(http(201, b'{"sid": "', length=10_000_000))
    for _count in range(100):
        writer.write(b"x" * 100_000)
        await writer.drain()


AMBIGUOUS = [
    pytest.param(close, id="closes after reading"),
    pytest.param(reset, id="resets after reading"),
    pytest.param(hang, id="never answers"),
    pytest.param(drip, id="drips beyond the deadline"),
    pytest.param(cut, id="cuts the answer"),
    pytest.param(flood, id="answers 10 MB"),
    pytest.param(saying(b"SSH-2.0-x\r\n\r\n"), id="speaks no HTTP"),
    pytest.param(saying(http(201, b"")), id="201 with nothing"),
    pytest.param(saying(http(201, b"<html>")), id="201 with HTML"),
    pytest.param(saying(http(201, b"\xff\xfe")), id="201 with no text"),
    pytest.param(saying(http(201, b"null")), id="201 with null"),
    pytest.param(saying(http(201, b"[]")), id="201 with a list"),
    pytest.param(saying(http(201, b"{}")), id="201 without a SID"),
    pytest.param(saying(http(201, b'{"sid": 7, "index": 1}')), id="201 with a number for a SID"),
    pytest.param(saying(http(201, b'{"sid": "IM1", "index": "x"}')), id="201 with a word for an index"),
    pytest.param(saying(http(201, b"[" * 200_000)), id="201 nested without end"),
    pytest.param(saying(http(500, b'{"code": 20500}')), id="500"),
    pytest.param(saying(http(503, b"")), id="503"),
    pytest.param(saying(http(307, b"", "Location: /elsewhere")), id="a redirect"),
]


@pytest.mark.parametrize("behave", AMBIGUOUS)
async def test_bytes_left_and_no_clear_answer_is_ambiguous_after_one_post(behave: Misbehaviour) -> None:
    async with raw_server(behave) as server:
        with pytest.raises(Ambiguous):
            await asyncio.wait_for(send_to(server.url), TIMEOUT_S * 4)
        assert server.posts == 1


REFUSALS = [
    (429, 20429, NotProcessed),
    (401, 20003, Held),
    (400, 50377, Gone),
    (404, 20404, Gone),
    (400, 50407, Rejected),
]


@pytest.mark.parametrize(("status", "code", "expected"), REFUSALS)
async def test_a_refusal_is_its_class_after_one_post(status: int, code: int, expected: type[EffectError]) -> None:
    async with raw_server(saying(http(status, json.dumps({"code": code}).encode()))) as server:
        with pytest.raises(EffectError) as failure:
            await send_to(server.url)
        assert type(failure.value) is expected
        assert server.posts == 1


async def test_a_problem_document_is_read_like_twilios_own_errors() -> None:
    problem = {"type": "x", "title": "y", "status": 400, "code": 50377, "detail": "z"}
    async with raw_server(saying(http(400, json.dumps(problem).encode()))) as server:
        with pytest.raises(Gone):
            await send_to(server.url)


async def test_a_refused_connection_was_not_sent() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(NotSent):
            await send_to(f"http://127.0.0.1:{unused.getsockname()[1]}")


async def test_a_name_that_does_not_resolve_was_not_sent() -> None:
    with pytest.raises(NotSent):
        await send_to("http://nowhere.invalid:1")


async def test_a_failed_tls_handshake_was_not_sent() -> None:
    async with raw_server(saying(b"")) as server:
        with pytest.raises(NotSent):
            await send_to(server.url.replace("http:", "https:"))
        assert server.posts == 0


async def test_a_tls_handshake_that_hangs_was_not_sent() -> None:
    async with raw_server(hang, reads=False) as server:
        with pytest.raises(NotSent):
            await send_to(server.url.replace("http:", "https:"))
        assert server.connections == 1


async def test_a_kept_connection_found_closed_is_ambiguous_after_one_more_post() -> None:
    async def answer_then_close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if server.posts == 1:
            writer.write(http(201, b'{"sid": "IM1", "index": 0, "date_created": "2026-11-22T10:00:00Z"}'))
        else:
            writer.close()

    async with raw_server(answer_then_close) as server, conversations_at(server.url) as conversations:
        assert (await conversations.send_message(CH, "one", "k1")).message_sid == "IM1"
        with pytest.raises(Ambiguous):
            await conversations.send_message(CH, "two", "k2")
        assert (server.posts, server.connections) == (2, 1)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (http(200, b'{"meta": {}, "a": [], "b": []}'), Ambiguous),
        (http(200, b'{"meta": {"key": "x"}}'), Ambiguous),
        (http(200, b"7"), Ambiguous),
        (http(204, b""), Ambiguous),
        (http(502, b"<html>"), Ambiguous),
        (http(404, b'{"code": 20404}'), Gone),
        (http(429, b"", "Retry-After: 3"), NotProcessed),
    ],
)
async def test_reads_use_the_same_table(answer: bytes, expected: type[EffectError]) -> None:
    async with raw_server(saying(answer)) as server, conversations_at(server.url) as conversations:
        for read in (conversations.members, conversations.conversation):
            with pytest.raises(expected):
                await read(CH)
        with pytest.raises(expected):
            await conversations.messages(CH, -1)


@pytest.mark.parametrize("code", [50416, 50433, 50437])
async def test_who_is_there_already_was_added_and_who_is_elsewhere_was_not(code: int) -> None:
    refusal = http(409, json.dumps({"code": code}).encode())
    here, elsewhere = http(200, b'{"sid": "MB1"}'), http(404, b'{"code": 20404}')
    answers = iter([refusal, here, refusal, elsewhere])

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(next(answers))

    async with raw_server(behave) as server, conversations_at(server.url) as conversations:
        assert (await conversations.add_participant(CH, "ada@example.test")).participant_sid == "MB1"
        with pytest.raises(Rejected) as failure:
            await conversations.add_participant(CH, "ada@example.test")
        assert failure.value.code == code
        assert server.posts == 2


async def test_after_close_nothing_is_sent() -> None:
    transport = TwilioTransport(TIMEOUT_S, "http://127.0.0.1:1")
    await transport.close()
    conversations = TwilioConversations(at_hand(Client("AC" + "0" * 32, "token", http_client=transport)))
    with pytest.raises(NotSent, match="closed"):
        await conversations.conversation(CH)

"""Bodies are read within bounds and split strictly; a form gives out its fields or says what is wrong with them."""

import asyncio
import gzip
import json
import re
import zlib
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from urllib.parse import parse_qsl, quote_from_bytes, unquote_to_bytes, urlencode

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.bodies import Fields, Form, check_form, parse_json, read_body, split_form
from orchestrator.errors import MalformedWebhook, WebhookError

LIMIT = 1_000
SID = "CH" + "0" * 31 + "1"

Serve = Callable[[web.Application], Awaitable[TestServer]]


@pytest.fixture
async def server(aiohttp_server: Serve) -> TestServer:
    """Answers 200 with the length of the body it read, or the status and name of the refusal."""

    async def length(request: web.Request) -> web.Response:
        try:
            return web.Response(text=str(len(await read_body(request, LIMIT, deadline_s=0.3))))
        except WebhookError as refusal:
            return web.Response(status=refusal.status, text=type(refusal).__name__)

    app = web.Application()
    app.router.add_post("/", length)
    return await aiohttp_server(app)


async def send(server: TestServer, head: str, *parts: bytes) -> tuple[int, str]:
    """The status and text answered to a raw request whose body arrives in `parts` and then stays open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"POST / HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())
    for part in parts:
        writer.write(part)
        await writer.drain()
    status = int((await reader.readline()).split()[1])
    text = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = int(text.lower().partition("content-length: ")[2].partition("\r\n")[0])
    body = await reader.readexactly(length)
    writer.close()
    return status, body.decode()


async def test_a_body_of_the_limit_is_read_and_one_byte_more_is_not(server: TestServer) -> None:
    assert await send(server, f"Content-Length: {LIMIT}", b"x" * LIMIT) == (200, "1000")
    assert await send(server, f"Content-Length: {LIMIT + 1}") == (413, "BodyTooLarge")


async def test_a_chunked_body_over_the_limit_is_refused_before_it_ends(server: TestServer) -> None:
    chunk = b"200\r\n" + b"x" * 512 + b"\r\n"
    assert await send(server, "Transfer-Encoding: chunked", chunk, chunk) == (413, "BodyTooLarge")
    assert await send(server, "Transfer-Encoding: chunked", chunk, b"0\r\n\r\n") == (200, "512")


async def test_a_body_that_stalls_or_drips_is_refused_at_the_deadline(server: TestServer) -> None:
    assert await send(server, "Content-Length: 9", b"x") == (408, "BodyTooSlow")
    started = asyncio.get_running_loop().time()
    assert await send(server, "Content-Length: 9") == (408, "BodyTooSlow")
    assert 0.25 < asyncio.get_running_loop().time() - started < 2


async def test_a_compressed_body_counts_decompressed(server: TestServer) -> None:
    async with aiohttp.ClientSession() as session:
        for encoding, compress in (("gzip", gzip.compress), ("deflate", zlib.compress)):
            for size, status in ((LIMIT, 200), (10_000_000, 413)):
                headers = {"Content-Encoding": encoding}
                body = compress(b"x" * size)
                async with session.post(server.make_url("/"), data=body, headers=headers) as answer:
                    assert (answer.status, encoding) == (status, encoding)


@pytest.mark.parametrize(
    ("encoding", "body"), [("gzip", b"no gzip"), ("deflate", b"\xff\xff"), ("compress", b"x"), ("gzip, gzip", b"x")]
)
async def test_a_body_that_cannot_be_decompressed_is_malformed(server: TestServer, encoding: str, body: bytes) -> None:
    head = f"Content-Encoding: {encoding}\r\nContent-Length: {len(body)}"
    assert await send(server, head, body) == (400, "MalformedWebhook")


async def test_a_broken_chunk_is_refused_and_nothing_worse(server: TestServer) -> None:
    status, _ = await send(server, "Transfer-Encoding: chunked", b"5\r\nhello\r\n", b"zz\r\n")
    assert status in (400, 408)


async def test_a_client_that_leaves_in_the_middle_troubles_nobody(server: TestServer) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx")
    await writer.drain()
    writer.transport.abort()
    assert await send(server, "Content-Length: 1", b"x") == (200, "1")


def pairs_of(form: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    return sorted(b"\0".join(half.replace(b"\0", b"\xef\xbf\xbd") for half in pair) for pair in set(form))


def checked(body: bytes, content_type: str | None) -> None:
    check_form(body, split_form(body), content_type)


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))))
def test_whatever_is_urlencoded_comes_back(form: list[tuple[str, str]]) -> None:
    body = urlencode(form).encode()
    checked(body, "application/x-www-form-urlencoded; charset=utf-8")
    assert split_form(body).pairs == pairs_of((name.encode(), value.encode()) for name, value in form)


@given(st.text(st.sampled_from("ab=&+%0aFf;#"), max_size=30))
def test_it_splits_as_the_standard_library_does(body: str) -> None:
    theirs = parse_qsl(body, keep_blank_values=True, errors="surrogateescape")
    assert split_form(body.encode()).pairs == pairs_of(
        (name.encode("utf-8", "surrogateescape"), value.encode("utf-8", "surrogateescape")) for name, value in theirs
    )


# Among them what the fields are held apart by while they are decoded, and what quoted-printable has for its own.
pieces = st.sampled_from([*map(bytes, zip(b"ab=&+% \0\1\r\n\t")), b"%41", b"%3D", b"%26", b"%00", b"%01"])


@settings(max_examples=2000, deadline=None)
@given(st.lists(pieces, max_size=10).map(b"".join))
def test_whatever_is_in_them_no_field_runs_into_another(body: bytes) -> None:
    fields = [field.replace(b"+", b" ").partition(b"=") for field in body.split(b"&") if field]
    pairs = [(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in fields]
    found = split_form(body)
    assert found.pairs == pairs_of(pairs)
    for name in {name for name, _value in pairs if b"\0" not in name}:
        values = (value for told, value in pairs if told == name)
        assert found.values_of(name) == {value.replace(b"\0", b"\xef\xbf\xbd") for value in values}
    assert found.covered == b"".join(name + value for name, value in sorted(set(pairs)))
    assert found.is_whole is (re.search(rb"%(?![0-9A-Fa-f]{2})", body) is None)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/x-www-form-urlencoded",
        "APPLICATION/X-WWW-FORM-URLENCODED ; Charset=UTF-8",
        'application/x-www-form-urlencoded;charset="utf8"',
    ],
)
def test_every_spelling_of_a_form_is_one(content_type: str | None) -> None:
    checked(b"a=%2B&b", content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data; boundary=x",
        "text/plain",
        "application/x-www-form-urlencoded; charset=bogus",
        "application/x-www-form-urlencoded; charset=utf-16",
    ],
)
def test_what_is_no_form_in_utf_8_is_malformed(content_type: str) -> None:
    with pytest.raises(MalformedWebhook):
        checked(b"a=1", content_type)


def test_a_thousand_fields_are_a_form_and_one_more_are_not() -> None:
    checked(b"&".join([b"a=1"] * 1_000), None)
    with pytest.raises(MalformedWebhook, match="fields"):
        checked(b"&".join([b"a=1"] * 1_001), None)


@pytest.mark.parametrize("body", [b"a=%", b"a=%4", b"a=%zz", b"%=1", b"a=1&b=%4g", b"a=%%41", b"a=%25%", b"%00=%z"])
def test_a_broken_percent_escape_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedWebhook, match="escape"):
        checked(body, None)


@pytest.mark.parametrize("value", [b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xf0\x9f\x98"])
def test_a_field_that_is_no_text_is_refused_when_it_is_read_and_not_before(value: bytes) -> None:
    form = Form.of(split_form(b"Author=x&Body=" + quote_from_bytes(value).encode()))
    assert form.need("Author") == "x"
    with pytest.raises(MalformedWebhook, match="Body is not UTF-8"):
        form.get("Body")
    assert Form.of(split_form(b"Author=x&" + quote_from_bytes(value).encode() + b"=y")).need("Author") == "x"


def test_a_nul_is_replaced_for_no_database_takes_one() -> None:
    fields = split_form(b"Body=a%00b&Author=x&No%00vel=1")
    assert Form.of(fields).need("Body") == "a\N{REPLACEMENT CHARACTER}b"
    assert fields.covered == b"AuthorxBodya\0bNo\0vel1"


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_any_other_text_is_kept_as_it_is(text: str) -> None:
    assert Form.of(Fields([b"Body\0" + text.encode()], b""))["Body"] == text


def test_an_empty_value_counts_as_absent() -> None:
    form = Form(["Body", "Author"], ["", "x"])
    assert "Body" not in form
    assert form.get("Body") is None
    assert (list(form), len(form), dict(form)) == (["Author"], 1, {"Author": "x"})
    with pytest.raises(MalformedWebhook, match="Body is missing"):
        form.need("Body")


def test_a_field_that_comes_twice_is_refused_when_it_is_read_and_not_before() -> None:
    form = Form(["Body", "Body", "Author", "Author", "Index", "Index"], ["a", "b", "x", "x", "", "1"])
    assert form.need("Author") == "x"
    for name in ("Body", "Index"):
        with pytest.raises(MalformedWebhook, match=f"{name} comes twice"):
            form.get(name)


def test_a_sid_is_two_letters_and_32_hexadecimal_digits() -> None:
    form = Form(["good", "short", "long", "line", "x"], [SID, SID[:-1], SID + "0", SID + "\n", "C1" + "0" * 32])
    assert form.sid("good") == SID
    assert form.sid("absent", needed=False) is None
    for name in ("short", "long", "line", "x"):
        with pytest.raises(MalformedWebhook, match=f"{name} is no SID"):
            form.sid(name, needed=False)
    with pytest.raises(MalformedWebhook, match="absent is missing"):
        form.sid("absent")


def test_an_integer_is_a_whole_number_from_0() -> None:
    form = Form(["Index", "minus", "float", "arabic", "huge"], ["07", "-1", "1.0", "٣", "9" * 19])
    assert form.integer("Index") == 7
    assert form.integer("absent", needed=False) is None
    for name in ("minus", "float", "arabic", "huge"):
        with pytest.raises(MalformedWebhook, match=f"{name} is no whole number"):
            form.integer(name)


def test_a_json_object_is_a_form_of_its_scalars() -> None:
    body = json.dumps(
        {"Body": "☕", "Index": 3, "Rate": 1.5, "Flag": True, "None": None, "List": [1], "Object": {"a": 1}}
    )
    form = Form.of(parse_json(body.encode()))
    assert dict(form) == {"Body": "☕", "Index": "3", "Rate": "1.5", "Flag": "true"}
    form = Form.of(parse_json(b'{"Body": "a", "Body": "b"}'))
    with pytest.raises(MalformedWebhook, match="twice"):
        form.get("Body")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"1",
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"a":' * 50_000,
    ],
)
def test_what_is_no_json_object_in_utf_8_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedWebhook):
        parse_json(body)


@given(st.binary(max_size=60), st.sampled_from([split_form, parse_json]))
def test_no_bytes_raise_anything_else(body: bytes, parse: Callable[[bytes], Fields]) -> None:
    with suppress(MalformedWebhook):
        Form.of(parse(body))

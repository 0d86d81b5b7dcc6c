"""A webhook's body: read within bounds, split into fields, and asked for its fields by name.

aiohttp's own form parser answers 500 to bad UTF-8, an unknown charset, broken compression and malformed
multipart, and waits for ever for a body that drips. Here every such body is refused with a reason of ours.
"""

import asyncio
import json
import re
from binascii import a2b_qp
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Literal, NamedTuple, TypeVar, overload
from urllib.parse import unquote_to_bytes

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from orchestrator.errors import BodyTooLarge, BodyTooSlow, MalformedWebhook

T = TypeVar("T", bytes, bytearray)
Default = TypeVar("Default")

BODY_MAX_BYTES = 256 * 1024
BODY_DEADLINE_S = 3.0
FIELDS_MAX = 1_000
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

ENCODINGS = {"", "identity", "gzip", "deflate"}
CHARSETS = {"utf-8", "utf8", "us-ascii", "ascii"}
CHARSET = re.compile(r';\s*charset\s*=\s*"?([^";\s]*)', re.IGNORECASE)
# Between a name and its value, and between a field and the next, once they are taken apart.
HALF, FIELD = b"\0", b"\1"
# For a NUL that somebody sent: no database takes one, and his message is to arrive all the same.
NO_NUL = "\N{REPLACEMENT CHARACTER}".encode()
# A percent sign becomes the sign of quoted-printable, the decoder of which is written in C and differs in line ends.
BORDERS = bytes.maketrans(b"+=&%", b" " + HALF + FIELD + b"=")
NO_MARKS = bytes(set(range(256)) - set(b"=&\r\n"))
BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# What a byte that is not UTF-8 is decoded to (PEP 383).
NO_TEXT = re.compile("[\udc80-\udcff]")
SID = re.compile(r"[A-Za-z]{2}[0-9a-fA-F]{32}")
WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")


async def read_body(request: web.Request, limit: int = BODY_MAX_BYTES, deadline_s: float = BODY_DEADLINE_S) -> bytes:
    """The body, decompressed, of at most `limit` bytes and complete within `deadline_s` seconds.

    Raises `BodyTooLarge` (at once where Content-Length says so), `BodyTooSlow`, and `MalformedWebhook` where the
    transfer or the content encoding is broken or the client left.
    """
    if (request.content_length or 0) > limit:
        raise BodyTooLarge(f"the body is over {limit} bytes")
    if (encoding := request.headers.get("Content-Encoding")) and encoding.strip().lower() not in ENCODINGS:
        raise MalformedWebhook("the body is compressed in an unknown way")
    body = bytearray()
    try:
        if request.content.is_eof():
            # All of it came with its head, as Twilio's bodies do: nothing to wait for.
            return _bounded(request.content.read_nowait(), limit)
        async with asyncio.timeout(deadline_s):
            async for chunk in request.content.iter_any():
                body += chunk
                _bounded(body, limit)
    except TimeoutError:
        raise BodyTooSlow(f"the body was not complete within {deadline_s:g} s") from None
    except (HttpProcessingError, web.RequestPayloadError, ConnectionError) as broken:
        raise MalformedWebhook(f"the body cannot be read ({type(broken).__name__})") from None
    return bytes(body)


def _bounded(body: T, limit: int) -> T:
    if len(body) > limit:
        raise BodyTooLarge(f"the body is over {limit} bytes")
    return body


class Fields(NamedTuple):
    """A body's decoded fields. `pairs`: each once, a name, a NUL and a value, which hold none, in the order of their
    bytes; `covered`: what a signature covers of the fields, by name, each followed by its value; `is_whole`: no percent
    escape is broken."""

    pairs: list[bytes]
    covered: bytes
    is_whole: bool = True

    def values_of(self, name: bytes) -> set[bytes]:
        """All the values that come under a name."""
        begins = name + HALF
        first = bisect_left(self.pairs, begins)
        found = self.pairs[first : bisect_left(self.pairs, name + FIELD, first)]
        return {pair.removeprefix(begins) for pair in found}


def split_form(body: bytes) -> Fields:
    """The fields of an urlencoded body.

    Anything splits (https://url.spec.whatwg.org/#urlencoded-parsing); what may be read is `check_form`'s matter.
    """
    marks = body.translate(None, NO_MARKS)
    fields = (len(marks) + 1) // 2
    # All at once: to take each field apart by itself costs three times as much.
    plain = a2b_qp(body.translate(BORDERS))
    # One `=` in each field, as Twilio writes them, no border that was none before, and of each escape two bytes less.
    is_usual = (
        marks == b"=&" * (fields - 1) + b"="
        and plain.count(HALF) == fields == plain.count(FIELD) + 1
        and len(body) - len(plain) == 2 * body.count(b"%")
    )
    if not is_usual:
        halves = [_halves(field) for field in body.split(b"&") if field]
        return _fields(halves, is_whole=BROKEN_ESCAPE.search(body) is None)
    # A border sorts before whatever a longer name goes on with, as the end of a name does.
    pairs = sorted(set(plain.split(FIELD)))
    return Fields(pairs, b"".join(pairs).replace(HALF, b""))


def _halves(field: bytes) -> tuple[bytes, bytes]:
    name, _, value = field.replace(b"+", b" ").partition(b"=")
    return unquote_to_bytes(name), unquote_to_bytes(value)


def _fields(halves: Iterable[tuple[bytes, bytes]], *, is_whole: bool = True) -> Fields:
    """These names and values, whatever is in them."""
    found = sorted(set(halves))
    pairs = sorted(HALF.join(half.replace(HALF, NO_NUL) for half in pair) for pair in found)
    return Fields(pairs, b"".join(chain.from_iterable(found)), is_whole)


def check_form(body: bytes, fields: Fields, content_type: str | None) -> None:
    """Raises `MalformedWebhook` where the body is no urlencoded form in UTF-8 of at most 1,000 fields."""
    if media_type(content_type) not in ("", FORM):
        raise MalformedWebhook("the body is no form")
    if charset(content_type) not in CHARSETS:
        raise MalformedWebhook("the charset is not UTF-8")
    if not fields.is_whole:
        raise MalformedWebhook("a percent escape is broken")
    if body.count(b"&") >= FIELDS_MAX:
        raise MalformedWebhook(f"the form has over {FIELDS_MAX} fields")


def parse_json(body: bytes) -> Fields:
    """The scalars of a JSON object as the fields of a form; null, lists and objects inside it are left out.

    Raises `MalformedWebhook` where the body is no JSON object in UTF-8.
    """
    try:
        members = json.loads(body.decode(), object_pairs_hook=tuple, parse_int=str, parse_float=str, parse_constant=str)
        if not isinstance(members, tuple):
            raise MalformedWebhook("the body is no JSON object")
        scalars = ((name, value) for name, value in members if isinstance(value, str | bool))
        return _fields([(name.encode(), _text(value).encode()) for name, value in scalars])
    except (ValueError, RecursionError):
        raise MalformedWebhook("the body is no JSON in UTF-8") from None


def _text(value: str | bool) -> str:
    return value if isinstance(value, str) else str(value).lower()


@lru_cache(maxsize=64)
def charset(content_type: str | None) -> str:
    """The charset a content type names, in lower case; UTF-8 when there is none."""
    found = CHARSET.search(content_type or "")
    return found[1].lower() if found else "utf-8"


@lru_cache(maxsize=64)
def media_type(content_type: str | None) -> str:
    """The media type without its parameters, in lower case; "" when there is none."""
    return (content_type or "").partition(";")[0].strip().lower()


class Form(Mapping[str, str]):
    """The fields of a webhook. A field with an empty value is absent.

    The signature leaves the borders between fields open, so a field that comes twice with different values is
    `MalformedWebhook` when it is read, as is one that is not UTF-8; one that nobody reads is nobody's concern.
    """

    def __init__(self, names: Sequence[str], values: Sequence[str]) -> None:
        self._values = dict(zip(names, values, strict=True))
        self._refused: dict[str, str] = {}
        if len(self._values) < len(names):
            pairs = zip(names, values, strict=True)
            self._refused = {name: "comes twice" for name, value in pairs if self._values[name] != value}

    @classmethod
    def of(cls, fields: Fields) -> "Form":
        """The form of these fields."""
        # All at once; no character goes beyond its field.
        plain = HALF.join(fields.pairs)
        try:
            return cls._of_text(plain.decode())
        except UnicodeDecodeError:
            form = cls._of_text(plain.decode(errors="surrogateescape"))
        form._refused |= {name: "is not UTF-8" for name, value in form._values.items() if NO_TEXT.search(value)}
        return form

    @classmethod
    def _of_text(cls, text: str) -> "Form":
        halves = text.split("\0") if text else []
        return cls(halves[::2], halves[1::2])

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    @overload
    def get(self, name: str, default: None = None, /) -> str | None: ...
    @overload
    def get(self, name: str, default: Default, /) -> str | Default: ...
    def get(self, name: str, default: object = None, /) -> object:
        """The value of a field, or `default` where it is absent. Raises `MalformedWebhook` where it cannot be told."""
        if name in self._refused:
            raise MalformedWebhook(f"{name} {self._refused[name]}")
        return self._values.get(name) or default

    def __iter__(self) -> Iterator[str]:
        return (name for name, value in self._values.items() if value or name in self._refused)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def need(self, name: str) -> str:
        """The value of a field this event cannot do without. Raises `MalformedWebhook`."""
        value = self.get(name)
        if value is None:
            raise MalformedWebhook(f"{name} is missing")
        return value

    @overload
    def sid(self, name: str, needed: Literal[True] = True) -> str: ...
    @overload
    def sid(self, name: str, needed: Literal[False]) -> str | None: ...
    def sid(self, name: str, needed: bool = True) -> str | None:
        """A SID: two letters and 32 hexadecimal digits, else `MalformedWebhook`; None where it may be absent."""
        value = self.need(name) if needed else self.get(name)
        if value is not None and not SID.fullmatch(value):
            raise MalformedWebhook(f"{name} is no SID")
        return value

    @overload
    def integer(self, name: str, needed: Literal[True] = True) -> int: ...
    @overload
    def integer(self, name: str, needed: Literal[False]) -> int | None: ...
    def integer(self, name: str, needed: bool = True) -> int | None:
        """A whole number from 0, else `MalformedWebhook`; None where it may be absent."""
        value = self.need(name) if needed else self.get(name)
        if value is not None and not WHOLE_NUMBER.fullmatch(value):
            raise MalformedWebhook(f"{name} is no whole number")
        return None if value is None else int(value)

"""Bodies nobody can read: what a webhook route must refuse, signed or not."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from io import BytesIO

from multidict import CIMultiDict

SIGNATURE = "X-Twilio-Signature"
FORM = "application/x-www-form-urlencoded"
DRIP_EVERY_S = 0.5
DRIPS = 40


@dataclass(frozen=True, slots=True)
class Letter:
    """One request. `path` with its query; `drips`: the body comes a byte at a time."""

    path: str
    body: bytes
    headers: CIMultiDict[str] = field(default_factory=lambda: CIMultiDict({"Content-Type": FORM}))
    drips: bool = False

    def with_headers(self, headers: dict[str, str]) -> "Letter":
        """The letter with these headers in place of its own of the same name."""
        changed = self.headers.copy()
        changed.update(headers)
        return replace(self, headers=changed)

    def content(self) -> "BytesIO | AsyncIterator[bytes]":
        """The body, for the client."""
        return self._dripping() if self.drips else BytesIO(self.body)

    async def _dripping(self) -> AsyncIterator[bytes]:
        for _ in range(DRIPS):
            yield b"a"
            await asyncio.sleep(DRIP_EVERY_S)


def dripping(path: str) -> Letter:
    """A body that does not end in time."""
    return Letter(path, b"", drips=True)


def unreadable(path: str, sign: Callable[[Letter], str]) -> list[Letter]:
    """Every bad body for a route: unsigned, and signed as Twilio would sign it."""
    cases = CASES + INJECTIONS if path == "/post-event" else CASES
    bad = [_letter(path, *case) for case in cases]
    return bad + [letter.with_headers({SIGNATURE: sign(letter)}) for letter in bad]


def _letter(path: str, body: bytes, content_type: str = FORM, encoding: str = "") -> Letter:
    letter = Letter(path, body).with_headers({"Content-Type": content_type})
    return letter.with_headers({"Content-Encoding": encoding}) if encoding else letter


PLAIN = b"EventType=onMessageAdded&Body=Hello"
CASES: tuple[tuple[bytes, str, str] | tuple[bytes, str] | tuple[bytes], ...] = (
    (b"Body=%ff%fe",),
    (b"Body=\xff\xfe",),
    (b"Body=%ed%a0%80",),
    (b"Body=a%00b",),
    (b"%00=a",),
    (b"Body=%zz",),
    (b"Body=%",),
    (b"&".join(b"f%d=1" % n for n in range(1_001)),),
    (b"Body=" + b"x" * 10_000_000,),
    (PLAIN, f"{FORM}; charset=bogus"),
    (PLAIN, f"{FORM}; charset=utf-16"),
    (PLAIN, "multipart/form-data"),
    (PLAIN, "multipart/form-data; boundary=x"),
    (b"--x\r\nContent-Disposition: form-data; name=Body", "multipart/form-data; boundary=x"),
    (PLAIN, "text/plain"),
    (b"{", "application/json"),
    (b"[" * 100_000, "application/json"),
    (b'{"Body": NaN}', "application/json"),
    (b"\xff", "application/json"),
    (PLAIN, FORM, "gzip"),
    (gzip.compress(PLAIN)[:-9], FORM, "gzip"),
    (gzip.compress(b"\0" * 50_000_000), FORM, "gzip"),
    (gzip.compress(gzip.compress(PLAIN)), FORM, "gzip"),
    (PLAIN, FORM, "deflate"),
    (PLAIN, FORM, "br"),
    (PLAIN, FORM, "zstd, gzip"),
)
# Fields that are text and no SIDs.
INJECTIONS = (
    (b"EventType=onMessageAdded&MessageSid=IM1&ConversationSid=CH%0d%0aX-Injected:%20yes",),
    (b"EventType=onMessageAdded&MessageSid=%27%3b--&ConversationSid=../../etc/passwd",),
    (b"EventType=onMessageAdded&MessageSid=IM1&ConversationSid=%e2%80%ae%e2%81%a6",),
)

"""Did Twilio sign this? Bytes in, yes or no out, never raising.

Twilio signs the public URL and, of a form, every field: names sorted, each followed by its value, nothing between
them (https://www.twilio.com/docs/usage/security). The borders between fields are therefore not protected; who reads
the fields must not trust them. Of a JSON body it signs the URL alone, which carries the body's SHA-256.

The official validator raises on a missing header, on a JSON body without its hash and on an odd port, and compares
with a loop of its own; `tests/test_signatures.py` holds this one to its verdicts wherever it has one.
"""

import hmac
from base64 import b64encode
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import product
from urllib.parse import ParseResult, parse_qs, urlparse

DEFAULT_PORTS = {"https": "443"}


def verify(url: str, covered: bytes, signature: str | None, tokens: Sequence[str]) -> bool:
    """Whether one of `tokens` signed a form posted to `url` (with its query). `covered`: what it covers of the form's
    fields, names sorted, each followed by its value, what comes twice once, as in the official libraries."""
    try:
        spellings = _spellings(url)
        claimed = (signature or "").encode("utf-8", "surrogateescape")
    except ValueError:
        return False
    for token, spelling in product(tokens, spellings):
        code = _keyed(token).copy()
        code.update(spelling + covered)
        if hmac.compare_digest(b64encode(code.digest()), claimed):
            return True
    return False


@lru_cache(maxsize=16)
def _keyed(token: str) -> hmac.HMAC:
    """The code under a key, of nothing yet: OpenSSL looks its algorithm up for each one that is made, and not for each
    that is copied."""
    return hmac.new(token.encode(), digestmod="sha1")


def verify_json(url: str, body: bytes, signature: str | None, tokens: Sequence[str]) -> bool:
    """Whether one of `tokens` signed `url`, and `body` is the one whose hash the URL carries as `bodySHA256`."""
    try:
        claimed = parse_qs(urlparse(url).query).get("bodySHA256", [""])[0].encode("utf-8", "surrogateescape")
    except ValueError:
        return False
    untouched = hmac.compare_digest(sha256(body).hexdigest().encode(), claimed)
    return verify(url, b"", signature, tokens) and untouched


@lru_cache(maxsize=64)
def _spellings(url: str) -> tuple[bytes, ...]:
    return tuple(variant.encode("utf-8", "surrogateescape") for variant in _with_and_without_port(url))


def _with_and_without_port(url: str) -> tuple[str, str]:
    """The two spellings Twilio may have signed, the likelier one first; a user and password are in neither. Raises
    ValueError."""
    parts = urlparse(url)
    host = parts.netloc.rpartition("@")[2]
    if parts.port:
        return _at(parts, host), _at(parts, host.rpartition(":")[0])
    return _at(parts, host), _at(parts, f"{host}:{DEFAULT_PORTS.get(parts.scheme, '80')}")


def _at(parts: ParseResult, netloc: str) -> str:
    return parts._replace(netloc=netloc).geturl()

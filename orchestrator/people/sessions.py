"""Sessions: the cookie by which somebody who signed in is known again, and the token his forms prove themselves with.

The cookie holds 32 random bytes; the database knows their SHA-256 alone, so who reads it cannot be anybody. Nothing is
kept in memory: every request asks the database, so whoever is disabled is out with his next one.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from orchestrator.people.rights import PERSON, Person, Role
from orchestrator.service import SERVICE, Service
from storage import people
from storage.errors import StorageError
from storage.people import LASTS_MS, TOUCHED_EVERY_MS, SignIn, StoredPerson

log = structlog.get_logger()
TOKEN: Final = web.RequestKey("token", str)
SESSION, FORM = "expert_hub", "expert_hub_form"
# base64 of 32 bytes, without padding
_LENGTH = 43
# bytes of an HMAC-SHA256
_PROOF = 32


def new_token() -> str:
    """32 random bytes, as a cookie holds them."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What the database keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def form_token(secret: str) -> str:
    """What a form carries to prove that a page of ours made it, for who has `secret` in a cookie; another each time.
    A proof that stayed the same could be guessed letter by letter from the sizes of compressed pages into which a
    stranger may put something (BREACH), so it stands behind random bytes that mask it."""
    pad = secrets.token_bytes(_PROOF)
    return base64.urlsafe_b64encode(pad + _masked(_proof(secret), pad)).decode()


def is_form_token(secret: str, given: str) -> bool:
    """Whether `form_token` has given this for a secret."""
    try:
        raw = base64.b64decode(given.encode("ascii"), altchars=b"-_", validate=True)
    except ValueError:
        return False
    pad, masked = raw[:_PROOF], raw[_PROOF:]
    return len(masked) == _PROOF and hmac.compare_digest(_masked(masked, pad), _proof(secret))


def _proof(secret: str) -> bytes:
    return hmac.digest(secret.encode(), b"form", "sha256")


def _masked(text: bytes, pad: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(text, pad, strict=True))


def is_over_https(public_url: str) -> bool:
    """Whether people reach this service by https."""
    return urlsplit(public_url).scheme == "https"


def read_cookie(request: web.Request, name: str) -> str | None:
    """A token of ours that the request carries under a name, None where there is none or it cannot be one."""
    found = request.cookies.get(_full(name, request.app[SERVICE].settings.public_url))
    return found if found is not None and found.isascii() and len(found) == _LENGTH else None


def write_cookie(
    request: web.Request, response: web.StreamResponse, name: str, value: str, lasts_s: int | None = None
) -> None:
    """Let the browser keep a value under a name, for us alone; until it is closed, or for `lasts_s`."""
    public_url = request.app[SERVICE].settings.public_url
    response.set_cookie(
        _full(name, public_url),
        value,
        path="/",
        max_age=lasts_s,
        secure=is_over_https(public_url),
        httponly=True,
        samesite="Lax",
    )


def drop_cookie(request: web.Request, response: web.StreamResponse, name: str) -> None:
    """Let the browser forget what it keeps under a name."""
    public_url = request.app[SERVICE].settings.public_url
    response.del_cookie(_full(name, public_url), path="/", secure=is_over_https(public_url), httponly=True)


def _full(name: str, public_url: str) -> str:
    # What begins so no other host of the domain can set, nor can it be sent in clear (RFC 6265bis, 4.1.3.2).
    return f"__Host-{name}" if is_over_https(public_url) else name


async def who(request: web.Request) -> Person | None:
    """Who sent a request; from then on it knows him (`PERSON`). Raises StorageError."""
    token = read_cookie(request, SESSION)
    if token is None:
        return None
    service = request.app[SERVICE]
    found = await _sign_in(service, token)
    if found is None:
        return None
    await _touched(service, token, found.seen_at)
    request[TOKEN], request[PERSON] = token, _as_person(found.person)
    return request[PERSON]


async def over(service: Service, tokens: Collection[str]) -> set[str]:
    """Those tokens whose sign-ins hold no more: what goes on for long asks now and then. Raises StorageError."""
    of, now = {digest(token): token for token in tokens}, service.writer.now()
    found = await service.reader.read(lambda connection: people.who_hold(connection, of, now))
    return {token for hashed, token in of.items() if hashed not in found}


async def _sign_in(service: Service, token: str) -> SignIn | None:
    hashed, now = digest(token), service.writer.now()
    found = await service.reader.read(lambda connection: people.signed_in(connection, hashed, now))
    # Who came in by the sandbox's buttons is nobody where there are none.
    may = found is not None and (service.settings.sandbox_mode or found.person.has_credentials)
    return found if may else None


async def _touched(service: Service, token: str, seen_at: int) -> None:
    """Note that a sign-in is used, where that was not noted within the last minute. A store that cannot write now does
    so another time."""
    hashed, now = digest(token), service.writer.now()
    if now - seen_at < TOUCHED_EVERY_MS:
        return
    try:
        await service.writer.run(lambda unit: people.touch(unit.connection, hashed, now))
    except StorageError as error:
        log.warning("sign_in_not_touched", reason=str(error))


def _as_person(stored: StoredPerson) -> Person:
    return Person(stored.id, stored.login, stored.name, Role(stored.role), stored.identity)


def keep(request: web.Request, response: web.StreamResponse, token: str) -> None:
    """Let the browser keep a new sign-in, and forget the form it came by."""
    write_cookie(request, response, SESSION, token, LASTS_MS // 1000)
    drop_cookie(request, response, FORM)

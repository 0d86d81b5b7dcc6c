"""Signing in: from what somebody gives to a session, or to one of few refusals that tell a stranger nothing.

What is counted, checked and begun is the same for every way in. A refusal is logged with the number of the person it
concerns, if there is one, and never with what was typed.
"""

import hashlib
import ipaddress
from collections.abc import Callable

import structlog
from aiohttp import web
from sqlalchemy import Connection

from orchestrator.nearby import client_address
from orchestrator.people.reception import PASSWORDS
from orchestrator.people.sessions import SESSION, digest, new_token, read_cookie
from orchestrator.service import SERVICE
from storage import attempts, people
from storage.attempts import Attempt
from storage.people import LOGIN_MAX, StoredPerson, folded
from storage.unit import About, Unit

log = structlog.get_logger()
# One household or office has that much of IPv6 (RFC 6177).
_HOUSEHOLD = 64


class SignInRefused(Exception):
    """Nobody is signed in: the login, the password or the person will not do. Which of them is not told."""


class TriedTooOften(Exception):
    """Somebody tried too often; he may again in `wait_s` seconds."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"again in {wait_s} s")
        self.wait_s = wait_s


async def by_password(request: web.Request, login: str, password: str) -> tuple[str, StoredPerson]:
    """Sign somebody in: his new token, and who he is. Raises SignInRefused, TriedTooOften, passwords.TooBusy and
    StorageError."""
    if not login.strip() or not password or len(login) > LOGIN_MAX:
        raise SignInRefused
    login = folded(login)
    tried = await try_once(request, login)
    found = await request.app[SERVICE].reader.read(lambda connection: people.by_login(connection, login))
    hashed = None if found is None or found.disabled_at is not None else found.password_hash
    verdict = await request.app[PASSWORDS].verify(hashed, password)
    if found is None or hashed is None or not verdict.is_right:
        log.warning("sign_in_refused", person=None if found is None else found.id)
        raise SignInRefused

    def prove(connection: Connection, now: StoredPerson) -> bool:
        """The password may have been changed while it was looked at."""
        if now.password_hash != hashed:
            return False
        if verdict.renewed is not None:
            people.renew_hash(connection, now.id, hashed, verdict.renewed)
        attempts.take_back(connection, tried.ids)
        return True

    return await begin(request, found.id, prove)


async def begin(
    request: web.Request, number: int, prove: Callable[[Connection, StoredPerson], bool]
) -> tuple[str, StoredPerson]:
    """Begin a session for a person who is enabled and for whom `prove` says so in the same transaction, and end the one
    the request came with. Raises SignInRefused and StorageError."""
    token, old = new_token(), read_cookie(request, SESSION)

    def work(unit: Unit) -> StoredPerson | None:
        connection = unit.connection
        person = people.by_id(connection, number, lock=True)
        if person is None or person.disabled_at is not None or not prove(connection, person):
            return None
        if old is not None:
            people.end(connection, digest(old))
        people.prune(connection, unit.now)
        people.begin(connection, digest(token), number, unit.now)
        return person

    person = await request.app[SERVICE].writer.run(work)
    if person is None:
        log.warning("sign_in_refused", person=number)
        raise SignInRefused
    log.info("signed_in", person=number)
    return token, person


async def try_once(request: web.Request, login: str | None = None) -> Attempt:
    """Count a try of whoever asks, under a login if there is one, and forget those that are over. Raises TriedTooOften
    and StorageError."""
    trusted = request.app[SERVICE].settings.trusted_proxies
    keys = [_key("address", _household(client_address(request, trusted)))]
    if login is not None:
        keys.append(_key("login", login))

    def work(unit: Unit) -> Attempt:
        attempts.prune(unit.connection, unit.now)
        return attempts.attempt_once(unit.connection, keys, unit.now)

    tried = await request.app[SERVICE].writer.run(work, About(lock=attempts.LOCK))
    if tried.wait_ms:
        log.warning("sign_in_tried_too_often", wait_ms=tried.wait_ms)
        raise TriedTooOften(-(-tried.wait_ms // 1000))
    return tried


def _key(kind: str, value: str) -> str:
    return hashlib.sha256(f"{kind}:{value}".encode()).hexdigest()


def _household(remote: str | None) -> str:
    """Whoever has an IPv6 address has very many: they count as one."""
    try:
        address = ipaddress.ip_address((remote or "").partition("%")[0])
    except ValueError:
        return remote or ""
    if address.version == 4 or address.ipv4_mapped is not None:
        return str(address)
    return str(ipaddress.ip_network((address, _HOUSEHOLD), strict=False))

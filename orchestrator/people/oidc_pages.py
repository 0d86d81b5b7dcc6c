"""`/signin/oidc` and `/signin/oidc/callback`: to the provider of identities and back.

Nobody is added: a person is known by the provider's name for him, which is noted when his verified e-mail address, his
login, is told for the first time.
"""

import structlog
from aiohttp import web
from sqlalchemy import Connection

from orchestrator.people import sessions
from orchestrator.people.oidc import PROVIDER, Identity, OidcFailed, going_to_of, state_of
from orchestrator.people.origins import local_path
from orchestrator.people.pages import BUSY, RETRY_S, STALE, TOO_OFTEN, admitted, page
from orchestrator.people.seeded import LOGINS
from orchestrator.people.signing_in import SignInRefused, TriedTooOften, begin, try_once
from orchestrator.service import SERVICE
from storage import attempts, people
from storage.attempts import Attempt
from storage.errors import StorageError
from storage.people import StoredPerson, folded

log = structlog.get_logger()
COOKIE, COOKIE_S = "expert_hub_oidc", 600
NOT_TOLD = "Your company account did not let you in. Please try again, or sign in with a password."
UNKNOWN = "Nobody here has this company account. Please ask an administrator."


async def leave(request: web.Request) -> web.Response:
    """Lead to the provider."""
    going_to, secret = local_path(request.query.get("next")) or "", sessions.new_token()
    try:
        url = await request.app[PROVIDER].way_in(secret, state_of(secret, going_to))
    except OidcFailed as error:
        log.warning("oidc_failed", reason=str(error))
        return page(request, 503, BUSY, going_to or None, retry_s=RETRY_S)
    response = web.Response(status=303, headers={"Location": url, "Cache-Control": "no-store"})
    sessions.write_cookie(request, response, COOKIE, secret, COOKIE_S)
    return response


async def come_back(request: web.Request) -> web.Response:
    """Take somebody in whom the provider sends back; its word counts once."""
    response = await _come_back(request)
    sessions.drop_cookie(request, response, COOKIE)
    return response


async def _come_back(request: web.Request) -> web.Response:
    secret = sessions.read_cookie(request, COOKIE)
    going_to = None if secret is None else going_to_of(secret, request.query.get("state", ""))
    if secret is None or going_to is None:
        return page(request, 422, STALE, None)
    onward = local_path(going_to)
    try:
        token, person = await _come_in(request, secret)
    except OidcFailed as error:
        log.warning("oidc_failed", reason=str(error))
        return page(request, 422, NOT_TOLD, onward)
    except SignInRefused:
        return page(request, 422, UNKNOWN, onward)
    except TriedTooOften as error:
        return page(request, 429, TOO_OFTEN.format(wait=error.wait_s), onward, retry_s=error.wait_s)
    except StorageError as error:
        log.warning("sign_in_not_possible", error=type(error).__name__, reason=str(error))
        return page(request, 503, BUSY, onward, retry_s=RETRY_S)
    return admitted(request, token, person, onward)


async def _come_in(request: web.Request, secret: str) -> tuple[str, StoredPerson]:
    if "code" not in request.query:
        raise OidcFailed("the provider sent somebody back without a code")
    tried = await try_once(request)
    identity = await request.app[PROVIDER].identity(secret, request.query["code"])
    found = await request.app[SERVICE].reader.read(lambda connection: _known(connection, identity))
    if found is None:
        log.warning("sign_in_refused", person=None)
        raise SignInRefused
    return await begin(request, found.id, lambda connection, now: _is_he(connection, now, identity, tried))


def _known(connection: Connection, identity: Identity) -> StoredPerson | None:
    by_subject = people.by_subject(connection, identity.subject)
    if by_subject is not None or identity.email is None:
        return by_subject
    return people.by_login(connection, identity.email)


def _is_he(connection: Connection, person: StoredPerson, identity: Identity, tried: Attempt) -> bool:
    """Whether a person is the one that the provider speaks of; if so the try is not counted."""
    if person.oidc_subject is None and _has_address(person, identity):
        people.remember_subject(connection, person.id, identity.subject)
    elif person.oidc_subject != identity.subject:
        # His address is another account's now, and that one is not he.
        return False
    attempts.take_back(connection, tried.ids)
    return True


def _has_address(person: StoredPerson, identity: Identity) -> bool:
    return identity.email is not None and folded(identity.email) == person.login and person.login not in LOGINS

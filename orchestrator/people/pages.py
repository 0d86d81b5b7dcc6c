"""The pages of coming and going: `/signin` and `/signout`. They work without a script.

The form is bound to the browser it was shown to by a cookie of its own, so that nobody can sign another one in under a
name of his choice.
"""

from typing import Any

import structlog
from aiohttp import web

from orchestrator.pages.rendering import answer_json, render
from orchestrator.people import sessions
from orchestrator.people.origins import carries_token, form_of, is_from_us, local_path
from orchestrator.people.passwords import TooBusy
from orchestrator.people.rights import PERSON, Role
from orchestrator.people.seeded import LOGINS, SEEDED, Seeded, may_tap
from orchestrator.people.sessions import FORM, SESSION
from orchestrator.people.signing_in import SignInRefused, TriedTooOften, begin, by_password
from orchestrator.service import SERVICE
from storage import people
from storage.errors import StorageError
from storage.people import StoredPerson

log = structlog.get_logger()
WRONG = "The login or the password is not right. Please check both and try again."
TOO_OFTEN = "That was tried a few times now. Please wait {wait} seconds, then try again."
BUSY = "Signing in takes too long at the moment. Please try again in a few seconds."
STALE = "This page was open for too long. Please sign in once more."
NOT_HERE = "This way of signing in works on the sandbox's own machine only."
RETRY_S = 5


async def show(request: web.Request) -> web.Response:
    """The form; whoever is signed in is led on."""
    going_to = local_path(request.query.get("next"))
    try:
        person = await sessions.who(request)
    except StorageError:
        return page(request, 503, BUSY, going_to)
    if person is not None:
        return _led_on(going_to, person.role)
    return page(request, 200, None, going_to)


async def twin(request: web.Request) -> web.Response:
    """/signin.json: the ways in that the form offers, whoever asks. Of people it names those of the sandbox, where the
    form does."""
    seeded = [{"login": one.login, "name": one.name, "role": one.role} for one in _offered(request)]
    return answer_json({"password": True, "oidc": "/signin/oidc" if _has_oidc(request) else None, "seeded": seeded})


async def sign_in(request: web.Request) -> web.Response:
    """Take the form: a session and the way on, or the form once more with what is wrong."""
    form = await form_of(request)
    going_to, login = local_path(form.get("next")), _text(form, "login")
    secret = sessions.read_cookie(request, FORM)
    if secret is None or not is_from_us(request) or not await carries_token(request, secret):
        return page(request, 403, STALE, going_to)
    try:
        token, person = await _come_in(request, login, _text(form, "password"), _text(form, "as"))
    except SignInRefused as error:
        return page(request, 422, str(error) or WRONG, going_to, login)
    except TriedTooOften as error:
        return page(request, 429, TOO_OFTEN.format(wait=error.wait_s), going_to, login, retry_s=error.wait_s)
    except (TooBusy, StorageError) as error:
        log.warning("sign_in_not_possible", error=type(error).__name__, reason=str(error))
        return page(request, 503, BUSY, going_to, login, retry_s=RETRY_S)
    return admitted(request, token, person, going_to)


async def _come_in(request: web.Request, login: str, password: str, tapped: str) -> tuple[str, StoredPerson]:
    if not tapped:
        return await by_password(request, login, password)
    if tapped not in LOGINS or not may_tap(request):
        raise SignInRefused(NOT_HERE)
    found = await request.app[SERVICE].reader.read(lambda connection: people.by_login(connection, tapped))
    if found is None:
        raise SignInRefused(NOT_HERE)
    # Whoever gave one of them a password means it to be asked for.
    return await begin(request, found.id, lambda _connection, person: not person.has_credentials)


def admitted(request: web.Request, token: str, person: StoredPerson, going_to: str | None) -> web.Response:
    """The answer to somebody who has just signed in."""
    response = _led_on(going_to, Role(person.role))
    sessions.keep(request, response, token)
    return response


async def sign_out(request: web.Request) -> web.Response:
    """End the sign-in that the request came with."""
    hashed, person = sessions.digest(request[sessions.TOKEN]), request[PERSON]
    await request.app[SERVICE].writer.run(lambda unit: people.end(unit.connection, hashed))
    log.info("signed_out", person=person.id)
    response = _led_on("/signin", person.role)
    sessions.drop_cookie(request, response, SESSION)
    return response


def _led_on(going_to: str | None, role: Role) -> web.Response:
    home = "/app" if role is Role.worker else "/console"
    return web.Response(status=303, headers={"Location": going_to or home, "Cache-Control": "no-store"})


def page(
    request: web.Request,
    status: int,
    problem: str | None,
    going_to: str | None,
    login: str = "",
    retry_s: int | None = None,
) -> web.Response:
    """The form, with what went wrong."""
    secret = sessions.read_cookie(request, FORM)
    fresh = secret is None
    secret = secret or sessions.new_token()
    response = render(
        request,
        "people/signin.html",
        status,
        csrf=sessions.form_token(secret),
        problem=problem,
        login=login[: people.LOGIN_MAX],
        going_to=going_to or "",
        seeded=_offered(request),
        has_oidc=_has_oidc(request),
    )
    if fresh:
        sessions.write_cookie(request, response, FORM, secret)
    if retry_s is not None:
        response.headers["Retry-After"] = str(retry_s)
    return response


def _offered(request: web.Request) -> tuple[Seeded, ...]:
    return SEEDED if may_tap(request) else ()


def _has_oidc(request: web.Request) -> bool:
    return request.app[SERVICE].settings.oidc_issuer is not None


def _text(form: Any, name: str) -> str:
    found = form.get(name, "")
    return found if isinstance(found, str) else ""

"""Who may use which route: every route of the application against every role and nobody, found by walking the router.

A route that is added is tested by being there. What is allowed need not succeed, for there is no such conversation; it
must only not be refused, and its handler must be where the route says.
"""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from orchestrator.app import build_app
from orchestrator.people.guarding import RightMissing, open_to, require_rights
from orchestrator.people.rights import EVERYBODY, OPERATOR, SIGNED_IN, TWILIO, Handler, Right, Role, right_of, used_by
from orchestrator.people.sessions import FORM, form_token
from orchestrator.settings import Settings
from tests.e2e.conftest import House
from tests.visitors import Answer, Visitor, visiting

NOBODY = "nobody"
LOGINS = {role: f"{role}@example.test" for role in Role} | {Role.worker: "ada@example.test"}
SID = "CH" + "0" * 32
TOKEN = "operators-only"
# Nobody answers there.
OIDC = {"OIDC_ISSUER": "http://127.0.0.1:9", "OIDC_CLIENT_ID": "hub", "OIDC_CLIENT_SECRET": "canary"}


def routes() -> list[tuple[str, str, Right]]:
    """Method, path and right of every route; a parameter is a SID, which nothing has."""
    app = build_app(Settings.load(OIDC))
    return sorted(
        {
            (route.method, re.sub(r"\{[^}]*\}", SID, route.resource.canonical), right)
            for route in app.router.routes()
            if route.resource is not None and (right := right_of(route.handler)) is not None
        },
        key=lambda row: row[:2],
    )


ROUTES = routes()


def is_refused(answer: Answer) -> bool:
    """Whether somebody is kept out: told so, or led to the sign-in."""
    led_away = answer.status == 303 and str(answer.leads_to).startswith("/signin?")
    return answer.status in (401, 403) or led_away


def may(role: str, right: Right) -> bool:
    """What the right says of somebody who comes with a browser and nothing else."""
    return right is EVERYBODY or role in right.roles


@pytest.fixture
async def people(bare_house: House) -> AsyncIterator[dict[str, Visitor]]:
    """Somebody of each role, signed in, and nobody."""
    await bare_house.start(ADMIN_TOKEN=TOKEN, **OIDC)
    async with AsyncExitStack() as stack:
        visitors = {who: await stack.enter_async_context(visiting(bare_house.url)) for who in (NOBODY, *Role)}
        await visitors[NOBODY].get("/signin")
        for role in Role:
            assert (await visitors[role].tap(LOGINS[role])).status == 303
        yield visitors


async def use(visitor: Visitor, method: str, path: str) -> Answer:
    """Use a route as a page of ours would; the sign-in's is of a browser, not of a session."""
    token = visitor.csrf
    if path == "/signin":
        secret = visitor.cookies.get(FORM, "f" * 43)
        visitor.session.cookie_jar.update_cookies({FORM: secret})
        token = form_token(secret)
    return await visitor.ask(method, path, X_CSRF_Token=token, Origin=visitor.url)


async def test_every_route_is_open_to_whom_it_names_and_to_nobody_else(people: dict[str, Visitor]) -> None:
    wrong, leaving = [], ("POST", "/signout")
    for method, path, right in sorted(ROUTES, key=lambda row: row[:2] == leaving):
        for who, visitor in people.items():
            answer = await use(visitor, method, path)
            if is_refused(answer) == may(who, right) or answer.status == 500:
                wrong.append((method, path, right.name, who, answer.status, answer.leads_to))
    assert wrong == []


async def test_no_route_that_changes_something_takes_a_form_of_elsewhere(people: dict[str, Visitor]) -> None:
    guarded = [(method, path) for method, path, right in ROUTES if right.roles and method not in ("GET", "HEAD")]
    assert guarded
    for method, path in guarded:
        for role in Role:
            visitor = people[role]
            strange: list[dict[str, str]] = [
                {"X_CSRF_Token": visitor.csrf, "Origin": "https://evil.example.test"},
                {"X_CSRF_Token": visitor.csrf, "Sec_Fetch_Site": "cross-site"},
                {"X_CSRF_Token": people[NOBODY].csrf, "Origin": visitor.url},
                {"Origin": visitor.url},
                {"X_CSRF_Token": visitor.csrf},
            ]
            answers = [await visitor.ask(method, path, **headers) for headers in strange]
            assert [answer.status for answer in answers] == [403] * len(strange), (method, path, role)


async def test_an_operator_may_with_his_token(people: dict[str, Visitor]) -> None:
    operators = [(method, path) for method, path, right in ROUTES if right is OPERATOR]
    assert operators
    for method, path in operators:
        answer = await people[NOBODY].ask(method, path, Authorization=f"Bearer {TOKEN}")
        assert not is_refused(answer), path


def test_the_matrix_covers_every_route_and_every_right_is_used_somewhere() -> None:
    app = build_app(Settings.load(OIDC))
    walked = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource is not None}
    assert len(walked) == len(ROUTES)
    assert {EVERYBODY, TWILIO, OPERATOR, SIGNED_IN} <= {right for _method, _path, right in ROUTES}
    assert ("HEAD", "/signin") in walked


async def forgetful(_request: web.Request) -> web.Response:
    return web.Response()


def app_with(*added: Any) -> web.Application:
    app = web.Application()
    app.add_routes(added)
    return app


def test_a_route_that_says_nothing_keeps_the_application_from_being_built(tmp_path: Any) -> None:
    async def thoughtful(_request: web.Request) -> web.Response:
        return web.Response()

    declared: Handler = used_by(EVERYBODY, thoughtful)
    require_rights(app_with(web.get("/a", declared)))
    with pytest.raises(RightMissing, match="GET /b, HEAD /b"):
        require_rights(app_with(web.get("/a", declared), web.get("/b", forgetful)))
    with pytest.raises(RightMissing, match="GET /files"):
        require_rights(app_with(web.static("/files", tmp_path)))
    whole = app_with(web.get("/a", declared))
    whole.add_subapp("/below/", app_with(web.post("/c", forgetful)))
    with pytest.raises(RightMissing, match="POST /below/c"):
        require_rights(whole)


def test_a_right_that_names_no_role_guards_nothing() -> None:
    for right in (EVERYBODY, TWILIO, OPERATOR):
        with pytest.raises(AssertionError, match="used_by"):
            open_to(right, forgetful)

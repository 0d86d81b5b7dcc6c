"""The guard of pages for people: whom it leads where, what a handler finds, and what becomes of the answer."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from orchestrator.people.guarding import csrf_of, open_to
from orchestrator.people.rights import PERSON, SERVE, WATCH
from orchestrator.people.sessions import SESSION, is_form_token
from orchestrator.service import SERVICE
from storage import people
from storage.errors import StorageError
from tests.e2e.conftest import House
from tests.visitors import Visitor, visiting

ADA = "ada@example.test"


async def mine(request: web.Request) -> web.Response:
    """Who asks, with what token."""
    person = request[PERSON]
    return web.json_response({"login": person.login, "identity": person.identity, "csrf": csrf_of(request)})


async def take(request: web.Request) -> web.Response:
    """A form's field, read after the guard has read the form."""
    return web.json_response({"body": (await request.post())["body"]})


async def stored_nowhere(_request: web.Request) -> web.Response:
    raise StorageError("the store is closed")


@pytest.fixture
async def pages(house: House) -> AsyncIterator[str]:
    """The address of a few more pages over the house's service; cookies know no ports."""
    app = web.Application()
    app[SERVICE] = house.service
    app.add_routes(
        [
            web.get("/mine", open_to(SERVE, mine)),
            web.get("/mine.json", open_to(SERVE, mine)),
            web.get("/watched", open_to(WATCH, mine)),
            web.post("/take", open_to(SERVE, take)),
            web.get("/stored", open_to(SERVE, stored_nowhere)),
        ]
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def ada(house: House, pages: str) -> AsyncIterator[Visitor]:
    """Ada, signed in, at those pages."""
    async with visiting(house.url) as visitor:
        await visitor.tap(ADA)
        visitor.url = pages
        yield visitor


async def test_a_handler_finds_who_asks_and_the_token_of_his_forms(ada: Visitor) -> None:
    answer = await ada.get("/mine")
    told = json.loads(answer.text)
    assert is_form_token(ada.cookies[SESSION], told.pop("csrf"))
    assert told == {"login": ADA, "identity": ADA}
    assert answer.headers["Cache-Control"] == "no-store"
    assert json.loads((await ada.post("/take", body="Bonjour")).text) == {"body": "Bonjour"}


async def test_a_page_leads_to_the_sign_in_and_back(pages: str) -> None:
    async with visiting(pages) as visitor:
        answer = await visitor.get("/mine?state=a%20b&x=%22")
        assert (answer.status, answer.leads_to) == (303, "/signin?next=%2Fmine%3Fstate%3Da%2520b%26x%3D%2522")
        assert (await visitor.ask("HEAD", "/mine")).status == 303
        assert (await visitor.get("/mine", Accept="text/html,*/*", Sec_Fetch_Dest="document")).status == 303
        # As a service worker passes it on.
        assert (await visitor.get("/mine", Accept="text/html,*/*", Sec_Fetch_Dest="empty")).status == 303


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/mine.json", {}),
        ("/mine?format=json", {}),
        ("/mine", {"Accept": "application/json"}),
        ("/mine", {"Accept": "text/event-stream"}),
        ("/mine", {"Sec_Fetch_Dest": "empty"}),
        ("/mine", {"Sec_Fetch_Dest": "image"}),
    ],
    ids=str,
)
async def test_a_program_is_told_that_it_is_not_signed_in(pages: str, path: str, headers: dict[str, str]) -> None:
    async with visiting(pages) as visitor:
        answer = await visitor.get(path, **headers)
    assert (answer.status, list(json.loads(answer.text))) == (401, ["error"])


async def test_whoever_has_another_role_is_told_so(ada: Visitor) -> None:
    shown = await ada.get("/watched", Accept="text/html")
    assert (shown.status, "This page is not for you." in shown.text) == (403, True)
    assert 'href="/signin"' not in shown.text
    assert (await ada.get("/watched")).status == 403


async def test_a_store_that_does_not_answer_is_503(ada: Visitor) -> None:
    answer = await ada.get("/stored")
    assert (answer.status, "Please try again" in answer.text) == (503, True)


async def test_a_form_that_cannot_be_read_is_refused(ada: Visitor) -> None:
    async with ada.session.post(
        f"{ada.url}/take",
        data=b"csrf=\xff",
        headers={"Origin": ada.url, "Content-Type": "application/x-www-form-urlencoded; charset=no-such"},
    ) as response:
        assert response.status == 403


async def leaves_by_signing_out(house: House, ada: Visitor) -> None:
    await ada.post("/signout")


async def is_disabled(house: House, ada: Visitor) -> None:
    await house.service.writer.run(lambda unit: people.disable(unit.connection, ADA, unit.now))


async def gets_another_password(house: House, ada: Visitor) -> None:
    await house.service.writer.run(lambda unit: people.set_password(unit.connection, ADA, "hash"))


@pytest.mark.parametrize("leaves", [leaves_by_signing_out, is_disabled, gets_another_password])
async def test_whoever_is_signed_in_no_more_is_told_nothing_more(
    house: House, leaves: Callable[[House, Visitor], Awaitable[None]]
) -> None:
    async with visiting(house.url) as ada, visiting(house.url) as other:
        await ada.tap(ADA)
        await other.tap("grace@example.test")
        async with (
            ada.session.get(f"{house.url}/app/events") as stream,
            other.session.get(f"{house.url}/app/events") as others,
        ):
            assert await stream.content.readuntil(b"\r\n\r\n")
            await leaves(house, ada)
            async with asyncio.timeout(3):
                assert b"event: over" in await stream.content.read()
            assert (await ada.get("/app/events", Accept="text/event-stream")).status == 401
            assert not others.content.at_eof()


async def test_each_page_of_a_session_has_another_token_and_each_is_good(house: House) -> None:
    async with visiting(house.url) as visitor:
        shown = [(await visitor.get("/signin")).text for _ in range(2)]
        await visitor.tap(ADA)
        shown += [(await visitor.get("/app")).text for _ in range(2)]
        tokens = [set(re.findall(r'name="csrf" (?:value|content)="([^"]+)"', text)) for text in shown]
        assert [len(found) for found in tokens] == [1] * 4
        assert len(set.union(*tokens)) == 4
        for found in tokens[2:]:
            (token,) = found
            assert (await visitor.post("/app/available", available="true", csrf=token)).status == 303

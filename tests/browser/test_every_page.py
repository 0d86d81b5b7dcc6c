"""Every page there is, found by walking the router: axe finds nothing, it fits a phone and a desk, in light and dark;
and whatever its address or its form says, it is shown as text.

A page that is added is looked at by being there.
"""

import re
from html.parser import HTMLParser
from urllib.parse import quote, urlencode

import pytest
from msgspec.structs import replace
from playwright.async_api import Browser, ViewportSize

from orchestrator.people.rights import Role, right_of
from storage import notes
from storage.unit import Unit
from tests.browser.hostile import HOSTILE
from tests.browser.phones import DESK, GRACE, PHONE, at, is_unharmed, violations, with_worker
from tests.e2e.conftest import House
from tests.test_boards import stored
from tests.test_boards import with_worker as served
from tests.visitors import Answer, visiting

pytestmark = pytest.mark.asyncio(loop_scope="session")
LOGINS = {role: f"{role}@example.test" for role in Role} | {Role.worker: GRACE}
NOBODY = ""
# Whatever a page reads from its address; one that is given what it does not know passes over it.
PARAMETERS = ("q", "after", "before", "show", "state", "worker", "channel", "waiting", "failing", "version", "done")
PARAMETERS += ("id", "conversation", "next", "code", "limit")


async def pages(house: House, sid: str) -> dict[str, str]:
    """Path and login of every page: what answers HTML when a browser asks for it. Grace serves the conversation."""
    found = {}
    for route in house.app.router.routes():
        right = right_of(route.handler)
        if route.method != "GET" or route.resource is None or right is None:
            continue
        login = next((LOGINS[role] for role in Role if role in right.roles), NOBODY)
        path = re.sub(r"\{sid[^}]*\}", sid, route.resource.canonical)
        path = re.sub(r"\{[^}]*\}", "0", path) + ("?id=2" if path.endswith("/one") else "")
        async with visiting(house.url) as visitor:
            if login:
                await visitor.tap(login)
            if (await visitor.get(path, Accept="text/html")).headers.get("Content-Type", "").startswith("text/html"):
                found[path] = login
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_axe_finds_nothing_on_any_page_and_each_fits(
    browser: Browser, house: House, size: ViewportSize, scheme: str
) -> None:
    sid = await with_worker(house)
    await house.service.writer.run(lambda unit: notes.add(unit, sid, GRACE, "Call after six", unit.now))
    every = await pages(house, sid)
    assert {"/signin", "/app", f"/app/c/{sid}", "/console", f"/console/c/{sid}", "/console/machine"} <= every.keys()
    # What is refused and what is not there are pages, too.
    every |= {"/console?": GRACE, "/console/c/CH" + "0" * 32: LOGINS[Role.developer], f"/app/c/CH{'0' * 32}": GRACE}
    for login in sorted(set(every.values())):
        async with at(browser, house, login, color_scheme=scheme) as page:
            for path in [path for path in every if every[path] == login]:
                await page.set_viewport_size(size)
                await page.goto(house.url + path)
                assert await violations(page) == [], path
                assert await page.evaluate("document.documentElement.scrollWidth") <= size["width"], path


class Harm(HTMLParser):
    """Finds in a page what would run, or lead where something runs."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        runs = tag == "script" and not (given.get("src") or "").startswith("/static/")
        leads = [given.get(name) or "" for name in ("href", "src", "action", "formaction")]
        strange = [to for to in leads if not re.match(r"(/(?![/\\])|\?|#|https://|mailto:|data:,|$)", to)]
        handlers = [name for name in given if name.startswith("on") or name in ("style", "srcdoc")]
        if runs or strange or handlers or tag in ("iframe", "object", "embed", "base"):
            self.found.append(self.get_starttag_text() or tag)


def harm_in(answer: Answer) -> list[str]:
    """What in an answer would harm."""
    assert answer.status < 500, answer.status
    parser = Harm()
    parser.feed(answer.text)
    return parser.found


async def test_nothing_in_an_address_or_a_login_runs(browser: Browser, house: House) -> None:
    sid = await with_worker(house)
    every = await pages(house, sid)
    for login in sorted(set(every.values())):
        async with visiting(house.url) as visitor:
            if login:
                await visitor.tap(login)
            for path in [path for path in every if every[path] == login]:
                for text in HOSTILE[:: 1 if path in ("/signin", "/console", "/app/customers") else 10]:
                    asked = urlencode(dict.fromkeys(PARAMETERS, text[:300]), errors="replace")
                    assert harm_in(await visitor.get(f"{path.partition('?')[0]}?{asked}")) == [], (path, text)
    async with visiting(house.url) as visitor:
        for text in HOSTILE[::4]:
            assert harm_in(await visitor.sign_in(text, text, text)) == [], text
    async with at(browser, house, GRACE) as page:
        for text in HOSTILE[::8]:
            await page.goto(f"{house.url}/app/customers?q={quote(text[:200], errors='replace')}")
            await is_unharmed(page)


async def test_nothing_in_what_a_customer_or_a_colleague_is_called_runs(browser: Browser, house: House) -> None:
    sid = await with_worker(house)
    for number, text in enumerate(HOSTILE):
        await house.worker(f"{number}{text}"[:64], True)

    def plant(unit: Unit) -> None:
        rows = [
            replace(served(number, GRACE), address=text[:200], proxy_address=text[:200], updated_at=unit.now)
            for number, text in enumerate(HOSTILE, 1)
        ]
        stored(unit.connection, rows)

    await house.service.writer.run(plant)
    async with at(browser, house, GRACE) as page:
        await page.goto(f"{house.url}/app")
        for _ in range(len(HOSTILE) // 50):
            await is_unharmed(page)
            await page.get_by_role("link", name="Older conversations").click()
        await is_unharmed(page)
        for number in range(1, len(HOSTILE), 20):
            await page.goto(f"{house.url}/app/c/{served(number, GRACE).sid}")
            await is_unharmed(page)
        await page.goto(f"{house.url}/app/c/{sid}/hand-over")
        assert await page.get_by_role("radio").count() > len(HOSTILE)
        await is_unharmed(page)

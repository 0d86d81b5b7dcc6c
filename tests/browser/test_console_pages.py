"""The workbench in a real browser: live without a reload, by keyboard alone, with thousands of rows, and with texts
that somebody means harm with."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect
from sqlalchemy import insert, update

from states.conversation import Profile
from storage import audit, notes
from storage.schema import conversation, outbox
from storage.unit import Unit
from tests.browser.hostile import HOSTILE
from tests.browser.phones import DESK, GRACE, MARIA, PHONE, ROBERT, at, is_unharmed, twin, with_worker
from tests.e2e.conftest import House
from tests.test_boards import effect, person, stored
from tests.test_boards import with_worker as served

pytestmark = pytest.mark.asyncio(loop_scope="session")
BOSS = "supervisor@example.test"
MANY = 5_000


@pytest_asyncio.fixture(loop_scope="session")
async def desk(browser: Browser, house: House) -> AsyncIterator[Page]:
    """A supervisor's page at a desk."""
    async with at(browser, house, BOSS, DESK) as page:
        yield page


async def mark(page: Page) -> None:
    """Remember that this page was not loaded again."""
    await page.evaluate("window.isTheSame = true")


async def is_the_same(page: Page) -> bool:
    return bool(await page.evaluate("window.isTheSame === true"))


def row(page: Page, sid: str) -> Any:
    return page.locator(f'tr[data-key="{sid}"]')


# Live


async def test_the_board_follows_without_a_reload(desk: Page, house: House) -> None:
    await desk.goto(f"{house.url}/console")
    await expect(desk.get_by_text("No open conversation")).to_be_visible()
    await mark(desk)
    sid = await house.say(MARIA, "Hello")
    await expect(row(desk, sid)).to_contain_text("Maria Sanchez")
    await expect(row(desk, sid)).to_contain_text("With the assistant")
    await house.say(MARIA, f"{GRACE}, please")
    await expect(row(desk, sid)).to_contain_text("With a person")
    await expect(row(desk, sid)).to_contain_text(GRACE)
    await expect(desk.locator(".tile.of-with_worker .number")).to_have_text("1")
    await expect(desk.locator("#workers li", has_text=GRACE)).to_contain_text("1")
    await house.everyone_away()
    other = await house.say(ROBERT, "AGENT")
    await expect(desk.locator("#queue li")).to_have_count(1)
    await expect(row(desk, other)).to_contain_text("Waiting")
    assert await is_the_same(desk)


async def test_a_conversation_follows_and_what_is_being_typed_stays(desk: Page, house: House) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)
    await desk.goto(f"{house.url}/console/c/{sid}")
    await mark(desk)
    await desk.locator("#reason").fill("A reason I have not finished")
    await desk.locator(".timeline .why summary").first.click()
    await house.say(MARIA, f"{GRACE}, please")
    await expect(desk.locator("#transcript")).to_contain_text(f"{GRACE}, please")
    await expect(desk.locator(".machine .current + .name")).to_have_text("with_worker")
    await expect(desk.locator("#timeline")).to_contain_text("worker joined")
    await expect(desk.locator("#reason")).to_have_value("A reason I have not finished")
    await expect(desk.locator(".timeline .why[open]")).to_have_count(1)
    assert await is_the_same(desk)


# Its history


async def test_the_slider_shows_each_version_at_once_and_keeps_it_in_the_address(desk: Page, house: House) -> None:
    sid = await with_worker(house)
    newest = (await house.dump(sid))["version"]
    await desk.goto(f"{house.url}/console/c/{sid}")
    await mark(desk)
    slider = desk.get_by_role("slider")
    await expect(slider).to_have_value(str(newest))
    await slider.focus()
    await desk.keyboard.press("Home")
    await expect(desk.locator("#timeline")).to_contain_text("Nothing has happened yet")
    await expect(desk.locator(".machine .current + .name")).to_have_text("greeting")
    assert desk.url.endswith("?version=0")
    await desk.keyboard.press("ArrowRight")
    await expect(desk.locator(".timeline .decision")).to_have_count(1)
    await expect(desk.locator("#act-form")).to_have_count(0)
    await desk.keyboard.press("End")
    await expect(desk.locator(".timeline .decision")).to_have_count(newest)
    await expect(desk.locator("#act-form")).to_have_count(1)
    assert "version" not in desk.url
    assert await is_the_same(desk)
    await desk.goto(f"{house.url}/console/c/{sid}?version=1")
    await desk.reload()
    await expect(slider).to_have_value("1")


async def test_without_a_script_the_history_is_walked_by_links(browser: Browser, house: House) -> None:
    sid = await with_worker(house)
    async with at(browser, house, BOSS, DESK, java_script_enabled=False) as page:
        await page.goto(f"{house.url}/console/c/{sid}")
        await page.get_by_role("link", name="Back").click()
        await expect(page.locator("#when")).to_contain_text("As it was at")
        await page.get_by_role("link", name="Now", exact=True).click()
        await expect(page.locator("#when")).to_contain_text("As it is now")
        await page.get_by_role("slider").fill("1")
        await page.get_by_role("button", name="Show").click()
        await expect(page.locator(".timeline .decision")).to_have_count(1)


# Acting


async def test_an_act_is_done_told_and_not_repeated_by_a_reload(desk: Page, house: House) -> None:
    sid = await with_worker(house)
    await house.everyone_away()
    await desk.goto(f"{house.url}/console/c/{sid}")
    await desk.get_by_role("button", name="To the queue").click()
    assert await desk.locator("#reason").evaluate("field => !field.checkValidity()")
    await desk.locator("#reason").fill("Grace is ill")
    await desk.get_by_role("button", name="To the queue").click()
    await expect(desk.locator(".done-bar")).to_have_text("The customer waits for whoever is available.")
    await expect(desk.locator("#head")).to_contain_text("Waiting")
    await desk.reload()
    await expect(desk.locator(".done-bar")).to_have_count(0)
    acts = (await twin(desk, f"/console/audit.json?conversation={sid}"))["audit"]
    assert [(act["act"], act["reason"]) for act in acts] == [("hand_to_queue", "Grace is ill")]
    await desk.locator("#reason").fill("Again")
    await desk.get_by_role("button", name="To the assistant").click()
    await expect(desk.locator("#head")).to_contain_text("With the assistant")
    await desk.locator("#reason").fill("Once more")
    await desk.get_by_role("button", name="To the assistant").click()
    await expect(desk.get_by_role("alert")).to_have_text("The bot has this customer already.")
    await expect(desk.locator("#reason")).to_have_value("Once more")


async def tab_to(page: Page, selector: str, at_most: int = 80) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(at_most):
        if await page.locator(selector).first.evaluate("found => found === document.activeElement"):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"{selector} cannot be reached by Tab")


async def test_by_keyboard_alone_a_conversation_is_found_understood_and_closed(desk: Page, house: House) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)
    await desk.goto(f"{house.url}/console")
    await tab_to(desk, 'input[name="q"]')
    await desk.keyboard.type("maria")
    await desk.keyboard.press("Enter")
    await expect(desk).to_have_url(f"{house.url}/console?q=maria&state=open&worker=&channel=&waiting=")
    await tab_to(desk, f'tr[data-key="{sid}"] a')
    await desk.keyboard.press("Enter")
    await expect(desk).to_have_url(f"{house.url}/console/c/{sid}")
    await tab_to(desk, 'textarea[name="reason"]')
    await desk.keyboard.type("All said")
    await tab_to(desk, 'button[value="close"]')
    await desk.keyboard.press("Space")
    await expect(desk.locator(".done-bar")).to_have_text("The conversation is being closed.")
    await expect(desk.locator("#act")).to_contain_text("is closed, which is final")
    await tab_to(desk, "#v2 .why summary", 200)
    await desk.keyboard.press("Enter")
    await expect(desk.locator("#v2 .candidates")).to_be_visible()


async def test_a_parked_effect_is_repaired_from_its_place_in_the_timeline(desk: Page, house: House) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)
    key = f"{sid}/1/0"
    parked = update(outbox).where(outbox.c.key == key).values(status="parked", last_error="no answer", done_at=1)
    await house.service.writer.run(lambda unit: unit.connection.execute(parked))
    await desk.goto(f"{house.url}/console")
    await desk.locator("#trouble").get_by_role("link", name="find customer").click()
    place = desk.locator("#e-1-0")
    await expect(place).to_contain_text("no answer")
    await place.get_by_text("Repair").click()
    await place.get_by_label("Why").fill("The book is back")
    await place.get_by_role("button", name="Try again").click()
    await expect(desk.locator(".done-bar")).to_have_text("It will be tried again.")
    await expect(place).to_contain_text("Done")


# Many


async def test_the_board_is_usable_with_five_thousand_conversations(browser: Browser, desk: Page, house: House) -> None:
    def fill(unit: Unit) -> None:
        people = [person(n, state="awaiting_choice") for n in range(1, MANY)]
        stored(unit.connection, [*people, served(MANY, "a-rather-long-name-of-a-worker@a-long-domain.example.test")])
        unit.connection.execute(insert(outbox), [effect(n, "parked") for n in range(1, 400)])

    await house.service.writer.run(fill)
    began = time.perf_counter()
    answer = await desk.goto(f"{house.url}/console")
    assert answer is not None
    assert len(await answer.body()) < 400_000
    await expect(desk.locator("tbody tr")).to_have_count(100)
    assert time.perf_counter() - began < 5
    await expect(desk.locator(".tile.of-open .number")).to_have_text("5,000")
    for size in (DESK, PHONE):
        await desk.set_viewport_size(size)
        assert await desk.evaluate("document.documentElement.scrollWidth") <= size["width"]
        bar, head = desk.locator(".appbar"), desk.locator(".conversations thead th").first
        await desk.evaluate("scrollTo(0, 3000)")
        top = await head.evaluate("head => head.getBoundingClientRect().top")
        assert abs(top - await bar.evaluate("bar => bar.getBoundingClientRect().bottom")) < 2
        await desk.evaluate("scrollTo(0, 0)")
    first = await desk.locator("tbody tr").first.get_attribute("data-key")
    await desk.get_by_role("link", name="Older").click()
    await expect(desk.locator(f'tr[data-key="{first}"]')).to_have_count(0)
    await expect(desk.locator("tbody tr")).to_have_count(100)
    await desk.goto(f"{house.url}/console?failing=1")
    await expect(desk.locator("tbody tr")).to_have_count(100)
    sid = await house.say(MARIA, "Hello")
    await desk.goto(f"{house.url}/console")
    await expect(row(desk, sid)).to_be_visible()


# For everybody

PAGES = (
    "/console",
    "/console?state=closed&q=nobody",
    "/console/c/{sid}",
    "/console/c/{sid}?version=2",
    "/console/audit",
)
MORE = ("/console/audit", "/console/machine", "/console?state=lost", "/console/c/CH00000000000000000000000000000000")


async def eventful(house: House) -> str:
    """A conversation in which something of every kind has happened."""
    sid = await with_worker(house)
    key = f"{sid}/1/0"

    def work(unit: Unit) -> None:
        notes.add(unit, sid, GRACE, "Call after six", unit.now)
        audit.record(unit, BOSS, "hand_to_worker", sid, GRACE, "She asked", "done")
        parked = update(outbox).where(outbox.c.key == key).values(status="parked", last_error="no answer", done_at=1)
        unit.connection.execute(parked)

    await house.service.writer.run(work)
    await house.everyone_away()
    await house.quiet(await house.say(ROBERT, "AGENT"))
    return sid


@pytest.mark.parametrize(("size", "scheme"), [(DESK, "light"), (DESK, "dark"), (PHONE, "light"), (PHONE, "dark")])
async def test_axe_finds_nothing_and_every_page_fits(browser: Browser, house: House, size: Any, scheme: str) -> None:
    sid = await eventful(house)
    async with at(browser, house, BOSS, size, color_scheme=scheme) as page:
        for path in (*PAGES, *MORE):
            await page.goto(house.url + path.format(sid=sid))
            await page.evaluate("for (const one of document.querySelectorAll('main details')) one.open = true")
            assert await page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
            found = (await Axe().run(page)).response["violations"]
            assert found == [], f"{path}: {json.dumps(found, indent=1)[:3000]}"


async def test_a_heading_is_not_broken_within_its_word_on_a_phone(browser: Browser, house: House) -> None:
    lines = """[...document.querySelectorAll('h1')]
        .map((it) => it.offsetHeight / parseFloat(getComputedStyle(it).lineHeight))"""
    async with at(browser, house, BOSS, PHONE) as page:
        for path in ("/console", "/console/audit", "/console/machine"):
            await page.goto(house.url + path)
            assert [round(count) for count in await page.evaluate(lines)] == [1], path


@pytest.mark.parametrize("path", ["/console", "/console/c/{sid}", "/console/audit", "/console/machine"])
async def test_every_page_links_its_twin(desk: Page, house: House, path: str) -> None:
    sid = await eventful(house)
    await desk.goto(house.url + path.format(sid=sid))
    hidden = await desk.locator('link[rel="alternate"]').get_attribute("href")
    shown = await desk.get_by_role("link", name="This page as JSON").get_attribute("href")
    assert hidden == shown
    assert hidden is not None
    assert await twin(desk, hidden)


# Harm


async def test_two_hundred_hostile_texts_in_every_field_run_nothing(desk: Page, house: House) -> None:
    sid = await with_worker(house)
    for text in HOSTILE:
        await house.say(MARIA, text[:1500] or "x")

    def work(unit: Unit) -> None:
        people = [
            person(n, customer=Profile("1", text, text), address=text, proxy_address=text)
            for n, text in enumerate(HOSTILE, 1)
        ]
        workers = [served(1000 + n, text, claim=None) for n, text in enumerate(HOSTILE, 1)]
        stored(unit.connection, [*people, *workers])
        unit.connection.execute(
            insert(outbox), [effect(n, "parked", last_error=text) for n, text in enumerate(HOSTILE, 1)]
        )
        for text in HOSTILE:
            notes.add(unit, sid, text, text, unit.now)
            audit.record(unit, text, "hand_to_worker", sid, text, text, "done")
        own = update(conversation).where(conversation.c.sid == sid).values(friendly_name=HOSTILE[0])
        unit.connection.execute(own)

    await house.service.writer.run(work)
    await house.quiet(sid)
    paths = ["/console?state=all", "/console?state=greeting", "/console?state=with_worker", "/console?failing=1"]
    paths += [
        f"/console/c/{sid}",
        f"/console/c/{sid}?version=40",
        "/console/audit",
        f"/console/audit?conversation={sid}",
    ]
    paths += [f"/console/c/{person(n).sid}" for n in range(1, len(HOSTILE), 12)]
    for path in paths:
        answer = await desk.goto(house.url + path)
        assert answer is not None
        assert answer.status == 200, path
        await desk.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        for size in (PHONE, DESK):
            await desk.set_viewport_size(size)
            await is_unharmed(desk)
    for text in HOSTILE[::20]:
        await desk.goto(f"{house.url}/console")
        await desk.get_by_placeholder("Customer, number, worker or SID").fill(text[:200])
        async with desk.expect_navigation():
            await desk.keyboard.press("Enter")
        assert await desk.evaluate("window.harmed") is None
    await desk.goto(f"{house.url}/console/c/{sid}")
    await desk.locator("#reason").fill(HOSTILE[0])
    async with desk.expect_navigation():
        await desk.get_by_role("button", name="To the assistant").click()
    assert await desk.evaluate("window.harmed") is None

"""Who the app is for: everybody, however he looks at it and whatever customers send."""

import json
from typing import Any

import pytest
from playwright.async_api import Browser, ViewportSize, expect

from states.customers import Channel, Customer, Link
from storage import notes
from storage.customers import save_customer
from storage.unit import Unit
from tests.browser.hostile import HOSTILE
from tests.browser.phones import (
    DESK,
    GRACE,
    MARIA,
    PHONE,
    ROBERT,
    SUSAN,
    at,
    is_unharmed,
    tab_to,
    twin,
    violations,
    with_worker,
)
from tests.e2e.conftest import House

pytestmark = pytest.mark.asyncio(loop_scope="session")
SCRIPT_MAX = 60_000
# WCAG 2.2, 1.4.10: what a page of 1280 shows at four times its size.
NARROWEST = ViewportSize(width=320, height=640)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_axe_finds_nothing_on_any_page(browser: Browser, house: House, scheme: str, size: Any) -> None:
    sid = await with_worker(house)
    await with_worker(house, SUSAN)
    over = await with_worker(house, ROBERT)
    async with at(browser, house, GRACE, size, color_scheme=scheme) as page:
        await page.goto(f"{house.url}/app/c/{over}/close")
        await page.get_by_role("button", name="Close it").click()
        await house.state(over, "closed")
        places = [
            *("/app", "/app?show=closed", "/app?after=0-CH", f"/app/c/{sid}", f"/app/c/{sid}#about", f"/app/c/{over}"),
            *(f"/app/c/{sid}/hand-over", f"/app/c/{sid}/close", f"/app/c/{sid}/replies", "/app/customers"),
            *("/app/customers?q=nobody", "/app/customers/one?id=2", "/app/offline", "/app/c/CH" + "0" * 32),
        ]
        for place in places:
            await page.goto(house.url + place)
            assert await violations(page) == [], place
        await page.goto(f"{house.url}/app/c/{sid}")
        for name in ("Hand over", "Quick replies"):
            await page.get_by_role("link", name=name).click()
            await expect(page.locator("#sheet")).to_be_visible()
            assert await violations(page) == [], name
            await page.keyboard.press("Escape")


async def test_every_page_links_its_twin(browser: Browser, house: House) -> None:
    sid = await with_worker(house)
    forms = [f"/app/c/{sid}/{form}" for form in ("hand-over", "close", "replies", "picture", "template")]
    pages = ["/app", "/app?show=closed", f"/app/c/{sid}", "/app/customers", "/app/customers/one?id=2", *forms]
    async with at(browser, house, GRACE, DESK) as page:
        for path in pages:
            await page.goto(house.url + path)
            hidden = await page.locator('link[rel="alternate"]').get_attribute("href")
            assert hidden is not None, path
            assert await page.locator(f'.footer a[href="{hidden}"]').count() >= 1, path
            assert await twin(page, hidden), path
        await page.goto(f"{house.url}/app/c/{sid}")
        await page.get_by_role("link", name="Hand over").click()
        shown = page.locator("#sheet").get_by_role("link", name="This form as JSON")
        assert await shown.get_attribute("href") == f"/app/c/{sid}/hand-over.json"
    async with at(browser, house, GRACE) as page:
        await page.context.clear_cookies()
        await page.goto(f"{house.url}/signin")
        hidden = await page.locator('link[rel="alternate"]').get_attribute("href")
        assert hidden == await page.get_by_role("link", name="This page as JSON").get_attribute("href")
        assert hidden is not None
        assert await twin(page, hidden)


async def test_the_keyboard_alone_is_enough(browser: Browser, house: House) -> None:
    sid = await with_worker(house)
    async with at(browser, house, GRACE, DESK) as page:
        await page.goto(f"{house.url}/app")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        await page.keyboard.press("Enter")
        await tab_to(page, "Maria Sanchez")
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**/app/c/{sid}")
        await tab_to(page, "Quick replies")
        await page.keyboard.press("Enter")
        await expect(page.locator("#sheet")).to_be_visible()
        await tab_to(page, "Hello Maria Sanchez, this is Grace.")
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Message to Maria Sanchez")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("#thread .own")).to_have_count(1)
        await tab_to(page, "Close", backwards=True)
        await page.keyboard.press("Enter")
        await tab_to(page, "Close it")
        await page.keyboard.press("Enter")
        await house.state(sid, "closed")


async def test_what_is_touched_is_large_enough(browser: Browser, house: House) -> None:
    sid = await with_worker(house)
    small = """() => [...document.querySelectorAll('a, button, input:not([type=hidden]), textarea, summary')]
        .map((it) => [it, it.closest('.choice')?.getBoundingClientRect() ?? it.getBoundingClientRect()])
        .filter(([it, box]) => box.width > 1 && box.bottom > 0 && !it.closest('.footer, .skip, .message, .brand'))
        .filter(([it, box]) => (box.height < 43.5 || box.width < 43.5) && !it.matches('.tabs a, .strong > a, bdi a'))
        .map(([it, box]) => `${it.outerHTML.slice(0, 90)} ${box.width}x${box.height}`)"""
    async with at(browser, house, GRACE) as page:
        for place in ("/app", f"/app/c/{sid}", f"/app/c/{sid}/hand-over", "/app/customers", "/app/customers/one?id=2"):
            await page.goto(house.url + place)
            assert await page.evaluate(small) == [], place


async def test_the_bar_fits_the_narrowest_phone(browser: Browser, house: House) -> None:
    sid = await with_worker(house)
    overlaps = """() => {
        const ends = [...document.querySelectorAll('#nav a')].map((it) => it.getBoundingClientRect().right);
        const isBelow = getComputedStyle(document.getElementById('nav')).position === 'fixed';
        const start = document.querySelector('.menu > summary').getBoundingClientRect().left;
        return (!isBelow && Math.max(...ends) > start) || document.documentElement.scrollWidth > innerWidth;
    }"""
    for login, places in ((GRACE, ("/app", f"/app/c/{sid}/hand-over")), ("admin@example.test", ("/console/machine",))):
        async with at(browser, house, login, NARROWEST) as page:
            for place in places:
                await page.goto(house.url + place)
                assert not await page.evaluate(overlaps), place


async def test_nothing_a_customer_or_his_record_says_runs_or_breaks_the_page(browser: Browser, house: House) -> None:
    sid = await with_worker(house)
    history = "SELECT event FROM history WHERE conversation_sid = ? AND trigger = 'message_received' LIMIT 1"

    def plant(unit: Unit) -> None:
        connection = unit.connection
        event = json.loads(connection.exec_driver_sql(history, (sid,)).scalar_one())
        stored = unit.conversation(sid)
        assert stored is not None
        for number, text in enumerate(HOSTILE):
            body = json.dumps({**event, "body": text, "index": 1000 + number})
            row = (sid, 1000 + number, unit.now, "message_received", "with_worker", "with_worker", "", body, 1)
            connection.exec_driver_sql(f"INSERT INTO history VALUES ({', '.join('?' * 9)})", row)
            notes.add(unit, sid, text[:190], text, unit.now)
            values = (sid, 2000 + number, "IM" + f"{number:032x}", text[:300], text, 0, unit.now, None)
            connection.exec_driver_sql(f"INSERT INTO message VALUES ({', '.join('?' * 8)})", values)
            record = Customer(
                customer_id=f"hostile {number} {text}"[:128],
                display_name=text,
                channels=(Channel(text[:32] or "sms", f"{number}{text}"),),
                avatar=text,
                links=(Link(text, text, text), Link("Web", f"https://example.test/{text}", text)),
                details={"title": text, "content": text},
            )
            save_customer(connection, record, [f"hostile-{number}"])

    await house.service.writer.run(plant)
    async with at(browser, house, GRACE, DESK) as page:
        await page.route("https://**", lambda route: route.abort())
        for number in range(0, len(HOSTILE), 8):
            await rename(house, sid, HOSTILE[number])
            await page.goto(f"{house.url}/app/c/{sid}?before={1008 + number}")
            await is_unharmed(page)
        await page.goto(f"{house.url}/app/c/{sid}")
        assert await page.locator(".note").count() == len(HOSTILE)
        await is_unharmed(page)
        await page.goto(f"{house.url}/app/customers")
        while True:
            await is_unharmed(page)
            following = page.get_by_role("link", name="More customers")
            if not await following.count():
                break
            await following.click()
        for number in range(0, len(HOSTILE), 5):
            listed = await page.context.request.get(f"{house.url}/app/customers.json?q=hostile-{number}")
            for one in (await listed.json())["customers"][:1]:
                await page.goto(f"{house.url}/app/customers/one?id=" + page_quote(one["customer_id"]))
                await is_unharmed(page)


def page_quote(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


async def rename(house: House, sid: str, name: str) -> None:
    """Give the customer of a conversation another name and picture, as a CRM may."""

    def change(unit: Unit) -> None:
        found = unit.connection.exec_driver_sql("SELECT snapshot FROM conversation WHERE sid = ?", (sid,)).scalar_one()
        snapshot = json.loads(found)
        snapshot["customer"] = {"customer_id": name, "display_name": name, "avatar": name}
        unit.connection.exec_driver_sql(
            "UPDATE conversation SET snapshot = ? WHERE sid = ?", (json.dumps(snapshot), sid)
        )

    await house.service.writer.run(change)


async def test_the_first_page_loads_little_script_and_nothing_from_elsewhere(browser: Browser, house: House) -> None:
    sid = await with_worker(house, MARIA)
    async with at(browser, house, GRACE) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(f"{house.url}/app/c/{sid}")
        await expect(page.get_by_label("Message to Maria Sanchez")).to_be_visible()
        await page.wait_for_load_state("load")
        sizes = """performance.getEntriesByType("resource")
            .filter((one) => one.name.endsWith(".js")).map((one) => one.transferSize)"""
        scripts = await page.evaluate(sizes)
        assert len(scripts) >= 8
        assert 0 < sum(scripts) < SCRIPT_MAX
        elsewhere = {url for url in asked if not url.startswith((house.url, "https://example.test/avatars/"))}
        assert elsewhere == set()


async def test_it_is_read_and_written_without_a_script(browser: Browser, house: House) -> None:
    sid = await with_worker(house)
    async with at(browser, house, GRACE, java_script_enabled=False) as page:
        await page.goto(f"{house.url}/app")
        await page.get_by_text("Maria Sanchez").click()
        await page.get_by_label("Message to Maria Sanchez").fill("Without a script")
        await page.get_by_role("button", name="Send").click()
        await expect(page.locator("#thread .own .bubble")).to_have_text("Without a script")
        await page.get_by_role("link", name="Hand over").click()
        await expect(page.get_by_role("heading", name="Hand over Maria Sanchez")).to_be_visible()
        await page.get_by_role("radio", name="The assistant").check()
        await page.get_by_role("button", name="Hand over").click()
        await expect(page.get_by_text("Handed over.")).to_be_visible()
        await house.state(sid, "awaiting_choice")

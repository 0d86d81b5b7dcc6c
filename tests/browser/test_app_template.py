"""A worker sends a template where WhatsApp takes nothing else: on a phone, in a dialog, and without a script."""

import asyncio

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Route, expect

from tests.browser.phones import DESK, GRACE, PHONE, SUSAN, at, is_unharmed, violations, with_worker
from tests.e2e.conftest import House
from tests.e2e.test_window import a_day_passes

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def sid(house: House) -> str:
    """Susan's conversation, a day later."""
    sid = await with_worker(house, SUSAN)
    await a_day_passes(house, sid)
    return sid


async def test_it_is_chosen_seen_as_it_will_be_read_and_sent(browser: Browser, house: House, sid: str) -> None:
    async with at(browser, house, GRACE) as page:
        await page.goto(f"{house.url}/app/c/{sid}")
        await expect(page.get_by_label("Message to Susan Leclerc")).to_be_hidden()
        await page.get_by_role("link", name="Choose a template").click()
        sheet = page.locator("#sheet")
        await sheet.get_by_text("order_ready").click()
        text = sheet.locator("details[open] .bubble")
        await expect(text).to_have_text("Hello Susan Leclerc, your order A-1001 is ready. We keep it until Friday.")
        await sheet.get_by_label("Gap 2, such as A-1001").fill("B-7")
        await sheet.get_by_label("Gap 3, such as Friday").fill("Monday")
        await expect(text).to_have_text("Hello Susan Leclerc, your order B-7 is ready. We keep it until Monday.")
        await sheet.get_by_role("button", name="Send it").locator("visible=true").click()
        await expect(page.locator("#thread .own .bubble")).to_have_text("[order_ready] Susan Leclerc, B-7, Monday")
        await expect(page.locator("#thread .own .status")).to_have_text("Delivered")


async def test_what_the_server_refuses_stays_typed_without_a_script(browser: Browser, house: House, sid: str) -> None:
    async with at(browser, house, GRACE, java_script_enabled=False) as page:
        await page.goto(f"{house.url}/app/c/{sid}")
        await page.get_by_role("link", name="Choose a template").click()
        await page.get_by_text("hello", exact=True).click()
        field = page.locator("details[open]").get_by_label("Gap 1, such as customer name")
        await expect(field).to_have_value("Susan Leclerc")
        await field.fill("x" * 1024)
        send = page.get_by_role("button", name="Send it").locator("visible=true")
        await send.click()
        await expect(page.get_by_role("alert")).to_have_text(
            "This is too long for a template: 1,024 characters are the most."
        )
        await expect(field).to_have_value("x" * 1024)
        await field.fill("Susan")
        await send.click()
        await expect(page.locator("#thread .own .bubble")).to_have_text("[hello] Susan, Grace")


async def test_the_composer_goes_and_comes_with_the_window_and_keeps_what_was_begun(
    browser: Browser, house: House
) -> None:
    sid = await with_worker(house, SUSAN)
    async with at(browser, house, GRACE, DESK) as page:
        is_sent = asyncio.Event()

        async def late(route: Route) -> None:
            if route.request.headers.get("x-fragment") == "live":
                await is_sent.wait()
            await route.continue_()

        await page.route(f"**/app/c/{sid}", late)
        await page.goto(f"{house.url}/app/c/{sid}")
        field = page.get_by_label("Message to Susan Leclerc")
        await a_day_passes(house, sid)
        await field.fill("Too late")
        await field.press("Enter")
        is_sent.set()
        await expect(page.locator("#unsent > li.failed")).to_contain_text("more than 24 hours ago")
        await expect(page.get_by_role("link", name="Choose a template")).to_be_visible()
        await expect(field).to_be_hidden()
        await house.say(SUSAN, "Here I am", channel="whatsapp")
        await expect(field).to_be_visible()
        await expect(page.get_by_role("link", name="Choose a template")).to_have_count(0)
        await page.locator("#unsent").get_by_role("button", name="Try again").click()
        await expect(page.locator("#thread .own .bubble")).to_have_text("Too late")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_on_it(browser: Browser, house: House, sid: str, scheme: str) -> None:
    async with at(browser, house, GRACE, color_scheme=scheme) as page:
        for size in (PHONE, DESK):
            await page.set_viewport_size(size)
            for place in (f"/app/c/{sid}", f"/app/c/{sid}/template"):
                await page.goto(house.url + place)
                assert await violations(page) == [], (place, size)
                await is_unharmed(page)
            await page.get_by_text("hello", exact=True).click()
            assert await violations(page) == [], size

"""The app as it is installed: without a network it says so, and shows nothing old as if it were new."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.phones import GRACE, at, with_worker
from tests.e2e.conftest import House

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def installed(browser: Browser, house: House) -> AsyncIterator[Page]:
    """Grace's phone at a conversation with Maria, its pages passed on by the service worker."""
    sid = await with_worker(house)
    async with at(browser, house, GRACE, service_workers="allow") as page:
        await page.goto(f"{house.url}/app/c/{sid}")
        await page.evaluate("navigator.serviceWorker.ready")
        await page.reload()
        yield page


async def test_without_a_network_there_is_a_page_and_nobodys_data(browser: Browser, house: House) -> None:
    async with installed(browser, house) as page:
        await page.context.set_offline(True)
        await page.goto(page.url)
        await expect(page.get_by_role("heading", name="No connection")).to_be_visible()
        style = "getComputedStyle(document.querySelector('.empty')).display"
        assert await page.evaluate(style) == "grid"
        kept = """(async () => (await Promise.all((await caches.keys()).map(async (name) =>
            (await (await caches.open(name)).keys()).map((one) => new URL(one.url).pathname)))).flat())()"""
        paths = await page.evaluate(kept)
        assert "/app/offline" in paths
        assert all(path == "/app/offline" or path.startswith("/static/") for path in paths)
        await page.context.set_offline(False)
        await page.get_by_role("link", name="Try again").click()
        # Where he was, not the list.
        await expect(page.get_by_label("Message to Maria Sanchez")).to_be_visible()


async def test_the_manifest_can_be_installed(browser: Browser, house: House) -> None:
    async with at(browser, house, GRACE, service_workers="allow") as page:
        await page.goto(f"{house.url}/app")
        session = await page.context.new_cdp_session(page)
        manifest = await session.send("Page.getAppManifest")
        assert manifest["errors"] == []
        faults = (await session.send("Page.getInstallabilityErrors"))["installabilityErrors"]
        # Browsers of tests have no profile to install into.
        assert [fault for fault in faults if fault["errorId"] != "in-incognito"] == []


async def test_whose_sign_in_has_ended_is_led_to_it_and_back(browser: Browser, house: House) -> None:
    async with installed(browser, house) as page:
        conversation = page.url
        await page.get_by_label("Message to Maria Sanchez").fill("Begun before")
        await page.context.clear_cookies()
        await page.reload()
        await page.get_by_role("button", name="Grace").click()
        await page.wait_for_url(conversation)
        await expect(page.get_by_label("Message to Maria Sanchez")).to_have_value("Begun before")

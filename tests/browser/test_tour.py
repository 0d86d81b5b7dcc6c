"""The README's five minutes, in a real browser, on the real service."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from orchestrator.sandbox.server import start as start_sandbox
from states.texts import PLEASE_WAIT, WELCOME
from tests.e2e.conftest import House

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def running_house(tmp_path: Path) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        house = House(tmp_path, await stack.enter_async_context(aiohttp.ClientSession()))
        stack.callback(house.socket.close)
        house.sandbox = await start_sandbox("127.0.0.1", 0, house.url)
        stack.push_async_callback(house.sandbox.stop)
        await house.start()
        stack.push_async_callback(house.stop)
        yield house


async def write(page: Page, text: str) -> None:
    await page.get_by_label("Message from this phone").fill(text)
    await page.keyboard.press("Enter")


async def test_a_customer_is_greeted_chooses_meets_a_worker_and_is_back_with_the_bot(
    page: Page, running_house: House
) -> None:
    await page.goto(running_house.sandbox.url)
    await write(page, "Hello")
    bodies = page.locator("#entries .body")
    await expect(bodies).to_have_count(3)
    await expect(bodies.nth(1)).to_have_text(WELCOME)
    await expect(page.locator("#conversation-name")).to_have_text("Maria Sanchez")
    await write(page, "grace@example.test, please")
    answer = page.locator("#replies textarea, #replies input").first
    await answer.fill("Good morning")
    await answer.press("Enter")
    await expect(bodies.last).to_have_text("Good morning")
    await page.get_by_role("button", name="Leave").click()
    await expect(page.locator("#replies li")).to_have_count(0)
    await write(page, "And now?")
    await expect(bodies).to_have_count(8)


async def test_who_waits_on_a_phone_is_served_when_a_worker_is_switched_on(page: Page, running_house: House) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    await running_house.everyone_away()
    await page.goto(running_house.sandbox.url)
    await write(page, "AGENT")
    await expect(page.locator("#chat .bubble .body").last).to_have_text(PLEASE_WAIT)
    await page.get_by_role("navigation").get_by_role("button", name="Workers").click()
    await page.get_by_role("switch", name="grace@example.test is available").click()
    await expect(page.locator("#replies")).to_contain_text("grace@example.test")

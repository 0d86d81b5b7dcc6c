"""Calling from the sandbox's page: the caller hears what the service says, and presses what it offers."""

from collections.abc import AsyncIterator
from html import escape
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Page, expect

from orchestrator.sandbox import seeds
from orchestrator.sandbox.server import start
from orchestrator.voice import words
from tests.browser.phones import ADA, MARIA, ROBERT, is_unharmed, new_house, violations, with_worker
from tests.e2e.conftest import House
from tests.e2e.doors import serving

pytestmark = pytest.mark.asyncio(loop_scope="session")
ADAS_NUMBER = "+15550100555"
HOSTILE = '</li><img src=x onerror="window.harmed=1">\u202egnp.exe'


@pytest_asyncio.fixture(loop_scope="session")
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with new_house(tmp_path) as house:
        await house.worker(ADA, True, phone=ADAS_NUMBER)
        yield house


@pytest_asyncio.fixture(loop_scope="session")
async def dialog(page: Page, house: House) -> Any:
    """The page on Maria's phone, who has ada."""
    await with_worker(house, MARIA, ADA)
    await page.goto(house.sandbox.url)
    await page.get_by_role("button", name="Call from this phone").click()
    return page.get_by_role("dialog", name="Call")


async def call(dialog: Any) -> None:
    await expect(dialog.get_by_label("Who is called")).to_have_value(seeds.NUMBERS["sms"])
    await dialog.get_by_role("button", name="Call", exact=True).click()


def heard(dialog: Any) -> Any:
    return dialog.get_by_role("log", name="What the caller hears").get_by_role("listitem")


async def told(house: House, trigger: str) -> None:
    """Wait until Maria's conversation has been told of the call."""
    async with house.session.get(f"{house.sandbox.url}/sandbox/state") as answer:
        found = (await answer.json())["conversations"]
    (sid,) = [it["sid"] for it in found if it["address"] == MARIA]

    async def is_told() -> bool:
        return trigger in {row["trigger"] for row in (await house.dump(sid))["history"]}

    await house.until(is_told)


async def test_the_menu_is_heard_a_key_is_pressed_and_the_worker_takes_the_call(dialog: Any, house: House) -> None:
    await call(dialog)
    await expect(heard(dialog)).to_have_text([words.sentence(words.MENU, "en", "Ada")])
    await expect(dialog.get_by_role("status")).to_have_text("He may press a key now.")
    assert await violations(dialog.page) == []
    await dialog.get_by_role("button", name="1", exact=True).click()
    await expect(dialog.get_by_role("status")).to_have_text(f"Ringing {ADAS_NUMBER}")
    await expect(heard(dialog)).to_have_count(2)
    await dialog.get_by_role("button", name="Take the call").click()
    await expect(dialog.get_by_role("status")).to_have_text("The call is over.")
    await expect(dialog.get_by_role("button", name="Hang up")).to_be_hidden()
    await told(house, "call_ended")


async def test_by_keyboard_and_nobody_takes_the_call(dialog: Any, house: House) -> None:
    page = dialog.page
    await page.keyboard.press("Enter")
    await expect(heard(dialog)).to_have_count(1)
    await page.keyboard.press("1")
    await dialog.get_by_role("button", name="Let it ring").click()
    await expect(heard(dialog).last).to_have_text(words.NOT_TAKEN["en"])
    await expect(dialog.get_by_role("status")).to_have_text("The call is over.")
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await told(house, "call_missed")


async def test_whoever_presses_nothing_goes_on_by_text(dialog: Any) -> None:
    await call(dialog)
    await dialog.get_by_role("button", name="Press nothing").click()
    await expect(heard(dialog).last).to_have_text(words.sentence(words.BY_TEXT, "en", ""))
    await expect(dialog.get_by_role("status")).to_have_text("The call is over.")


@pytest.mark.parametrize("how", ["Hang up", "Close"])
async def test_whoever_hangs_up_or_closes_has_left(dialog: Any, house: House, how: str) -> None:
    await call(dialog)
    await expect(heard(dialog)).to_have_count(1)
    await dialog.get_by_role("button", name=how).click()

    async def is_told() -> bool:
        return any(entry["path"].endswith("/voice/status") for entry in await house.ledger())

    await house.until(is_told)
    if how == "Hang up":
        await expect(dialog.get_by_role("status")).to_have_text("The call is over.")
        await dialog.get_by_role("button", name="Close").click()
    # Another call begins anew.
    await dialog.page.get_by_role("button", name="Call from this phone").click()
    await expect(heard(dialog)).to_have_count(0)
    await expect(dialog.get_by_label("Who is called")).to_be_visible()


async def test_an_error_tone_is_told_and_only_phones_call(page: Page, house: House) -> None:
    await page.goto(house.sandbox.url)
    await page.get_by_role("radio", name=ROBERT).check()
    await house.stop()
    house.socket.close()
    await page.get_by_role("button", name="Call from this phone").click()
    dialog = page.get_by_role("dialog", name="Call")
    await dialog.get_by_role("button", name="Call", exact=True).click()
    await expect(dialog.get_by_role("status")).to_contain_text("The caller hears an error tone")
    await dialog.get_by_role("button", name="Close").click()
    await page.get_by_role("radio", name="WhatsApp").check()
    await expect(page.get_by_role("button", name="Call from this phone")).to_be_hidden()
    await is_unharmed(page)


async def test_what_is_said_is_only_ever_text(page: Page) -> None:
    async def speak(_request: web.Request) -> web.Response:
        said = f'<Response><Gather action="/x"><Say>{escape(HOSTILE)}</Say></Gather></Response>'
        return web.Response(text=said, content_type="text/xml")

    async with serving(speak) as url:
        running = await start("127.0.0.1", 0, url)
        await page.goto(running.url)
        await page.get_by_role("button", name="Call from this phone").click()
        dialog = page.get_by_role("dialog", name="Call")
        await dialog.get_by_role("button", name="Call", exact=True).click()
        await expect(heard(dialog)).to_have_text([HOSTILE])
        await is_unharmed(page)
        await running.stop()

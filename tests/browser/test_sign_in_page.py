"""The sign-in page on a phone and by keyboard alone, with and without a script, before the real service."""

import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, ViewportSize, expect

from orchestrator.app import build_app
from orchestrator.people.sessions import SESSION
from orchestrator.service import SERVICE
from orchestrator.settings import Settings
from tests.e2e.conftest import fresh_database
from tests.visitors import SECRET, add_person

pytestmark = pytest.mark.asyncio(loop_scope="session")
PHONE = ViewportSize(width=390, height=844)
BOSS = "boss@example.test"


@pytest_asyncio.fixture(loop_scope="session")
async def url(tmp_path: Path) -> AsyncIterator[str]:
    """The service in sandbox mode, and one person with a password. No sandbox runs: nobody writes."""
    fresh_database(tmp_path / "hub.db")
    with socket.create_server(("127.0.0.1", 0)) as door:
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
        settings = Settings.load({"DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/hub.db", "PUBLIC_URL": url})
        app = build_app(settings)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.SockSite(runner, door.dup()).start()
        await add_person(app[SERVICE], BOSS, "supervisor")
        yield url
        await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="session")
async def phone(browser: Browser) -> AsyncIterator[Page]:
    """A phone that runs no script of any page."""
    context = await browser.new_context(viewport=PHONE, has_touch=True, java_script_enabled=False)
    yield await context.new_page()
    await context.close()


async def cookies(page: Page) -> set[str]:
    return {str(cookie.get("name")) for cookie in await page.context.cookies()}


async def test_on_a_phone_a_seeded_person_is_one_tap_away_without_a_script(phone: Page, url: str) -> None:
    await phone.goto(f"{url}/signin?next=/healthz")
    await phone.get_by_role("button", name="Ada").tap()
    await phone.wait_for_url(f"{url}/healthz")
    assert SESSION in await cookies(phone)


async def test_by_keyboard_alone_a_person_signs_in_and_is_told_what_was_wrong(page: Page, url: str) -> None:
    await page.goto(f"{url}/signin?next=/healthz")
    login, password = page.get_by_label("Login"), page.get_by_label("Password")
    await expect(login).to_be_focused()
    await page.keyboard.type(BOSS)
    await page.keyboard.press("Tab")
    await expect(password).to_be_focused()
    await page.keyboard.type("another password")
    await page.keyboard.press("Enter")
    problem = page.get_by_role("alert")
    await expect(problem).to_have_text("The login or the password is not right. Please check both and try again.")
    await expect(login).to_have_value(BOSS)
    await expect(password).to_have_value("")
    await expect(password).to_be_focused()
    for field in (login, password):
        await expect(field).to_have_accessible_description(await problem.inner_text())
    await page.keyboard.type(SECRET)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Sign in")).to_be_focused()
    await page.keyboard.press("Space")
    await page.wait_for_url(f"{url}/healthz")
    assert SESSION in await cookies(page)


async def test_fields_say_what_a_password_manager_fills_them_with(page: Page, url: str) -> None:
    await page.goto(f"{url}/signin")
    await expect(page.get_by_label("Login")).to_have_attribute("autocomplete", "username")
    await expect(page.get_by_label("Password")).to_have_attribute("autocomplete", "current-password")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_fits_a_phone_and_is_accessible(page: Page, url: str, scheme: str) -> None:
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await page.set_viewport_size(PHONE)
    await page.goto(f"{url}/signin")
    for broken in (False, True):
        if broken:
            await page.get_by_label("Login").fill("nobody at all")
            await page.get_by_label("Password").fill("another password")
            await page.get_by_role("button", name="Sign in").click()
            await expect(page.get_by_role("alert")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        found = (await Axe().run(page)).response["violations"]
        assert found == [], json.dumps(found, indent=1)[:2000]
        heights = await page.locator("input:visible, button, a:not(.footer a)").evaluate_all(
            "all => all.map(e => e.offsetHeight)"
        )
        assert min(heights) >= 44
    await page.set_viewport_size({"width": 320, "height": 480})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320

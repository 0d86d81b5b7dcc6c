"""A real browser for the tests of this folder. Without one they skip, or fail where one is required.

One browser serves all tests, so they and their asynchronous fixtures run in the session's event loop: a module says
`pytestmark = pytest.mark.asyncio(loop_scope="session")`, a fixture `loop_scope="session"`.
"""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, ViewportSize, async_playwright, expect

from tests.browser.phones import new_house
from tests.e2e.conftest import House

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_WIDE = ViewportSize(width=1280, height=800)
# Milliseconds an expectation is waited for: the machine may be busy with other tests.
expect.set_options(timeout=20_000)


def _browser_path() -> str:
    path = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if path is not None:
        return path
    reason = f"No browser found on the PATH; install one of {', '.join(_NAMES)}"
    if os.environ.get("EXPERT_HUB_REQUIRE_BROWSER") == "1":
        pytest.fail(f"{reason}, or unset EXPERT_HUB_REQUIRE_BROWSER")
    pytest.skip(reason)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The browser of this machine, started once. EXPERT_HUB_REQUIRE_BROWSER=1 makes its absence a failure, no skip."""
    path = _browser_path()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(_OPTIONS))
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A wide page without a past. The test fails when a script of it raised or broke the content security policy."""
    context = await browser.new_context(viewport=_WIDE)
    page = await context.new_page()
    faults: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            faults.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    await context.close()
    assert faults == []


@pytest_asyncio.fixture(loop_scope="session")
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """The whole house, as `new_house` makes it."""
    async with new_house(tmp_path) as house:
        yield house

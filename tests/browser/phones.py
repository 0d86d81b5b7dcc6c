"""A worker with a browser: signed in without the sign-in page, on a phone or at a desk."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Dialog, Page, ViewportSize

from orchestrator.sandbox.server import start as start_sandbox
from tests.e2e.conftest import House
from tests.visitors import visiting

ADA, GRACE = "ada@example.test", "grace@example.test"
MARIA, ROBERT, SUSAN = "+15550100001", "+15550100002", "whatsapp:+15550100003"
PHONE, DESK = ViewportSize(width=390, height=844), ViewportSize(width=1280, height=800)


@asynccontextmanager
async def new_house(folder: Path) -> AsyncIterator[House]:
    """A house with everything running, for the loop of the browser."""
    async with AsyncExitStack() as stack:
        house = House(folder, await stack.enter_async_context(aiohttp.ClientSession()))
        # A test may put another in its place.
        stack.callback(lambda: house.socket.close())
        house.sandbox = await start_sandbox("127.0.0.1", 0, house.url)
        stack.push_async_callback(house.sandbox.stop)
        await house.start()
        stack.push_async_callback(house.stop)
        yield house


@asynccontextmanager
async def at(
    browser: Browser, house: House, login: str, size: ViewportSize = PHONE, **more: Any
) -> AsyncIterator[Page]:
    """A page of somebody who is signed in. It fails when a script raised, something broke the security policy, or a
    dialog of the browser's own came up."""
    options: dict[str, Any] = {"viewport": size, "service_workers": "block"} | more
    context = await browser.new_context(**options)
    await context.add_cookies(await _cookies(house, login))
    page = await context.new_page()
    faults: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            faults.append(message.text)

    async def asked(dialog: Dialog) -> None:
        faults.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    page.on("console", heard)
    page.on("dialog", asked)
    page.on("pageerror", lambda error: faults.append(str(error)))
    try:
        yield page
    finally:
        await context.close()
    assert faults == [], faults


async def _cookies(house: House, login: str) -> list[Any]:
    async with visiting(house.url) as visitor:
        await visitor.tap(login)
        return [{"name": name, "value": value, "url": house.url} for name, value in visitor.cookies.items()]


async def with_worker(house: House, sender: str = MARIA, identity: str = GRACE, body: str = "please") -> str:
    """A conversation this worker has joined, nothing under way any more."""
    sid = await house.say(sender, f"{identity} {body}")
    await house.state(sid, "with_worker")
    await house.quiet(sid)
    return sid


async def twin(page: Page, path: str) -> Any:
    """The JSON twin of a page, with the page's rights."""
    answer = await page.context.request.get(re.match(r"https?://[^/]+", page.url)[0] + path)  # type: ignore[index]
    assert answer.ok, answer.status
    return json.loads(await answer.text())


# What a screen reader says of what has the focus.
_FOCUSED = """(() => {
    const copy = document.activeElement.cloneNode(true);
    for (const part of copy.querySelectorAll("[aria-hidden=true]")) part.remove();
    return copy.getAttribute("aria-label") ?? copy.textContent;
})()"""


async def tab_to(page: Page, name: str, backwards: bool = False) -> None:
    """Go on with Tab until what has the focus is called this, or begins so."""
    for _ in range(40):
        await page.keyboard.press("Shift+Tab" if backwards else "Tab")
        said = re.sub(r"\s+", " ", await page.evaluate(_FOCUSED)).strip()
        if said == name or (said.startswith(name) and name not in ("Close",)) or (len(name) > 8 and name in said):
            return
    raise AssertionError(f"Tab never came to {name}")


async def is_unharmed(page: Page) -> None:
    """Nothing ran, nothing leads where something would, and the page is as wide as its window."""
    # Without its styles, which a page that a click has led to may still wait for, it would be wider.
    await page.wait_for_load_state()
    assert await page.evaluate("window.harmed") is None
    strange = """[...document.querySelectorAll('a[href], form[action], iframe, img[src]')]
        .map((it) => it.href ?? it.action ?? it.src)
        .filter((it) => !/^(https?:|mailto:)/.test(it))"""
    assert await page.evaluate(strange) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url
    assert await page.evaluate("document.querySelectorAll('iframe, object, embed, base').length") == 0


async def violations(page: Page) -> list[str]:
    """What axe finds, each with the element it is about."""
    found = await Axe().run(page)
    return [f"{one['id']}: {node['html'][:160]}" for one in found.response["violations"] for node in one["nodes"]]

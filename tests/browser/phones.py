"""A worker with a browser: signed in without the sign-in page, on a phone or at a desk."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from playwright.async_api import Browser, ConsoleMessage, Page, ViewportSize

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
        stack.callback(house.socket.close)
        house.sandbox = await start_sandbox("127.0.0.1", 0, house.url)
        stack.push_async_callback(house.sandbox.stop)
        await house.start()
        stack.push_async_callback(house.stop)
        yield house


@asynccontextmanager
async def at(
    browser: Browser, house: House, login: str, size: ViewportSize = PHONE, **more: Any
) -> AsyncIterator[Page]:
    """A page of somebody who is signed in. It fails when a script raised, or something broke the security policy."""
    options: dict[str, Any] = {"viewport": size, "service_workers": "block"} | more
    context = await browser.new_context(**options)
    await context.add_cookies(await _cookies(house, login))
    page = await context.new_page()
    faults: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            faults.append(message.text)

    page.on("console", heard)
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

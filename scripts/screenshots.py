"""Take the pictures of the README from the running program: the real service, the sandbox, and a browser."""

import asyncio
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect
from smaller import smaller

IMAGES = Path(__file__).parents[1] / "docs" / "images"
PHONE, DESK = ViewportSize(width=390, height=844), ViewportSize(width=1280, height=800)
QUIET = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")


def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


async def tour(page: Page, url: str) -> None:
    """A customer is greeted, asks for a person, and meets her."""
    await page.goto(url)
    message = page.get_by_label("Message from this phone")
    await message.fill("Hello, I bought a coat last week and one sleeve is longer than the other.")
    await message.press("Enter")
    await expect(page.locator("#entries .body")).to_have_count(3)
    await message.fill("grace@example.test helped me, could I talk to her?")
    await message.press("Enter")
    answer = page.locator("#replies textarea, #replies input").first
    await expect(answer).to_be_visible()
    await answer.fill("Good morning! I am sorry to hear that. Could you send me a picture?")
    await answer.press("Enter")
    await expect(page.locator("#entries .body")).to_have_count(6)


async def more_customers(page: Page, sandbox: str) -> None:
    """Two more ask for Grace, and one asks the assistant."""
    texts = [
        ("+15550100002", "grace@example.test, is the blue scarf back?"),
        ("whatsapp:+15550100003", "grace@example.test, merci!"),
        ("+15550100004", "When do you open on Sunday?"),
    ]
    for sender, body in texts:
        await page.request.post(f"{sandbox}/sandbox/inbound", data={"from": sender, "body": body})


async def one_waits(page: Page, sandbox: str) -> None:
    """Everybody is away, and somebody asks for whoever there is."""
    for identity in ("ada@example.test", "grace@example.test"):
        await page.request.post(f"{sandbox}/sandbox/workers", data={"identity": identity, "available": False})
    await page.request.post(f"{sandbox}/sandbox/inbound", data={"from": "+15550100005", "body": "AGENT"})


async def signed_in(browser: Browser, url: str, name: str, **how: Any) -> Page:
    """A page of somebody of the sandbox, signed in with one tap."""
    page = await browser.new_page(timezone_id="UTC", **how)
    # Where the book's pictures are said to be nobody answers.
    await page.route("https://**", lambda route: route.abort())
    await page.goto(f"{url}/signin?next=/app/offline")
    await page.get_by_role("button", name=name).click()
    await page.wait_for_url(f"{url}/app/offline")
    return page


async def take(page: Page, name: str) -> None:
    """Save what is shown once it has come to rest."""
    await page.wait_for_load_state("load")
    await expect(page.locator("#toasts > *")).to_have_count(0)
    (IMAGES / f"{name}.png").write_bytes(smaller(await page.screenshot(animations="disabled", caret="hide")))


async def app_tour(browser: Browser, url: str) -> None:
    """What Grace sees: her list and a conversation on the phone, and the same at her desk in the dark."""
    phone = await signed_in(browser, url, "Grace", viewport=PHONE, device_scale_factor=2, color_scheme="light")
    await phone.goto(f"{url}/app")
    await expect(phone.locator("#rows > li")).to_have_count(3)
    await take(phone, "app-list")
    await phone.get_by_text("Maria Sanchez").click()
    await expect(phone.locator("#thread .own .status").last).to_have_text("Delivered")
    await take(phone, "app-thread")
    desk = await signed_in(browser, url, "Grace", viewport=DESK, color_scheme="dark")
    await desk.goto(phone.url)
    await expect(desk.locator("#rows > li")).to_have_count(3)
    await take(desk, "app-desk")


async def console_tour(browser: Browser, url: str) -> None:
    """What a supervisor sees: everything, one conversation and its reasons, and the machine."""
    desk = await signed_in(browser, url, "Supervisor", viewport=DESK, color_scheme="light")
    await desk.goto(f"{url}/console")
    await expect(desk.locator("#queue li")).to_have_count(1)
    await take(desk, "console-board")
    await desk.locator("tbody tr", has_text="Maria Sanchez").get_by_role("link").first.click()
    await expect(desk.locator(".machine .current + .name")).to_have_text("with_worker")
    await take(desk, "console-conversation")
    await desk.goto(f"{url}/console/machine")
    await take(desk, "console-machine")


async def main() -> None:
    """Start `expert-hub serve` in an empty folder, take the tour, save the pictures, stop it."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("screenshots need Chromium on the PATH")
    IMAGES.mkdir(parents=True, exist_ok=True)
    port, sandbox_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        service = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "orchestrator", "serve", "--port", str(port)),
            cwd=folder,
            env={"SANDBOX_PORT": str(sandbox_port), "PATH": ""},
            stdout=asyncio.subprocess.PIPE,
        )
        assert service.stdout is not None
        while b"listens on" not in await service.stdout.readline():
            pass
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
            url, sandbox = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{sandbox_port}"
            page = await browser.new_page(viewport=DESK)
            await tour(page, sandbox)
            await take(page, "sandbox")
            await more_customers(page, sandbox)
            await app_tour(browser, url)
            await one_waits(page, sandbox)
            await console_tour(browser, url)
            await browser.close()
        service.terminate()
        await service.wait()


if __name__ == "__main__":
    asyncio.run(main())

"""Take the pictures of the README from the running program: the real service, the sandbox, and a browser."""

import asyncio
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect

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


async def app_tour(browser: Browser, url: str) -> None:
    """The same conversation where Grace serves it: on her phone, and at her desk in the dark."""
    for name, size, scheme in (("app-phone", PHONE, "light"), ("app-desk", DESK, "dark")):
        page = await browser.new_page(viewport=size, color_scheme=scheme, device_scale_factor=2)
        await page.goto(f"{url}/signin?next=/app")
        await page.get_by_role("button", name="Grace").click()
        await page.get_by_text("Maria Sanchez").first.click()
        await expect(page.locator("#thread .own .status").last).to_have_text("Delivered")
        await page.screenshot(path=IMAGES / f"{name}.png")
        await page.close()


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
            page = await browser.new_page(viewport={"width": 1280, "height": 800})
            await tour(page, f"http://127.0.0.1:{sandbox_port}")
            await page.screenshot(path=IMAGES / "sandbox.png")
            await app_tour(browser, f"http://127.0.0.1:{port}")
            await browser.close()
        service.terminate()
        await service.wait()


if __name__ == "__main__":
    asyncio.run(main())

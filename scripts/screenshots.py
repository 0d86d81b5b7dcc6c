"""Take the pictures of the README from the running program: the real service, the sandbox, and a browser."""

import asyncio
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Page, async_playwright, expect

IMAGES = Path(__file__).parents[1] / "docs" / "images"
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
            await browser.close()
        service.terminate()
        await service.wait()


if __name__ == "__main__":
    asyncio.run(main())

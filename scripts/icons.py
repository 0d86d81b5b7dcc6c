"""Draw the app's icons, as PNG, from one drawing; needs Chromium. They are kept in the repository."""

import asyncio
import shutil
import sys
from pathlib import Path

from playwright.async_api import async_playwright

FOLDER = Path(__file__).parents[1] / "orchestrator" / "phone" / "static"
SIZES = (192, 512)
# A maskable icon keeps what matters within a circle of four fifths, and fills its square (W3C, "maskable").
SHAPES = {"icon-": ('rx="108"', 1.0), "icon-maskable-": ("", 0.76)}
DRAWING = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512" width="{size}" height="{size}">
<rect width="512" height="512" {corner} fill="#17624f"/>
<g transform="translate(256 256) scale({scale}) translate(-256 -256)">
<path d="M126 180a54 54 0 0 1 54-54h152a54 54 0 0 1 54 54v100
a54 54 0 0 1-54 54H242l-72 62v-62.6a54 54 0 0 1-44-53z" fill="#fff"/>
<path d="M208 230h96" stroke="#17624f" stroke-width="18"/><circle cx="202" cy="230" r="26" fill="#17624f"/>
<circle cx="310" cy="230" r="26" fill="#17624f"/></g></svg>"""


async def main() -> None:
    """Write every icon."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("icons need Chromium on the PATH")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for size in SIZES:
            page = await browser.new_page(viewport={"width": size, "height": size})
            for name, (corner, scale) in SHAPES.items():
                drawing = DRAWING.format(size=size, corner=corner, scale=scale)
                await page.set_content(f"<style>body{{margin:0}}</style>{drawing}")
                await page.screenshot(path=FOLDER / f"{name}{size}.png", omit_background=True)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())

"""What makes the app installable: its manifest, its service worker and the page without a network.

They are open to everybody, for none of it tells anything of anybody.
"""

import json
from pathlib import Path
from typing import Final

from aiohttp import web

from orchestrator.pages.assets import assets, static, version
from orchestrator.pages.rendering import render

_WORKER: Final = Path(__file__).with_name("service_worker.js")
_SIZES: Final = (192, 512)


async def manifest(_request: web.Request) -> web.Response:
    """W3C, "Web Application Manifest"."""
    icons = [
        {
            "src": static(f"phone/icon-{purpose}{size}.png"),
            "sizes": f"{size}x{size}",
            "type": "image/png",
            "purpose": kind,
        }
        for purpose, kind in (("", "any"), ("maskable-", "maskable"))
        for size in _SIZES
    ]
    described = {
        "id": "/app",
        "name": "expert-hub",
        "short_name": "expert-hub",
        "description": "Conversations with your customers.",
        "start_url": "/app",
        "scope": "/app",
        "display": "standalone",
        "background_color": "#fbfbf9",
        "theme_color": "#17624f",
        "icons": icons,
    }
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    return web.Response(text=json.dumps(described), content_type="application/manifest+json", headers=headers)


async def service_worker(_request: web.Request) -> web.Response:
    """The script with the version of the static files and their names before it: another version is another worker."""
    kept = [static(name) for name in sorted(assets()) if "/" not in name or name.startswith("phone/")]
    head = f"const VERSION = {json.dumps(version())};\nconst FILES = {json.dumps(kept)};\n"
    headers = {
        "Cache-Control": "no-cache",
        "Service-Worker-Allowed": "/app",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; connect-src 'self'",
    }
    return web.Response(
        text=head + _WORKER.read_text(encoding="utf-8"), content_type="text/javascript", headers=headers
    )


async def offline(request: web.Request) -> web.Response:
    """What is shown where there is no network. It names nobody: a service worker keeps it."""
    return render(request, "phone/offline.html")

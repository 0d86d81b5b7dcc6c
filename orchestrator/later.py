"""Handlers imported with the first request for them: pages are for people, and no start should wait for them.

In a thread, for it takes up to a tenth of a second, in which webhooks are not to wait.
"""

import asyncio
from pkgutil import resolve_name

from aiohttp import web

from orchestrator.people.rights import Handler


def later(name: str, within: str | None = None) -> Handler:
    """The handler of this name, `package.module:function`; `within`: the name of what makes one of it, if it is none
    itself."""
    found: Handler | None = None

    def bring() -> Handler:
        handler: Handler = resolve_name(name)
        return handler if within is None else resolve_name(within)(handler)

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal found
        if found is None:
            found = await asyncio.to_thread(bring)
        return await found(request)

    return answer

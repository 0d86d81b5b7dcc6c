"""The floor: a bare aiohttp handler that reads the body and answers 200, under the loop that the service runs under."""

import asyncio
import sys

from aiohttp import web

from bench import loops


async def _answer(request: web.Request) -> web.Response:
    await request.read()
    return web.Response()


async def _serve(port: int) -> None:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", _answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


def main() -> None:
    """Serve on the port given as the only argument, until killed."""
    loops.run(_serve(int(sys.argv[1])))


if __name__ == "__main__":
    main()

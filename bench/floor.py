"""The floor: a bare aiohttp handler that reads the body and answers 200."""

import sys

from aiohttp import web


async def _answer(request: web.Request) -> web.Response:
    await request.read()
    return web.Response()


def main() -> None:
    """Serve on the port given as the only argument."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", _answer)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()

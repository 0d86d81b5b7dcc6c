"""Around every handler of Twilio's: what is refused is answered, and everything is counted.

A wrapper and no middleware: aiohttp looks for the middlewares of every request anew, and puts one of its own before
them, which together cost a webhook as much as reading its fields.
"""

import time
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from structlog.stdlib import BoundLogger

from orchestrator import metrics
from orchestrator.errors import BodyTooLarge, BodyTooSlow, WebhookError

Handler = Callable[[web.Request], Awaitable[web.Response]]

log: BoundLogger = structlog.get_logger()


def answered(route: str, handler: Handler) -> Handler:
    """`handler`, with a `WebhookError` answered by its status and a constant body, the reason going to the log alone;
    how often each status is answered, and how long it takes, is counted under `route`."""

    async def answering(request: web.Request) -> web.Response:
        status, began = 500, time.perf_counter()
        try:
            response = await handler(request)
            status = response.status
        except WebhookError as refusal:
            response, status = _refused(route, refusal), refusal.status
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            metrics.webhook(route, status, time.perf_counter() - began)
        return response

    return answering


def _refused(route: str, refusal: WebhookError) -> web.Response:
    log.warning("webhook_refused", route=route, status=refusal.status, reason=str(refusal))
    answer = web.json_response({"error": refusal.phrase}, status=refusal.status)
    if isinstance(refusal, BodyTooLarge | BodyTooSlow):
        answer.force_close()
    return answer

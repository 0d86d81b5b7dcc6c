"""Requests to the control API: read, or refused in JSON with a sentence that says why."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from orchestrator.sandbox import rules
from orchestrator.sandbox.errors import BadInput, HookRejected, TwilioError, not_found
from orchestrator.sandbox.inputs import Fields
from orchestrator.sandbox.records import Conversation
from orchestrator.sandbox.sandbox import sandbox_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Say no in JSON, and let no page of another site act here (its browser tells us by `Origin`)."""
    if not request.path.startswith("/sandbox/"):
        return await handler(request)
    origin = request.headers.get("Origin")
    if origin is not None and not _same_host(origin, request.host):
        return _refusal(403, "this page may not use the sandbox")
    try:
        return await handler(request)
    except BadInput as error:
        return _refusal(400, str(error))
    except HookRejected as error:
        return _refusal(409, f"rejected by a pre-action webhook: {error}")
    except TwilioError as error:
        return _refusal(error.status, error.message)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _refusal(error.status, error.reason, error.headers.get("Allow"))


async def fields_of(request: web.Request) -> Fields:
    """The JSON object of a request; no body is an empty one."""
    try:
        body = await request.read()
        values = rules.strict_json(body.decode()) if body else {}
    except (ValueError, web.RequestPayloadError) as error:
        raise BadInput(f"the body is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise BadInput("the body must be a JSON object")
    return Fields(values)


def conversation_of(request: web.Request) -> Conversation:
    """The conversation the path names, by SID."""
    name = request.match_info["conversation"]
    found = sandbox_of(request).world.conversations.get(name)
    if found is None:
        raise not_found(name)
    return found


def _same_host(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        return False


def _refusal(status: int, reason: str, allowed: str | None = None) -> web.Response:
    """A refusal; of a method, with those that are `allowed` (RFC 9110, section 15.5.6)."""
    return web.json_response({"error": reason}, status=status, headers={"Allow": allowed} if allowed else None)

"""Where to ring a worker: his browser says, and takes it back. JSON in, for browsers have it as JSON.

A subscription names a URL that we will call. It must be https, at a host with a public name; see `push.PublicHosts`.
"""

import json
from typing import Any, Final

from aiohttp import web

from orchestrator.pages.rendering import answer_json
from orchestrator.phone.desk import Desk, Refused
from orchestrator.phone.push import PUSH
from storage import subscriptions
from storage.subscriptions import Subscription

BODY_MAX: Final = 8_000
ENDPOINT_MAX: Final = 2_000
KEY_MAX: Final = 200


async def key(desk: Desk) -> web.StreamResponse:
    """The public key a browser subscribes with (RFC 8292, "applicationServerKey")."""
    return answer_json({"key": await desk.request.app[PUSH].public_key(desk.service)})


async def subscribe(desk: Desk) -> web.StreamResponse:
    """Remember where to ring. Raises Refused with 422 for a place that nobody may be rung at."""
    given = await _given(desk.request)
    endpoint, keys = _text(given, "endpoint", ENDPOINT_MAX), given.get("keys")
    if not isinstance(keys, dict):
        raise Refused(422, "The subscription has no keys.")
    push = desk.request.app[PUSH]
    if not await push.hosts.may_call(endpoint):
        raise Refused(422, "The subscription's address is not one of a public push service.")
    wanted = Subscription(endpoint, desk.person.id, _text(keys, "p256dh", KEY_MAX), _text(keys, "auth", KEY_MAX))
    await desk.service.writer.run(lambda unit: subscriptions.keep(unit, wanted))
    push.subscribed.set()
    return answer_json({"subscribed": True})


async def unsubscribe(desk: Desk) -> web.StreamResponse:
    """Ring there no more."""
    endpoint = _text(await _given(desk.request), "endpoint", ENDPOINT_MAX)
    await desk.service.writer.run(lambda unit: subscriptions.forget(unit, endpoint, desk.person.id))
    return answer_json({"subscribed": False})


async def _given(request: web.Request) -> dict[str, Any]:
    body = await request.content.read(BODY_MAX + 1)
    try:
        given = json.loads(body) if len(body) <= BODY_MAX else None
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise Refused(422, "A subscription is expected, as JSON.")
    return given


def _text(given: dict[str, Any], name: str, limit: int) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= limit or not value.isascii() or not value.isprintable():
        raise Refused(422, f"The subscription's {name} cannot be used.")
    return value

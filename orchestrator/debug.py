"""The routes for people and programs: state dumps, the machine, health, metrics.

Who may ask: the bearer of ADMIN_TOKEN, or, without one, whoever asks over loopback and through no proxy.
"""

import hmac

from aiohttp import web

from orchestrator.later import later
from orchestrator.nearby import is_local
from orchestrator.people.rights import EVERYBODY, OPERATOR, Handler, used_by
from orchestrator.service import SERVICE
from orchestrator.settings import Settings


def may_ask(request: web.Request, settings: Settings) -> bool:
    """Whether the request comes from an operator."""
    if settings.admin_token is not None:
        given = request.headers.get("Authorization", "")
        wanted = f"Bearer {settings.admin_token.get_secret_value()}"
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())
    return is_local(request, settings.public_url)


async def healthz(_request: web.Request) -> web.Response:
    """The process lives."""
    return web.Response(text="ok\n")


async def readyz(request: web.Request) -> web.Response:
    """Webhooks can be accepted; what hinders it is told to operators only."""
    service = request.app[SERVICE]
    reason = await service.hindrance()
    status = 200 if reason is None else 503
    if service.settings.admin_token is not None and may_ask(request, service.settings):
        return web.json_response({"ready": reason is None, "reason": reason}, status=status)
    return web.Response(text="ready\n" if reason is None else "not ready\n", status=status)


def _operator(name: str) -> Handler:
    return used_by(OPERATOR, later(f"orchestrator.inspecting:{name}", within="orchestrator.inspecting:for_operators"))


def routes() -> list[web.RouteDef]:
    """The routes for people and programs."""
    return [
        web.get("/debug/conversations", _operator("list_conversations")),
        web.get("/debug/conversations/{sid}", _operator("show_conversation")),
        web.get("/debug/machine", _operator("show_machine")),
        web.get("/healthz", used_by(EVERYBODY, healthz)),
        web.get("/readyz", used_by(EVERYBODY, readyz)),
        web.get("/metrics", _operator("show_metrics")),
    ]

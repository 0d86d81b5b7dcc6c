"""The routes of /app, and what of it runs beside them."""

from typing import Final

from aiohttp import web

from orchestrator.later import later
from orchestrator.people.guarding import open_to
from orchestrator.people.rights import EVERYBODY, SERVE, Handler, used_by
from orchestrator.phone.ringing import attach

__all__ = ["attach", "routes"]

_HERE: Final = "orchestrator.phone"
_ONE: Final = "/app/c/{sid:CH[0-9a-fA-F]{32}}"


def _serving(name: str) -> Handler:
    """For people who serve customers."""
    return open_to(SERVE, later(f"{_HERE}.{name}", within=f"{_HERE}.desk:serving"))


def _everybody(name: str) -> Handler:
    return used_by(EVERYBODY, later(f"{_HERE}.{name}"))


def routes() -> list[web.RouteDef]:
    """Every route of the app."""
    return [
        web.get("/app", _serving("inbox:page")),
        web.get("/app.json", _serving("inbox:twin")),
        web.get("/app/events", _serving("events:events")),
        web.post("/app/available", _serving("inbox:switch")),
        *_of_one_conversation(),
        web.get("/app/customers", _serving("customers:page")),
        web.get("/app/customers.json", _serving("customers:twin")),
        web.get("/app/customers/one", _serving("customers:one")),
        web.get("/app/customers/one.json", _serving("customers:one_twin")),
        web.post("/app/customers/start", _serving("customers:start")),
        web.get("/app/push/key", _serving("subscribing:key")),
        web.post("/app/push/subscribe", _serving("subscribing:subscribe")),
        web.post("/app/push/unsubscribe", _serving("subscribing:unsubscribe")),
        web.get("/app/manifest.webmanifest", _everybody("installing:manifest")),
        web.get("/app/sw.js", _everybody("installing:service_worker")),
        web.get("/app/offline", _everybody("installing:offline")),
        # The last, for it takes what none of the others does: an installed app has no other way back.
        web.get("/app/{nowhere:.*}", _serving("desk:nowhere")),
    ]


def _of_one_conversation() -> list[web.RouteDef]:
    return [
        web.get(_ONE, _serving("conversation:page")),
        web.get(_ONE + ".json", _serving("conversation:twin")),
        web.post(_ONE + "/seen", _serving("conversation:seen")),
        web.post(_ONE + "/notes", _serving("conversation:note")),
        web.post(_ONE + "/write", _serving("writing:write")),
        web.post(_ONE + "/again", _serving("writing:again")),
        web.get(_ONE + "/replies", _serving("writing:replies")),
        web.get(_ONE + "/replies.json", _serving("writing:replies_twin")),
        web.get(_ONE + "/picture.json", _serving("attaching:twin")),
        web.get(_ONE + "/picture", _serving("attaching:form")),
        # It says itself who may, for it takes the form before it is known what is in it.
        web.post(_ONE + "/picture", used_by(SERVE, later(f"{_HERE}.attaching:send"))),
        web.get(_ONE + "/template", _serving("templating:form")),
        web.get(_ONE + "/template.json", _serving("templating:twin")),
        web.post(_ONE + "/template", _serving("templating:send")),
        web.get(_ONE + "/hand-over", _serving("handing:hand_over_form")),
        web.get(_ONE + "/hand-over.json", _serving("handing:hand_over_twin")),
        web.post(_ONE + "/hand-over", _serving("handing:hand_over")),
        web.get(_ONE + "/close", _serving("handing:close_form")),
        web.get(_ONE + "/close.json", _serving("handing:close_twin")),
        web.post(_ONE + "/close", _serving("handing:close")),
        web.get(_ONE + "/m/{message}/{number}", _serving("pictures:picture")),
    ]

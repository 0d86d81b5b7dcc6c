"""The routes of /app, and what of it runs beside them."""

from typing import Final

from aiohttp import web

from orchestrator.phone import (
    attaching,
    conversation,
    customers,
    events,
    handing,
    inbox,
    installing,
    pictures,
    subscribing,
    templating,
    writing,
)
from orchestrator.phone.desk import serving
from orchestrator.phone.ringing import attach

__all__ = ["attach", "routes"]

_ONE: Final = "/app/c/{sid:CH[0-9a-fA-F]{32}}"


def routes() -> list[web.RouteDef]:
    """Every route of the app."""
    return [
        web.get("/app", serving(inbox.page)),
        web.get("/app.json", serving(inbox.twin)),
        web.get("/app/events", serving(events.events)),
        web.post("/app/available", serving(inbox.switch)),
        web.get(_ONE, serving(conversation.page)),
        web.get(_ONE + ".json", serving(conversation.twin)),
        web.post(_ONE + "/seen", serving(conversation.seen)),
        web.post(_ONE + "/notes", serving(conversation.note)),
        web.post(_ONE + "/write", serving(writing.write)),
        web.post(_ONE + "/again", serving(writing.again)),
        web.get(_ONE + "/replies", serving(writing.replies)),
        web.get(_ONE + "/replies.json", serving(writing.replies_twin)),
        web.get(_ONE + "/picture.json", serving(attaching.twin)),
        web.get(_ONE + "/picture", serving(attaching.form)),
        web.post(_ONE + "/picture", attaching.send()),
        web.get(_ONE + "/template", serving(templating.form)),
        web.get(_ONE + "/template.json", serving(templating.twin)),
        web.post(_ONE + "/template", serving(templating.send)),
        web.get(_ONE + "/hand-over", serving(handing.hand_over_form)),
        web.get(_ONE + "/hand-over.json", serving(handing.hand_over_twin)),
        web.post(_ONE + "/hand-over", serving(handing.hand_over)),
        web.get(_ONE + "/close", serving(handing.close_form)),
        web.get(_ONE + "/close.json", serving(handing.close_twin)),
        web.post(_ONE + "/close", serving(handing.close)),
        web.get(_ONE + "/m/{message}/{number}", serving(pictures.picture)),
        web.get("/app/customers", serving(customers.page)),
        web.get("/app/customers.json", serving(customers.twin)),
        web.get("/app/customers/one", serving(customers.one)),
        web.get("/app/customers/one.json", serving(customers.one_twin)),
        web.post("/app/customers/start", serving(customers.start)),
        web.get("/app/push/key", serving(subscribing.key)),
        web.post("/app/push/subscribe", serving(subscribing.subscribe)),
        web.post("/app/push/unsubscribe", serving(subscribing.unsubscribe)),
        *installing.routes(),
    ]

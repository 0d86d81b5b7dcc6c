"""The routes of the workbench, each with the right it needs."""

from aiohttp import web

from orchestrator.console.overview import OVERVIEWS, Overviews
from orchestrator.later import later
from orchestrator.people.guarding import open_to
from orchestrator.people.rights import REPAIR, STEP_IN, WATCH, Handler, Right

SID = "{sid:CH[0-9a-fA-F]{32}}"


def routes() -> list[web.RouteDef]:
    """Pages, their twins, the streams they live on, and the forms."""

    def handler(name: str, right: Right) -> Handler:
        here = "orchestrator.console"
        return open_to(right, later(f"{here}.{name}", within=f"{here}.answering:telling"))

    def get(path: str, name: str) -> web.RouteDef:
        return web.get(path, handler(name, WATCH))

    def post(path: str, name: str, right: Right) -> web.RouteDef:
        return web.post(path, handler(name, right))

    return [
        get("/console", "board:show"),
        get("/console.json", "board:show_json"),
        get("/console/live", "answering:watch_all"),
        get("/console/audit", "records:show_audit"),
        get("/console/audit.json", "records:show_audit_json"),
        get("/console/machine", "records:show_machine"),
        get("/console/machine.json", "records:show_machine_json"),
        get(f"/console/c/{SID}", "conversation:show"),
        get(f"/console/c/{SID}.json", "conversation:show_json"),
        get(f"/console/c/{SID}/live", "answering:watch_one"),
        post(f"/console/c/{SID}/act", "acting:act", STEP_IN),
        post(f"/console/c/{SID}/repair", "acting:repair", REPAIR),
        # The last, for it takes what none of the others does.
        get("/console/{nowhere:.*}", "answering:nowhere"),
    ]


def attach(app: web.Application) -> None:
    """Let the application have what the board keeps for a moment."""
    app[OVERVIEWS] = Overviews()

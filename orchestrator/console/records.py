"""The audit log and the machine: who did what and why, and the table that decides everything."""

from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from orchestrator.console.asking import BadAsk, whole
from orchestrator.console.story import act_json
from orchestrator.pages.rendering import answer_json, render
from orchestrator.service import SERVICE
from states import diagram, drawing
from states.explaining import sentence_of
from states.table import OPEN, STATES, TRANSITIONS, VERSION
from storage import audit
from storage.audit import Act

ACTS_SHOWN: Final = 100
SID_MAX: Final = 34


async def show_audit(request: web.Request) -> web.Response:
    """Who did what, newest first."""
    sid, acts, following = await _acts(request)
    return render(request, "console/audit.html", acts=acts, following=following, sid=sid or "")


async def show_audit_json(request: web.Request) -> web.Response:
    """The same as JSON."""
    _sid, acts, following = await _acts(request)
    return answer_json({"audit": [act_json(act) for act in acts], "next": following})


async def _acts(request: web.Request) -> tuple[str | None, list[Act], str | None]:
    """The conversation asked for, the acts, and the cursor of those before them."""
    sid, before = request.query.get("conversation", "").strip() or None, whole(request.query, "before")
    if sid is not None and len(sid) > SID_MAX:
        raise BadAsk("conversation must be the SID of a conversation.")

    def read(connection: Connection) -> list[Act]:
        if sid is None:
            return audit.newest(connection, ACTS_SHOWN + 1, before)
        return [act for act in reversed(audit.of(connection, sid)) if before is None or act.id < before]

    found = await request.app[SERVICE].reader.read(read)
    shown = found[:ACTS_SHOWN]
    return sid, shown, str(shown[-1].id) if len(found) > ACTS_SHOWN else None


async def show_machine(request: web.Request) -> web.Response:
    """The diagram and the whole table, from the code."""
    rows = [
        {
            "sources": row.sources,
            "any": {STATES: "any state", OPEN: "any open state"}.get(row.sources),
            "trigger": row.trigger,
            "guards": [(guard, sentence_of(guard)) for guard in row.guards],
            "dest": row.dest,
            "does": [(writer, sentence_of(writer)) for writer in row.does],
            "effects": diagram.effects_of(row),
        }
        for row in TRANSITIONS
    ]
    picture = drawing.as_svg(within_page=True)
    return render(request, "console/machine.html", rows=rows, picture=picture, version=VERSION)


async def show_machine_json(_request: web.Request) -> web.Response:
    """The table as the debug route has it, with what guards and writers say of themselves."""
    names = {name for row in TRANSITIONS for name in (*row.guards, *row.does)}
    told: dict[str, Any] = diagram.as_json() | {
        "version": VERSION,
        "sentences": {name: sentence_of(name) for name in sorted(names)},
    }
    return answer_json(told)

"""The board: how many conversations are where, who waits, who has how much to do, what fails, and the list."""

from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from orchestrator.console.asking import Asked, asked, channel_of, filter_of
from orchestrator.console.overview import OVERVIEWS, Overview
from orchestrator.dumps import effect_row, inbox_row, iso, snapshot
from orchestrator.pages.rendering import answer_json, is_fragment, render
from orchestrator.service import SERVICE, Service
from states.conversation import Conversation
from states.table import STATES
from storage import boards
from storage.boards import CHANNELS

PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of the list. `failing`: how many of its effects are given up or tried again."""

    conversation: Conversation
    channel: str
    failing: int


@dataclass(frozen=True, slots=True)
class Board:
    """The whole board. `following`: the cursor of the next page; `now` in milliseconds since 1970."""

    asked: Asked
    rows: list[Listed]
    following: int | None
    overview: Overview
    now: int


async def show(request: web.Request) -> web.Response:
    """The board as a page; a change of anything shows within a second."""
    board = await _board(request, is_fragment(request))
    return render(request, "console/board.html", board=board, states=STATES, channels=CHANNELS)


async def show_json(request: web.Request) -> web.Response:
    """The same as JSON, with the same filters."""
    return answer_json(as_json(await _board(request, is_again=True)))


async def _board(request: web.Request, is_again: bool) -> Board:
    """`is_again`: something has changed, and what was read before that will not do."""
    service, wanted = request.app[SERVICE], asked(request.query)
    now = service.writer.now()
    rows, following = await _rows(service, wanted, now)
    overviews = request.app[OVERVIEWS]
    overview = await (overviews.fresh(service) if is_again else overviews.recent(service))
    return Board(wanted, rows, following, overview, now)


async def _rows(service: Service, wanted: Asked, now: int) -> tuple[list[Listed], int | None]:
    def read(connection: Connection) -> tuple[list[Listed], int | None]:
        found, following = boards.page(connection, filter_of(connection, wanted, now), PAGE, wanted.after)
        failing = boards.failing_among(connection, [each.sid for each in found])
        return [Listed(each, channel_of(each.address), failing.get(each.sid, 0)) for each in found], following

    return await service.reader.read(read)


def as_json(board: Board) -> dict[str, Any]:
    """The board's twin: the list as the debug routes have it, and what stands beside it."""
    overview, following = board.overview, board.following
    return {
        "counts": overview.counts,
        "waiting": [snapshot(each.conversation) | {"waiting_since": iso(each.since)} for each in overview.queue],
        "waiting_count": overview.queue_length,
        "workers": [
            {"identity": worker.identity, "open": worker.open, "available": worker.available}
            for worker in overview.workers
        ],
        "trouble": {
            "counts": overview.trouble.counts,
            "given_up": [effect_row(row) for row in overview.trouble.given_up],
            "failing": [effect_row(row) for row in overview.trouble.failing],
            "undecided": [inbox_row(row) for row in overview.trouble.undecided],
        },
        "conversations": [_listed(row) for row in board.rows],
        "next": None if following is None else str(following),
    }


def _listed(row: Listed) -> dict[str, Any]:
    return snapshot(row.conversation) | {
        "channel": row.channel,
        "workers": [worker.identity for worker in row.conversation.workers],
        "waiting_since": iso(row.conversation.waiting_since),
        "failing": row.failing,
    }

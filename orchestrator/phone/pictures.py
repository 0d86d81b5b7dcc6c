"""Pictures of a worker's own conversations, through Twilio's media service and with its credentials kept here.

What arrives is hostile: `orchestrator.pictures` lets only kinds through that run nothing, and the headers say so again.
"""

import re
from typing import Final

from aiohttp import web

from orchestrator.phone.desk import NOT_FOUND, Desk

_MESSAGE: Final = re.compile(r"IM[0-9a-fA-F]{32}")
_NUMBER: Final = re.compile(r"[0-9]{1,2}")
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    # It never changes; longer than somebody sits here it is kept by nobody.
    "Cache-Control": "private, max-age=3600",
}


async def picture(desk: Desk) -> web.StreamResponse:
    """/app/c/{sid}/m/{message}/{number}, numbered from 0."""
    info = desk.request.match_info
    sid, message, number = await desk.own(info["sid"]), info["message"], info["number"]
    if not (_MESSAGE.fullmatch(message) and _NUMBER.fullmatch(number)):
        raise NOT_FOUND
    kind, content = await desk.service.acts.picture(sid, message, int(number))
    return web.Response(body=content, content_type=kind, headers=_HEADERS)

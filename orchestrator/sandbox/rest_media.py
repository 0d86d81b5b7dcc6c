"""Twilio's Media Content Service: what is attached to messages. Attachments are described and not kept, so that each
picture is the same small one of its type, and everything else a line of text.
"""

from pathlib import Path

from aiohttp import web

from orchestrator.sandbox import rules, seeds
from orchestrator.sandbox.errors import not_found
from orchestrator.sandbox.records import Conversation, Media, Message
from orchestrator.sandbox.rest import Call, Reply, add_route
from orchestrator.sandbox.sandbox import SANDBOX, Sandbox

_MEDIA = "/v1/Services/{service}/Media/{media}"
_PICTURES = {
    "image/gif": "sample.gif",
    "image/jpeg": "sample.jpg",
    "image/png": "sample.png",
    "image/webp": "sample.webp",
}


def add_routes(app: web.Application) -> None:
    """Add the routes of this module."""
    add_route(app, "GET", _MEDIA, fetch, scoped=False)
    app.router.add_get(_MEDIA + "/Content", content)


def fetch(call: Call) -> Reply:
    """`GET /Services/{IS}/Media/{ME}`: described, with the link to its content."""
    call.query()
    found = _attached(call.sandbox, call.named("media"))
    if found is None:
        raise not_found(call.request.path)
    conversation, message, media = found
    return Reply(
        200,
        {
            "sid": media.sid,
            "service_sid": seeds.CHAT_SERVICE_SID,
            "channel_sid": conversation.sid,
            "message_sid": message.sid,
            "author": message.author,
            "category": "media",
            "content_type": media.content_type,
            "filename": media.filename,
            "size": len(_bytes(media)),
            "date_created": rules.rest_date(message.created),
            "date_updated": rules.rest_date(message.created),
            "url": f"/v1/Services/{seeds.CHAT_SERVICE_SID}/Media/{media.sid}",
            "links": {"content_direct_temporary": f"{call.url}/Content", "content": f"{call.url}/Content"},
        },
    )


async def content(request: web.Request) -> web.Response:
    """`GET …/Content`: whoever has the link may fetch it."""
    found = _attached(request.app[SANDBOX], request.match_info["media"])
    if found is None:
        raise web.HTTPNotFound
    return web.Response(body=_bytes(found[2]), headers={"Content-Type": found[2].content_type})


def _attached(sandbox: Sandbox, media_sid: str) -> tuple[Conversation, Message, Media] | None:
    for conversation in sandbox.world.conversations.values():
        for message in conversation.messages.values():
            for media in message.media:
                if media.sid == media_sid:
                    return conversation, message, media
    return None


def _bytes(media: Media) -> bytes:
    name = _PICTURES.get(media.content_type)
    if name is None:
        return b"The sandbox keeps no attachments.\n"
    return Path(__file__).with_name("static").joinpath(name).read_bytes()

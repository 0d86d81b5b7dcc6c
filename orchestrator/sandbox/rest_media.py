"""Twilio's Media Content Service: what is attached to messages. What was uploaded is kept; what a customer attached is
described and not kept, so that each picture is the same small one of its type, and everything else a line of text.
"""

from pathlib import Path

from aiohttp import web

from orchestrator.sandbox import rules, seeds
from orchestrator.sandbox.errors import bad_parameter, not_found
from orchestrator.sandbox.records import Conversation, Media, Message, Upload
from orchestrator.sandbox.rest import Call, Reply, add_route
from orchestrator.sandbox.sandbox import SANDBOX, Sandbox
from orchestrator.sandbox.world import new_sid

_MEDIA = "/v1/Services/{service}/Media/{media}"
_PICTURES = {
    "image/gif": "sample.gif",
    "image/jpeg": "sample.jpg",
    "image/png": "sample.png",
    "image/webp": "sample.webp",
}


def add_routes(app: web.Application) -> None:
    """Add the routes of this module."""
    add_route(app, "POST", "/v1/Services/{service}/Media", upload, scoped=False, takes_bytes=True)
    add_route(app, "GET", _MEDIA, fetch, scoped=False)
    app.router.add_get(_MEDIA + "/Content", content)


def upload(call: Call) -> Reply:
    """`POST /Services/{IS}/Media?Filename=`: keep a file until a message carries it."""
    filename, content_type = call.query("Filename").get("Filename"), call.request.content_type
    if not call.content:
        raise bad_parameter("There is nothing in the body")
    media = Media(new_sid("ME"), content_type, filename, len(call.content))
    call.sandbox.world.uploads[media.sid] = Upload(media, call.content)
    made = rules.rest_date(call.sandbox.world.now())
    url = f"{call.url}/{media.sid}"
    return Reply(
        201,
        {
            "sid": media.sid,
            "service_sid": seeds.CHAT_SERVICE_SID,
            "channel_sid": None,
            "message_sid": None,
            "author": None,
            "category": "media",
            "content_type": content_type,
            "filename": filename,
            "size": media.size,
            "date_created": made,
            "date_updated": made,
            "url": url,
            "links": {"content_direct_temporary": None, "content": f"{url}/Content"},
        },
    )


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
            "size": len(_bytes(call.sandbox, media)),
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
    return web.Response(body=_bytes(request.app[SANDBOX], found[2]), headers={"Content-Type": found[2].content_type})


def _attached(sandbox: Sandbox, media_sid: str) -> tuple[Conversation, Message, Media] | None:
    for conversation in sandbox.world.conversations.values():
        for message in conversation.messages.values():
            for media in message.media:
                if media.sid == media_sid:
                    return conversation, message, media
    return None


def _bytes(sandbox: Sandbox, media: Media) -> bytes:
    if media.sid in sandbox.world.uploads:
        return sandbox.world.uploads[media.sid].content
    name = _PICTURES.get(media.content_type)
    if name is None:
        return b"The sandbox keeps no attachments.\n"
    return Path(__file__).with_name("static").joinpath(name).read_bytes()

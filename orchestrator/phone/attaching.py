"""A picture for the customer: a form with a file in it, which is larger than other forms and longer on its way."""

import asyncio
import secrets
from typing import Final

from aiohttp import web

from orchestrator.pages.rendering import answer_json, render
from orchestrator.people import sessions
from orchestrator.people.guarding import open_to
from orchestrator.people.origins import is_from_us
from orchestrator.people.rights import SERVE
from orchestrator.phone.conversation import own_conversation
from orchestrator.phone.desk import BODY_MAX, Desk, Refused, done, field, refused, serving, token_of
from orchestrator.phone.views import customer_name
from orchestrator.pictures import PICTURE_MAX_BYTES, SHOWN, Picture, max_bytes

FORM_MAX_BYTES: Final = PICTURE_MAX_BYTES + 64 * 1024
# What a phone at the edge of its network takes for the largest.
ARRIVAL_S: Final = 120.0


async def form(desk: Desk) -> web.StreamResponse:
    """Which picture, and what goes with it."""
    conversation = await own_conversation(desk)
    return render(
        desk.request,
        "phone/picture.html",
        sid=conversation.sid,
        name=customer_name(conversation),
        act_token=secrets.token_urlsafe(16),
    )


async def twin(desk: Desk) -> web.StreamResponse:
    """/app/c/{sid}/picture.json: what can be sent to this customer."""
    address = (await own_conversation(desk)).address
    return answer_json({"types": SHOWN, "max_bytes": max_bytes(address), "body_max": BODY_MAX})


async def _send(desk: Desk) -> web.StreamResponse:
    sid = await desk.own(desk.request.match_info["sid"])
    chosen = (await desk.request.post()).get("picture")
    if not isinstance(chosen, web.FileField) or not chosen.filename:
        raise Refused(422, "Choose a picture first.")
    body = await field(desk.request, "body", BODY_MAX)
    content = await asyncio.to_thread(chosen.file.read)
    picture = Picture(content, chosen.content_type)
    await desk.service.acts.write(sid, desk.person, body, await token_of(desk.request), picture)
    return done(desk.request, f"/app/c/{sid}")


_taken: Final = open_to(SERVE, serving(_send))


async def send(request: web.Request) -> web.StreamResponse:
    """Send a picture. From whoever is signed in, and from nobody else, a large form is taken."""
    large = request.clone(client_max_size=FORM_MAX_BYTES)
    if await sessions.who(large) is None or not is_from_us(large):
        return await _taken(large)
    if (large.content_length or 0) > FORM_MAX_BYTES:
        return refused(large, 422, f"This is too large: {PICTURE_MAX_BYTES // 1024**2} MB are the most.")
    try:
        async with asyncio.timeout(ARRIVAL_S):
            fields = await large.post()
    except (web.HTTPRequestEntityTooLarge, ValueError, LookupError, TimeoutError):
        return refused(large, 422, "The picture did not arrive whole. Try again.")
    try:
        return await _taken(large)
    finally:
        # aiohttp closes what it has read into files for the request it made itself, and not for a copy of it.
        for value in fields.values():
            if isinstance(value, web.FileField):
                value.file.close()

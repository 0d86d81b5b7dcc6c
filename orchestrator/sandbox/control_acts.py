"""The control API's people: customers who write, and workers who write, join, leave and close by the SDK."""

from aiohttp import web

from orchestrator.sandbox import acts, rules
from orchestrator.sandbox.control_requests import conversation_of, fields_of
from orchestrator.sandbox.drafts import Draft, identity_of
from orchestrator.sandbox.inputs import inbound_of
from orchestrator.sandbox.sandbox import sandbox_of


def add_routes(app: web.Application) -> None:
    """Add the routes of this module."""
    app.router.add_post("/sandbox/inbound", inbound)
    for account in ("/sandbox", "/sandbox/flex"):
        one = account + "/conversations/{conversation}"
        app.router.add_post(one + "/messages", write)
        app.router.add_post(one + "/join", join)
        app.router.add_post(one + "/leave", leave)
        app.router.add_post(one + "/close", close)


async def inbound(request: web.Request) -> web.Response:
    """A customer's message, exactly as Twilio would take it in."""
    message = inbound_of(await fields_of(request))
    taken, published = await acts.receive(sandbox_of(request), message)
    answer = {"conversation_sid": taken.sid, "message_sid": published.sid}
    return web.json_response(answer, status=201)


async def write(request: web.Request) -> web.Response:
    """Somebody who is in the conversation writes through the SDK."""
    fields, found = await fields_of(request), conversation_of(request)
    fields.only("author", "body")
    body = rules.body(fields.text("body"), bool(found.channel_participants()))
    draft = Draft(author=identity_of(fields.text("author")), body=body)
    message = await acts.write(sandbox_of(request), found, draft)
    answer = {"conversation_sid": found.sid, "message_sid": message.sid}
    return web.json_response(answer, status=201)


async def join(request: web.Request) -> web.Response:
    """Somebody joins through the SDK."""
    fields, found = await fields_of(request), conversation_of(request)
    fields.only("identity")
    identity = identity_of(fields.text("identity"))
    participant = await acts.join(sandbox_of(request), found, identity)
    return web.json_response({"participant_sid": participant.sid}, status=201)


async def leave(request: web.Request) -> web.Response:
    """Somebody leaves through the SDK."""
    fields, found = await fields_of(request), conversation_of(request)
    fields.only("identity")
    await acts.leave(sandbox_of(request), found, fields.text("identity"))
    return web.Response(status=204)


async def close(request: web.Request) -> web.Response:
    """The conversation is closed, for good."""
    (await fields_of(request)).only()
    acts.close(sandbox_of(request), conversation_of(request))
    return web.Response(status=204)

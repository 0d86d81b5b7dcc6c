"""The sandbox's own control API: customers' messages, workers, the ledger, the faults, and what the page shows.

Faults never touch it. Input that cannot be used is answered 400 with a sentence.
"""

import json
from typing import Any

from aiohttp import web

from orchestrator.sandbox import seeds
from orchestrator.sandbox.control_requests import Handler, conversation_of, fields_of
from orchestrator.sandbox.errors import BadInput
from orchestrator.sandbox.faults import Faults
from orchestrator.sandbox.records import Conversation, Worker
from orchestrator.sandbox.sandbox import FLEX, SANDBOX, Switches, sandbox_of
from orchestrator.sandbox.shapes import Place, Shape, conversation_shape, message_shape, participant_shape


def add_routes(app: web.Application) -> None:
    """Add the control API to the sandbox's application."""
    one = "/sandbox/conversations/{conversation}"
    routes: tuple[tuple[str, str, Handler], ...] = (
        ("POST", "/sandbox/workers", workers),
        ("GET", one, conversation),
        ("GET", "/sandbox/ledger", ledger),
        ("GET", "/sandbox/faults", faults),
        ("PUT", "/sandbox/faults", set_faults),
        ("GET", "/sandbox/switches", switches),
        ("PUT", "/sandbox/switches", set_switches),
        ("POST", "/sandbox/reset", reset),
        ("GET", "/sandbox/state", state),
    )
    of_flex = (one, "/sandbox/ledger", "/sandbox/faults")
    for method, path, handler in routes:
        app.router.add_route(method, path, handler)
        if path in of_flex:
            app.router.add_route(method, path.replace("/sandbox/", "/sandbox/flex/", 1), handler)
    app.router.add_get("/sandbox/flex/interactions", interactions)


async def workers(request: web.Request) -> web.Response:
    """Add a worker (201) or change one (200); his identity may be in any letter case."""
    fields, sandbox = await fields_of(request), request.app[SANDBOX]
    fields.only("identity", "available", "attributes")
    identity, available = fields.text("identity"), fields.flag("available")
    attributes = fields.document("attributes")
    workforce = sandbox.world.workforce
    activity_sid, worker = workforce.activity_for(available).sid, workforce.named(identity)
    if worker:
        sandbox.tell_workers(workforce.change(worker, activity_sid, attributes))
        return web.json_response(_worker_shape(worker))
    added = workforce.add(identity, activity_sid, attributes or "{}")
    sandbox.tell_workers([added])
    return web.json_response(_worker_shape(added.worker), status=201)


async def conversation(request: web.Request) -> web.Response:
    """A conversation with its participants and its messages in published order."""
    found = conversation_of(request)
    return web.json_response(_whole(found, Place(f"{request.scheme}://{request.host}")))


async def ledger(request: web.Request) -> web.Response:
    """Every REST write and every webhook after `since`, exclusive."""
    since = request.query.get("since", "0")
    if not (since.isascii() and since.isdigit() and len(since) < 19):
        raise BadInput("since must be an integer from 0")
    entries = sandbox_of(request).ledger.since(int(since))
    return web.json_response({"entries": [entry.json() for entry in entries]})


async def faults(request: web.Request) -> web.Response:
    """The faults in force."""
    return web.json_response(sandbox_of(request).faults.json())


async def set_faults(request: web.Request) -> web.Response:
    """Put these faults in force in place of all others; `{}` clears them."""
    wanted = Faults.read((await fields_of(request)).values)
    sandbox_of(request).set_faults(wanted)
    return web.json_response(wanted.json())


async def switches(request: web.Request) -> web.Response:
    """How the sandbox decides what Twilio's documents leave open."""
    return web.json_response(_switches_shape(request.app[SANDBOX].switches))


async def set_switches(request: web.Request) -> web.Response:
    """Decide it otherwise; what is left out is as it is after a reset."""
    fields = await fields_of(request)
    fields.only("worker_etags", "listed_worker_attributes")
    wanted = Switches(**{name: fields.flag(name) for name in fields.values})
    request.app[SANDBOX].switches = wanted
    return web.json_response(_switches_shape(wanted))


async def interactions(request: web.Request) -> web.Response:
    """The Interactions of the Flex account, the oldest first."""
    found = sandbox_of(request).interactions.all
    told = [
        {"sid": it.sid, "conversation_sid": it.conversation_sid, "attributes": json.loads(it.attributes)}
        for it in found
    ]
    return web.json_response({"interactions": told})


async def reset(request: web.Request) -> web.Response:
    """An empty account with the seeded workers, and no faults."""
    await request.app[FLEX].reset()
    await request.app[SANDBOX].reset()
    return web.Response(status=204)


async def state(request: web.Request) -> web.Response:
    """Everything the page shows, conversations newest first."""
    sandbox, place = request.app[SANDBOX], Place(f"{request.scheme}://{request.host}")
    answer = {
        "account_sid": seeds.ACCOUNT_SID,
        "service_url": sandbox.service_url,
        "numbers": seeds.NUMBERS,
        "workers": [_worker_shape(worker) for worker in sandbox.world.workforce.workers.values()],
        "conversations": [_glance(it, place) for it in reversed(sandbox.world.conversations.values())],
        "faults": sandbox.faults.json(),
    }
    return web.json_response(answer)


def _whole(it: Conversation, place: Place) -> Shape:
    return {
        "conversation": conversation_shape(it, place),
        "participants": [participant_shape(it, who, place) for who in it.participants.values()],
        "messages": [message_shape(it, message, place) for message in it.messages.values()],
    }


def _glance(it: Conversation, place: Place) -> Shape:
    channel = it.channel_participants()
    binding = channel[0].binding if channel else None
    whole = _whole(it, place)
    return {
        "sid": it.sid,
        "state": it.state,
        "friendly_name": it.friendly_name,
        "address": binding.address if binding else None,
        "proxy_address": binding.proxy_address if binding else None,
        "participants": whole["participants"],
        "messages": whole["messages"],
    }


def _worker_shape(worker: Worker) -> dict[str, Any]:
    return {
        "sid": worker.sid,
        "identity": worker.friendly_name,
        "available": worker.activity.available,
        "attributes": json.loads(worker.attributes),
    }


def _switches_shape(it: Switches) -> dict[str, bool]:
    return {"worker_etags": it.worker_etags, "listed_worker_attributes": it.listed_worker_attributes}

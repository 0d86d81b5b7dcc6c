"""What a worker writes: a message, once however often it is posted; a failed one again; quick replies to begin with."""

from typing import Any

from aiohttp import web

from orchestrator.callbacks import filled_templates
from orchestrator.pages.rendering import answer_json, render
from orchestrator.phone.conversation import own_conversation
from orchestrator.phone.desk import BODY_MAX, Desk, Refused, done, field, token_of
from orchestrator.phone.views import channel_of, customer_name
from states.conversation import Conversation
from storage import threads

# "Hello dear customer" where nobody knows the name.
SOMEBODY = "dear customer"
AGAIN = "The worker tried again."


async def write(desk: Desk) -> web.StreamResponse:
    """Send a message under the worker's identity. A repeated token is not a second message."""
    sid = await desk.own(desk.request.match_info["sid"])
    body = await field(desk.request, "body", BODY_MAX, "Write the message first.")
    await desk.service.acts.write(sid, desk.person, body, await token_of(desk.request))
    return done(desk.request, f"/app/c/{sid}")


async def again(desk: Desk) -> web.StreamResponse:
    """Try a message again that was given up; no other effect, and of no other conversation."""
    sid = await desk.own(desk.request.match_info["sid"])
    key = await field(desk.request, "key", 64, "The form is incomplete; reload the page and try again.")
    entries, _ = await desk.service.reader.read(lambda connection: threads.thread(connection, sid))
    if not any(entry.key == key and entry.status == "failed" and entry.index is None for entry in entries):
        raise Refused(409, "This message is not waiting to be tried again.")
    await desk.service.acts.retry_effect(key, desk.person, AGAIN)
    return done(desk.request, f"/app/c/{sid}")


async def replies(desk: Desk) -> web.StreamResponse:
    """The quick replies: templates with both names in them, for the composer."""
    conversation = await own_conversation(desk)
    return render(
        desk.request,
        "phone/replies.html",
        sid=conversation.sid,
        channel_type=channel_of(conversation),
        groups=_groups(desk, conversation),
    )


async def replies_twin(desk: Desk) -> web.StreamResponse:
    """/app/c/{sid}/replies.json."""
    conversation = await own_conversation(desk)
    return answer_json({"groups": _groups(desk, conversation), "body_max": BODY_MAX})


def _groups(desk: Desk, conversation: Conversation) -> list[dict[str, Any]]:
    customer = customer_name(conversation) if conversation.customer else SOMEBODY
    return filled_templates(customer, desk.person.name)

"""What the Flex account tells of a stay's conversation: hints to look there, durable before they are answered.

Each such conversation has a webhook of its own, whose URL names ours; that account's signature covers it.
"""

import asyncio
import re

import structlog
from aiohttp import web

from orchestrator.adapters.twilio_flex import is_ours
from orchestrator.answering import answered
from orchestrator.bodies import Form
from orchestrator.errors import MalformedWebhook
from orchestrator.flexing import EVENT_PATH
from orchestrator.people.rights import TWILIO, used_by
from orchestrator.service import SERVICE
from orchestrator.taking import admit_act
from orchestrator.verified import verified_form
from states.events import FlexStirred
from storage.errors import StorageError
from storage.unit import About, Unit

log = structlog.get_logger()
LIMIT_S = 4.0
_SID = re.compile(r"CH[0-9a-fA-F]{32}")


async def flex_event(request: web.Request) -> web.Response:
    """Take a hint in; 200 once it is durable. What we wrote there ourselves is none."""
    service = request.app[SERVICE]
    settings = service.settings
    deadline = asyncio.get_running_loop().time() + LIMIT_S
    form = await verified_form(
        request, settings.public_url, settings.flex_account_sid or "", settings.flex_signing_tokens
    )
    sid, hint = _ours(request), _hint(form)
    if hint is None:
        return web.Response()
    key, event = hint

    def work(unit: Unit) -> None:
        stored = unit.conversation(sid)
        stay = None if stored is None else stored.conversation.flex
        if stored is not None and stay is not None and stay.sid == event.flex_sid and unit.inbox_row(key) is None:
            admit_act(unit, stored, key, event)

    try:
        await service.writer.run(work, About(sid, key), deadline)
    except (TimeoutError, StorageError) as error:
        log.error("webhook_not_stored", error=type(error).__name__, reason=str(error))
        raise web.HTTPServiceUnavailable(headers={"Retry-After": "5"}) from error
    return web.Response()


def _ours(request: web.Request) -> str:
    sid = request.query.get("conversation", "")
    if _SID.fullmatch(sid) is None:
        raise MalformedWebhook("the URL names no conversation of ours")
    return sid


def _hint(form: Form) -> tuple[str, FlexStirred] | None:
    """The key and the event of a webhook; None for one that says nothing new."""
    kind, flex_sid = form.need("EventType"), form.sid("ConversationSid")
    match kind:
        case "onMessageAdded" if not is_ours(form.get("Attributes")):
            return f"flex/{kind}/{form.sid('MessageSid')}", FlexStirred(flex_sid)
        case "onParticipantRemoved":
            return f"flex/{kind}/{form.sid('ParticipantSid')}", FlexStirred(flex_sid, left=True)
        case "onConversationStateUpdated":
            changed = f"{form.need('StateTo')}/{form.get('StateUpdated', '')}"
            return f"flex/{kind}/{flex_sid}/{changed}"[:128], FlexStirred(flex_sid)
        case "onConversationRemoved":
            return f"flex/{kind}/{flex_sid}", FlexStirred(flex_sid)
        case _:
            return None


def routes() -> list[web.RouteDef]:
    """The route the Flex account calls."""
    return [web.post(EVENT_PATH, used_by(TWILIO, answered(EVENT_PATH, flex_event)))]

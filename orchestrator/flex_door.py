"""`POST /flex-transfer`: the door through which Flex sends customers. It is never open.

Who may come: a request the Flex account has signed, or the bearer of FLEX_TRANSFER_TOKEN or ADMIN_TOKEN. The answer is
200 with the conversation's SID once the customer is here, greeted and routed; anything else means that Flex keeps him.
"""

import hmac
import json
import re
from contextlib import suppress
from typing import Any

import structlog
from aiohttp import web

from orchestrator import bodies
from orchestrator.addresses import PHONE_CHANNELS, is_possible_phone, split_prefix
from orchestrator.answering import answered
from orchestrator.bodies import Form
from orchestrator.flex_transfers import Transfer, TransferRefused
from orchestrator.people.rights import TWILIO, used_by
from orchestrator.service import SERVICE
from orchestrator.settings import Settings
from orchestrator.verified import SIGNATURE, verified_form
from states.events import Goal
from states.policy import read_choice

log = structlog.get_logger()
PATH = "/flex-transfer"
HISTORY_MAX = 20_000
"""Characters of a history that are kept; of a longer one, the end."""
NAME_MAX = 256
ATTRIBUTES_MAX = 50
_KEY = re.compile(r"[A-Za-z0-9_.:-]{8,80}")


async def flex_transfer(request: web.Request) -> web.Response:
    """Take a customer over."""
    service = request.app[SERVICE]
    try:
        wanted = transfer_of(await _fields(request, service.settings))
        sid = await service.transfers.take_over(wanted)
    except TransferRefused as refusal:
        log.warning("transfer_refused", status=refusal.status, reason=str(refusal))
        headers = {"Retry-After": "5"} if refusal.status >= 500 else None
        return web.json_response({"error": str(refusal)}, status=refusal.status, headers=headers)
    log.info("customer_transferred", conversation_sid=sid, key=wanted.key)
    return web.json_response({"conversation_sid": sid})


async def _fields(request: web.Request, settings: Settings) -> dict[str, Any]:
    """The fields of a request that may come in. Raises WebhookError and TransferRefused."""
    if SIGNATURE in request.headers:
        account, tokens = settings.flex_account_sid or "", settings.flex_signing_tokens
        return dict(await verified_form(request, settings.public_url, account, tokens))
    if not _bears_a_token(request, settings):
        raise TransferRefused("This needs the signature of the Flex account, or a bearer token.", 401)
    body = await bodies.read_body(request)
    content_type = request.headers.get("Content-Type")
    if bodies.media_type(content_type) != bodies.JSON:
        fields = bodies.split_form(body)
        bodies.check_form(body, fields, content_type)
        return dict(Form.of(fields))
    return _object(body, "The body")


def _bears_a_token(request: web.Request, settings: Settings) -> bool:
    given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
    tokens = [token for token in (settings.flex_transfer_token, settings.admin_token) if token is not None]
    return any(hmac.compare_digest(given, f"Bearer {token.get_secret_value()}".encode()) for token in tokens)


def transfer_of(fields: dict[str, Any]) -> Transfer:
    """What is asked for. Raises TransferRefused (422) with the field that is wrong."""
    key = _text(fields, "key", 80)
    if _KEY.fullmatch(key) is None:
        raise TransferRefused("key must be 8 to 80 letters, digits, and . _ : -; a repeat is known by it.", 422)
    channel, value = _channel(fields)
    to, identity = _goal(_text(fields, "to", 320) or "agent")
    return Transfer(
        key=key,
        channel=channel,
        value=value,
        to=to,
        identity=identity,
        name=_text(fields, "name", NAME_MAX) or None,
        attributes=_attributes(fields.get("attributes")),
        history=_history(fields.get("history")),
    )


def _text(fields: dict[str, Any], name: str, limit: int) -> str:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise TransferRefused(f"{name} must be text.", 422)
    text = (value or "").strip()
    if len(text) > limit:
        raise TransferRefused(f"{name} has {len(text)} characters; {limit} are the most.", 422)
    return _storable(text, name)


def _storable(text: str, name: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise TransferRefused(f"{name} holds half a character.", 422) from error
    if "\x00" in text:
        raise TransferRefused(f"{name} holds a NUL character.", 422)
    return text


def _channel(fields: dict[str, Any]) -> tuple[str, str]:
    """The channel and the customer's address on it; the address alone may say which."""
    address = _text(fields, "address", 320)
    prefix, rest = split_prefix(address)
    channel = (_text(fields, "channel", 20) or prefix or "sms").lower()
    if not address or (channel in PHONE_CHANNELS and not is_possible_phone(rest)):
        raise TransferRefused("address must be the customer's: +1555…, or whatsapp:+1555… and the like.", 422)
    return channel, address


def _goal(to: str) -> tuple[Goal, str | None]:
    match to.casefold():
        case "bot":
            return "bot", None
        case "agent":
            return "agent", None
    choice = read_choice(to)
    if choice.identity is None:
        raise TransferRefused("to must be bot, agent or a worker's email address.", 422)
    return "email", choice.identity


def _attributes(given: Any) -> dict[str, str]:
    """The customer's attributes: an object, or one as text. What is no text becomes its JSON."""
    if given in (None, ""):
        return {}
    found = _object(given.encode(errors="replace"), "attributes") if isinstance(given, str) else given
    if not isinstance(found, dict) or len(found) > ATTRIBUTES_MAX:
        raise TransferRefused(f"attributes must be an object of at most {ATTRIBUTES_MAX} names.", 422)
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in found.items()}


def _history(given: Any) -> str:
    """What was said in Flex: text, or a list of `{"author", "at"?, "body"}`, a line each."""
    if isinstance(given, str) and given.lstrip().startswith("["):
        # What only looks like a list is text.
        with suppress(ValueError, RecursionError):
            given = json.loads(given)
    if isinstance(given, list):
        given = "\n".join(_line(said) for said in given)
    if given is None:
        return ""
    if not isinstance(given, str):
        raise TransferRefused("history must be text, or a list of author, at and body.", 422)
    return _storable(given.strip()[-HISTORY_MAX:], "history")


def _line(said: Any) -> str:
    if not isinstance(said, dict):
        raise TransferRefused("history must be text, or a list of author, at and body.", 422)
    at, author, body = (str(said.get(name) or "") for name in ("at", "author", "body"))
    return f"{at} {author}: {body}".strip()


def _object(text: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise TransferRefused(f"{what} must be a JSON object.", 400) from error
    if not isinstance(found, dict):
        raise TransferRefused(f"{what} must be a JSON object.", 400)
    return found


def routes() -> list[web.RouteDef]:
    """The route of this module."""
    return [web.post(PATH, used_by(TWILIO, answered(PATH, flex_transfer)))]

"""The door of the webhooks: a request comes in, the fields Twilio signed come out, or a refusal.

Refused in this order: 413, 408, 403, 400. So whoever did not sign learns nothing about what a good body is, and
nothing unsigned is ever interpreted. The URL is the public base from the settings and the path and query as
received: Host, X-Forwarded-* and an absolute request target have no say in it.
"""

from collections.abc import Sequence

from aiohttp import web

from orchestrator import bodies
from orchestrator.bodies import Fields, Form
from orchestrator.errors import MalformedWebhook, SignatureMismatch
from orchestrator.signatures import verify, verify_json

SIGNATURE = "X-Twilio-Signature"


async def verified_form(
    request: web.Request,
    public_url: str,
    account_sid: str,
    tokens: Sequence[str],
    deadline_s: float = bodies.BODY_DEADLINE_S,
) -> Form:
    """The fields of a webhook that one of `tokens` signed for `public_url` and the path and query received.

    `public_url` has no trailing slash; `deadline_s` is the time for the whole body. Raises `BodyTooLarge`,
    `BodyTooSlow`, `SignatureMismatch` (also for another account's AccountSid; an absent one is fine) and
    `MalformedWebhook`, in this order.
    """
    url = public_url + _target(request.raw_path)
    content_type = request.headers.get("Content-Type")
    signature = _signature(request)
    try:
        body = await bodies.read_body(request, deadline_s=deadline_s)
    except MalformedWebhook as unreadable:
        raise SignatureMismatch(f"{unreadable}, so nobody can have signed it") from None
    if bodies.media_type(content_type) == bodies.JSON:
        _insist(verify_json(url, body, signature, tokens))
        fields = bodies.parse_json(body)
        _refuse_other_accounts(fields, account_sid)
    else:
        fields = bodies.split_form(body if signature else b"")
        _insist(verify(url, fields.covered, signature, tokens))
        _refuse_other_accounts(fields, account_sid)
        bodies.check_form(body, fields, content_type)
    return Form.of(fields)


def _target(raw_path: str) -> str:
    """The path and query of a request target; an absolute one names a host, which is dropped."""
    if raw_path.startswith("/"):
        return raw_path
    _, slash, path = raw_path.partition("://")[2].partition("/")
    return slash + path


def _signature(request: web.Request) -> str | None:
    """The signature, if there is exactly one."""
    signatures = request.headers.getall(SIGNATURE, [])
    return signatures[0] if len(signatures) == 1 else None


def _insist(genuine: bool) -> None:
    if not genuine:
        raise SignatureMismatch("the signature is missing or does not fit the public URL and the body")


def _refuse_other_accounts(fields: Fields, account_sid: str) -> None:
    if not fields.values_of(b"AccountSid") <= {b"", account_sid.encode()}:
        raise SignatureMismatch("the AccountSid is another account's")

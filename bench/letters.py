"""Signed webhooks, made before they are needed: each tells of a conversation nobody has heard of."""

from collections.abc import Iterator
from itertools import count
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator

from orchestrator.sandbox import seeds

PATH = "/post-event"
PREPARED = 20_000


def prepared(url: str, numbers: "count[int]", how_many: int = PREPARED) -> Iterator[bytes]:
    """So many requests to `url`, as bytes for the wire, all made before the first is handed out."""
    validator = RequestValidator(seeds.AUTH_TOKEN)
    return iter([_request(url, validator, next(numbers)) for _ in range(how_many)])


def _request(url: str, validator: RequestValidator, number: int) -> bytes:
    fields = {
        "AccountSid": seeds.ACCOUNT_SID,
        "ChatServiceSid": seeds.CHAT_SERVICE_SID,
        "ConversationSid": f"CH{number:032x}",
        "DateCreated": "2026-01-01T00:00:00.000Z",
        "EventType": "onConversationAdded",
        "MessagingBinding.Address": f"+1555{number % 10**7:07d}",
        "MessagingBinding.ProxyAddress": "+15550100999",
        "State": "active",
    }
    body = urlencode(fields)
    head = (
        f"POST {PATH} HTTP/1.1",
        "Host: bench",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
        f"X-Twilio-Signature: {validator.compute_signature(url + PATH, fields)}",
    )
    return "\r\n".join((*head, "", body)).encode()

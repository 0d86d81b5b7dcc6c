"""Signed webhooks, made before they are needed: conversations nobody has heard of, and the first message in each.

Each is what Twilio sends for a customer's SMS, with the fields and headers of its webhooks. The message comes a while
after its conversation, for Twilio sends it when the webhook before it has been answered. SIDs and numbers come in no
order, as Twilio's do: the webhooks of a batch would share pages of the database, in ascending ones, that they do not.
"""

from collections import deque
from collections.abc import Mapping
from hashlib import blake2b
from itertools import count
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator

from orchestrator.sandbox import seeds

PATH = "/post-event"
AT = "2026-01-01T00:00:00.000Z"
# Conversations between one and its message. With a message sent beside each that is twice as many requests as there are
# connections, so that every conversation has been answered before its message leaves.
BEHIND = 64


class Letters:
    """An endless supply for one service. `public_url`: what signatures are made for; `first`: the number in the SID of
    the first conversation."""

    def __init__(self, public_url: str, first: int = 0) -> None:
        self._url = public_url + PATH
        self._validator = RequestValidator(seeds.AUTH_TOKEN)
        self._numbers = count(first)

    def prepared(self, how_many: int) -> list[bytes]:
        """So many requests or one more, as bytes for the wire, nearly half of them messages; to be sent in this order,
        and no message without what is before it."""
        found: list[bytes] = []
        untold: deque[int] = deque()
        while len(found) < how_many:
            untold.append(number := next(self._numbers))
            found.append(self._request(_conversation(number)))
            if len(untold) > BEHIND:
                found.append(self._request(_message(untold.popleft())))
        return found

    def _request(self, fields: Mapping[str, str]) -> bytes:
        body = urlencode(fields)
        head = (
            f"POST {PATH} HTTP/1.1",
            "Host: hub.example.test",
            "User-Agent: TwilioProxy/1.1",
            "Accept: */*",
            "Content-Type: application/x-www-form-urlencoded; charset=utf-8",
            f"Content-Length: {len(body)}",
            f"I-Twilio-Idempotency-Token: {fields['ConversationSid'][2:]}",
            f"X-Twilio-Signature: {self._validator.compute_signature(self._url, fields)}",
        )
        return "\r\n".join((*head, "", body)).encode()


def _common(event: str, number: int) -> dict[str, str]:
    return {
        "EventType": event,
        "AccountSid": seeds.ACCOUNT_SID,
        "ChatServiceSid": seeds.CHAT_SERVICE_SID,
        "Source": "SMS",
        "RetryCount": "0",
        "ConversationSid": sid("CH", number),
        "MessagingServiceSid": seeds.MESSAGING_SERVICE_SID,
        "Attributes": "{}",
        "DateCreated": AT,
    }


def _conversation(number: int) -> dict[str, str]:
    binding = {
        "MessagingBinding.Address": _address(number),
        "MessagingBinding.ProxyAddress": seeds.NUMBERS["sms"],
    }
    return {**_common("onConversationAdded", number), "DateUpdated": AT, "State": "active", **binding}


def _message(number: int) -> dict[str, str]:
    return {
        **_common("onMessageAdded", number),
        "MessageSid": sid("IM", number),
        "ParticipantSid": sid("MB", number),
        "Index": "0",
        "Author": _address(number),
        "Body": "Hello, is anybody there? I should like to know when my order arrives.",
    }


def sid(kind: str, number: int) -> str:
    """A SID of a kind (`CH`) as random as Twilio's, and always the same one for a number."""
    return kind + blake2b(f"{kind}{number}".encode(), digest_size=16).hexdigest()


def local_number(number: int) -> str:
    """Seven digits, other ones for each of ten million numbers in a row, and in no order."""
    return f"{number * 7_654_321 % 10**7:07d}"


def _address(number: int) -> str:
    return f"+1555{local_number(number)}"

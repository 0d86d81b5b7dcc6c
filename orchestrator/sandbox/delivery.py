"""One webhook: which there are, where they go, what is sent and signed, and what an answer to it says."""

import base64
import hmac
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urldefrag, urlencode, urlsplit

from yarl import URL

from orchestrator.sandbox import seeds
from orchestrator.sandbox.accounts import OURS, Account
from orchestrator.sandbox.events import Parameters
from orchestrator.sandbox.forms import Pairs
from orchestrator.sandbox.rules import strict_json

PRE_EVENTS = frozenset(
    f"on{what}{verb}" for what in ("Conversation", "Message", "Participant") for verb in ("Add", "Update", "Remove")
) | {"onUserUpdate"}
POST_EVENTS = frozenset(
    f"on{what}{verb}" for what in ("Conversation", "Message", "Participant") for verb in ("Added", "Updated", "Removed")
) | {"onUserAdded", "onUserUpdated", "onConversationStateUpdated", "onDeliveryUpdated"}

RECOMMENDED_FILTERS = (
    "onConversationAdd",
    "onMessageAdd",
    "onParticipantAdded",
    "onConversationAdded",
    "onMessageAdded",
    "onParticipantRemoved",
    "onConversationStateUpdated",
    "onConversationRemoved",
    "onDeliveryUpdated",
)


@dataclass(slots=True)
class VoiceTargets:
    """Where calls to the account's number go; without a URL nobody answers them. An application's stand before them."""

    url: str = ""
    status_callback: str = ""
    method: str = "POST"
    status_callback_method: str = "POST"
    application_sid: str = ""


@dataclass(slots=True)
class Targets:
    """Where webhooks go; an empty URL sends none. `filters` names the events wanted."""

    pre_url: str
    post_url: str
    routing_url: str
    method: str = "POST"
    filters: tuple[str, ...] = RECOMMENDED_FILTERS
    voice: VoiceTargets = field(default_factory=VoiceTargets)

    @classmethod
    def at(cls, service_url: str) -> "Targets":
        """The service's own routes, with the recommended filters."""
        base = service_url.rstrip("/")
        voice = VoiceTargets(f"{base}/voice", f"{base}/voice/status")
        return cls(f"{base}/pre-event", f"{base}/post-event", f"{base}/routing", voice=voice)

    @classmethod
    def nowhere(cls) -> "Targets":
        """What a chat service has before anybody configures its own webhooks."""
        return cls("", "", "", filters=())

    @classmethod
    def of(cls, account: Account, service_url: str) -> "Targets":
        """Where an account's webhooks go at first: a Flex account's go nowhere."""
        return cls("", "", "") if account.is_flex else cls.at(service_url)

    @property
    def is_set(self) -> bool:
        """Whether anything goes anywhere."""
        return bool(self.pre_url or self.post_url)


@dataclass(slots=True, eq=False)
class Scoped:
    """A webhook of one conversation: where it goes, by `get` or `post`, and the post-action events it wants."""

    sid: str
    created: datetime
    updated: datetime
    url: str = ""
    method: str = "post"
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Origin:
    """Who acts, as webhooks tell it. `source`: SMS, WHATSAPP, SDK or API; `identity` for the SDK only."""

    source: str
    identity: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `status` 0: nothing in time, or no connection. `changes`: the JSON object of a 200."""

    status: int
    changes: dict[str, Any] = field(default_factory=dict)
    note: str | None = None
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook to be sent; again, under the same idempotency token. `asks`: its answer may change something;
    `account`: whose token signs it."""

    url: str
    method: str
    pairs: Pairs
    limit_s: float
    asks: bool = False
    token: str = field(default_factory=lambda: str(uuid.uuid4()))
    account: Account = OURS

    @property
    def path(self) -> str:
        """The path of the URL, for the ledger."""
        return URL(self.url).path

    def target(self) -> URL:
        """The URL as it is requested."""
        return URL(self._address(), encoded=True)

    def _address(self) -> str:
        """The URL without its fragment; a GET has its parameters in the query."""
        base = urldefrag(self.url).url
        if self.method == "GET":
            base += ("&" if "?" in base else "?") + urlencode(self.pairs)
        return base

    def data(self) -> bytes | None:
        """The body."""
        return None if self.method == "GET" else urlencode(self.pairs).encode()

    def signature(self) -> str:
        """HMAC-SHA1 over the URL as it was set, but for its credentials, and, for a form, its sorted names and values
        (Twilio Docs, "Security")."""
        parts = urlsplit(self._address())
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        signed = "" if self.method == "GET" else "".join(name + value for name, value in sorted(self.pairs))
        text = (url + signed).encode()
        return base64.b64encode(hmac.digest(self.account.token.encode(), text, "sha1")).decode()

    def headers(self) -> dict[str, str]:
        """The headers seen on Twilio's requests, the signature among them."""
        headers = {
            "X-Twilio-Signature": self.signature(),
            "I-Twilio-Idempotency-Token": self.token,
            "User-Agent": "TwilioProxy/1.1",
        }
        if self.method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
        return headers


def answer_of(delivery: Delivery, status: int, body: bytes) -> Answer:
    """What came back, flagged where something was asked and Twilio documents no such answer."""
    if not delivery.asks:
        return Answer(status)
    if status != 200:
        return Answer(status, note="taken as a rejection: Twilio documents no such status" if status < 400 else None)
    try:
        changes = strict_json(body.decode()) if body.strip() else {}
    except ValueError:
        return Answer(status, note="the body is not JSON and was not looked at")
    return Answer(status, changes if isinstance(changes, dict) else {})


def common(event: str, origin: Origin, parameters: Parameters, account: Account = OURS) -> Pairs:
    """The form of a Conversations webhook: what every one carries, and its own."""
    shared: Parameters = {
        "EventType": event,
        "AccountSid": account.sid,
        "ChatServiceSid": seeds.CHAT_SERVICE_SID,
        "Source": origin.source,
        "ClientIdentity": origin.identity,
        "RetryCount": "0",
    }
    return present({**shared, **parameters})


def present(parameters: Parameters) -> Pairs:
    """The parameters that exist: null ones are left out, as captured requests do."""
    return [(name, value) for name, value in parameters.items() if value is not None]

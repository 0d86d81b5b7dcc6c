"""What an account must be set to for this service, by the settings and the URL Twilio is to call."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from orchestrator.addresses import senders_in
from orchestrator.connecting.resources import ADDRESS, ADDRESS_TYPES, WEBHOOKS, WORKSPACE, Fields, address_type
from orchestrator.settings import Settings

# The recommended filters of the README: messages are answered at once, and nothing need be looked up.
FILTERS = (
    "onConversationAdd",
    "onConversationAdded",
    "onConversationRemoved",
    "onConversationStateUpdated",
    "onDeliveryUpdated",
    "onMessageAdd",
    "onMessageAdded",
    "onParticipantAdded",
    "onParticipantRemoved",
)
WORKER_EVENTS = ("worker.activity.update", "worker.attributes.update", "worker.created", "worker.deleted")


def public_base(given: str, *, local: bool = False) -> str:
    """The base address Twilio is to call, without a slash at its end.

    `local`: it is the sandbox that calls, so http will do; for everybody else it does on loopback alone. Raises
    ValueError, a sentence about what is wrong.
    """
    if not given.isprintable() or " " in given:
        raise ValueError("must be one word")
    if "?" in given or "#" in given:
        raise ValueError("must end with its path: a query or a fragment would be in every signature")
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.hostname or not _has_port_or_none(given):
        raise ValueError("must be an address like https://hub.example.com")
    if parts.username is not None:
        raise ValueError("must not carry a user or a password: they are not signed, and whoever reads the URL has them")
    if parts.scheme == "http" and not local and not is_loopback(parts.hostname):
        raise ValueError("must start with https://: what Twilio sends is customers' messages")
    return given.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def wanted(settings: Settings, base: str, service_sid: str | None) -> dict[str, Fields]:
    """The fields every resource must have, by its key. `service_sid`: the chat service whose own webhooks are used,
    None for the account's."""
    fields: dict[str, Fields] = {
        f"{WEBHOOKS}/{service_sid}" if service_sid else WEBHOOKS: {
            "pre_webhook_url": f"{base}/pre-event",
            "post_webhook_url": f"{base}/post-event",
            "method": "POST",
            "filters": sorted(FILTERS),
        }
    }
    for address in senders(settings):
        fields[f"{ADDRESS}/{address}"] = {"enabled": True, "type": "default"}
    if settings.taskrouter_workspace_sid:
        fields[f"{WORKSPACE}/{settings.taskrouter_workspace_sid}"] = {
            "event_callback_url": f"{base}/taskrouter-event",
            "events_filter": sorted(WORKER_EVENTS),
        }
    return fields


def senders(settings: Settings) -> list[str]:
    """The senders of PROXY_NUMBERS Twilio can create conversations for, each once."""
    return [address for address in every_sender(settings) if address_type(address) in ADDRESS_TYPES]


def every_sender(settings: Settings) -> list[str]:
    """The senders of PROXY_NUMBERS, each once."""
    several = (senders_in(listed) for listed in settings.proxy_numbers.values())
    return list(dict.fromkeys(address for senders in several for address in senders))


def _has_port_or_none(url: str) -> bool:
    try:
        port = urlsplit(url).port
    except ValueError:
        return False
    return port is None or port > 0

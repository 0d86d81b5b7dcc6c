"""What is counted, for `/metrics`. Names are stable; labels hold kinds and statuses, never a person or a SID."""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REGISTRY = CollectorRegistry()

WEBHOOKS = Counter("expert_hub_webhooks", "Requests from Twilio", ["route", "status"], registry=REGISTRY)
WEBHOOK_SECONDS = Histogram(
    "expert_hub_webhook_seconds",
    "Time to answer Twilio",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 5),
    registry=REGISTRY,
)
EFFECTS = Counter("expert_hub_effects", "Attempts at effects by outcome", ["kind", "status"], registry=REGISTRY)
LOOKS = Counter("expert_hub_looks", "Looks at a conversation in Twilio's record", ["found"], registry=REGISTRY)
DUPLICATES = Counter(
    "expert_hub_duplicate_effects",
    "Messages published twice: Twilio carried one out after we gave it up",
    registry=REGISTRY,
)
PRUNED = Counter("expert_hub_pruned", "Rows deleted because they were done and old", ["table"], registry=REGISTRY)
HELD = Gauge("expert_hub_credentials_refused", "1 while Twilio refuses our credentials", registry=REGISTRY)
CONVERSATIONS = Gauge("expert_hub_conversations", "Conversations by state", ["state"], registry=REGISTRY)


# Finding the one of its labels costs a metric more than counting does.
_webhooks, _seconds = cache(WEBHOOKS.labels), cache(WEBHOOK_SECONDS.labels)


def webhook(route: str, status: int, seconds: float) -> None:
    """Count a request from Twilio, and how long it took to answer."""
    _seconds(route).observe(seconds)
    _webhooks(route, status).inc()


def exposition() -> bytes:
    """All of it in the Prometheus text format."""
    return generate_latest(REGISTRY)

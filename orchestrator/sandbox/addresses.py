"""Which senders take a first message in (Twilio Docs, "Inbound Message Handling & Autocreation").

A sender without one is taken in by the account's messaging service, so all are taken in unless told otherwise.
"""

from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.sandbox import seeds

TYPES = ("sms", "whatsapp", "messenger", "gbm", "email", "rcs", "apple", "chat")


@dataclass(slots=True)
class AutoCreation:
    """What becomes of a first message. Of `webhook` and `studio` the settings are kept, and nothing more comes of them
    than of `default`."""

    enabled: bool = False
    type: str = "default"
    conversation_service_sid: str | None = None
    webhook_url: str | None = None
    webhook_method: str | None = None
    webhook_filters: tuple[str, ...] | None = None
    studio_flow_sid: str | None = None
    studio_retry_count: int | None = None


@dataclass(slots=True, eq=False)
class AddressConfiguration:
    """One sender's configuration."""

    sid: str
    ordinal: int
    type: str
    address: str
    created: datetime
    updated: datetime
    friendly_name: str | None = None
    country: str | None = None
    auto_creation: AutoCreation = field(default_factory=AutoCreation)


@dataclass(slots=True)
class Addresses:
    """The account's address configurations, by SID."""

    all: dict[str, AddressConfiguration] = field(default_factory=dict)

    def of(self, address: str) -> AddressConfiguration | None:
        """The configuration of a sender, if it has one."""
        return next((found for found in self.all.values() if found.address == address), None)

    def takes_in(self, address: str) -> bool:
        """Whether a first message to this sender makes a conversation."""
        found = self.of(address)
        return found is None or found.auto_creation.enabled

    def seed(self, now: datetime) -> None:
        """The seeded senders alone, which take everything in."""
        self.all.clear()
        for number, (channel, address) in enumerate(seeds.NUMBERS.items()):
            sid = f"IG{number:02x}" + "5a" * 15
            self.all[sid] = AddressConfiguration(
                sid, number, channel, address, now, now, auto_creation=AutoCreation(True)
            )

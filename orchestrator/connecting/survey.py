"""What an account is and what it must be: read side by side, and told as differences."""

import asyncio
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from orchestrator.adapters.outcomes import calling
from orchestrator.adapters.twilio_client import Connect
from orchestrator.connecting.resources import (
    ADDRESS_TYPES,
    Fields,
    Resource,
    Value,
    Webhooks,
    address_type,
    resource_of,
)
from orchestrator.connecting.wanted import every_sender, is_loopback, wanted
from orchestrator.settings import Settings


@dataclass(frozen=True, slots=True)
class Difference:
    """One resource as it is and as it must be. `found` is None where it does not exist."""

    resource: Resource
    found: Fields | None
    wanted: Fields

    @property
    def changes(self) -> dict[str, tuple[Value, Value]]:
        """Field by field, what it is and what it will be."""
        found = self.found or {}
        return {
            name: (found.get(name), value)
            for name, value in self.wanted.items()
            if self.found is None or found.get(name) != value
        }

    @property
    def mark(self) -> str:
        """`+` to be made, `~` to be changed, `=` as it must be."""
        return "=" if not self.changes else "+" if self.found is None else "~"


@dataclass(frozen=True, slots=True)
class Survey:
    """All of them, and what a person should know about besides."""

    differences: list[Difference]
    notes: list[str] = field(default_factory=list)

    @property
    def to_do(self) -> list[Difference]:
        """Those that differ."""
        return [each for each in self.differences if each.changes]


async def survey(connect: Connect, settings: Settings, base: str) -> Survey:
    """Read everything `wanted` names. Raises EffectError."""
    service_sid, notes = await scope(connect)
    fields = wanted(settings, base, service_sid)
    resources = [resource_of(connect, key) for key in fields]
    found = await asyncio.gather(*(resource.read() for resource in resources))
    differences = [Difference(*each) for each in zip(resources, found, fields.values(), strict=True)]
    return Survey(differences, notes + list(_notes(settings, base)))


async def scope(connect: Connect) -> tuple[str | None, list[str]]:
    """Whose webhooks to set. Twilio documents those of the account and those of a chat service, and not what happens
    when both are set; so the service's are used only where it has some and the account has none."""
    with calling():
        defaults = await (await connect()).conversations.v1.configuration().fetch_async()
    sid: str | None = defaults.default_chat_service_sid
    if sid is None:
        return None, []
    accounts, services = await asyncio.gather(Webhooks(connect, None).read(), Webhooks(connect, sid).read())
    if not _is_set(services):
        return None, []
    if not _is_set(accounts):
        return sid, []
    return None, [
        f"chat service {sid} has webhooks of its own besides the account's; Twilio may call both or one of them. Clear"
        " the service's in the console, or the account's, and run this again"
    ]


def _is_set(webhooks: Fields) -> bool:
    return bool(webhooks["pre_webhook_url"] or webhooks["post_webhook_url"])


def _notes(settings: Settings, base: str) -> list[str]:
    notes = []
    if base != settings.public_url:
        notes.append(
            f"the service checks signatures against PUBLIC_URL, which is {settings.public_url} here: set"
            f" PUBLIC_URL={base} where it runs, or it refuses every webhook"
        )
    if not settings.twilio_api_url and is_loopback(urlsplit(base).hostname or ""):
        notes.append("Twilio cannot reach a loopback address")
    if not settings.taskrouter_workspace_sid:
        notes.append("TASKROUTER_WORKSPACE_SID is not set: no workspace is looked at")
    if not settings.proxy_numbers:
        notes.append("PROXY_NUMBERS is not set: no sender is told to create conversations")
    notes += [
        f"{address} is of a channel Twilio has no address configuration for"
        for address in every_sender(settings)
        if address_type(address) not in ADDRESS_TYPES
    ]
    return notes

"""What can be set on a Twilio account, each read and written as plain fields through the official client.

Twilio leaves out what is empty, or says null, or an empty string; read here, a URL that is none is None and a list that
is none is empty. Written back, None is an empty string (Twilio Docs, "Conversations Webhook Resource", "Address
Configuration Resource", "Workspace Resource"). Errors are those of `calling`.
"""

from typing import Any, Protocol, TypeAlias

from orchestrator.adapters.outcomes import calling, known
from orchestrator.adapters.twilio_client import Connect

Value: TypeAlias = str | bool | int | list[str] | None
Fields: TypeAlias = dict[str, Value]

ADDRESS, WEBHOOKS, WORKSPACE = "address", "webhooks", "workspace"
ADDRESS_TYPES = ("sms", "whatsapp", "messenger", "gbm", "email", "rcs", "apple", "chat")


class Resource(Protocol):
    """One thing of the account. `key` names it in the file to restore from, `title` for people."""

    key: str
    title: str

    async def read(self) -> Fields | None:
        """What it is now; None where it does not exist."""

    async def write(self, fields: Fields) -> None:
        """Set these fields; made where it does not exist. Twice is once."""

    async def remove(self) -> None:
        """Undo its making."""


def resource_of(connect: Connect, key: str) -> Resource:
    """The resource a key names. Raises ValueError for a key of nothing we know."""
    kind, _, name = key.partition("/")
    if kind == WEBHOOKS:
        return Webhooks(connect, name or None)
    if kind == ADDRESS and name:
        return Address(connect, name)
    if kind == WORKSPACE and name:
        return Workspace(connect, name)
    raise ValueError(f"nothing of an account is called {key[:80]!r}")


class Webhooks:
    """Where Conversations webhooks go: of the whole account, or of one chat service."""

    def __init__(self, connect: Connect, service_sid: str | None) -> None:
        self.key = f"{WEBHOOKS}/{service_sid}" if service_sid else WEBHOOKS
        self.title = f"Conversations webhooks of the {f'chat service {service_sid}' if service_sid else 'account'}"
        self._connect = connect
        self._service_sid = service_sid

    async def read(self) -> Fields:
        with calling():
            found = await (await self._resource()).fetch_async()
            return {
                "pre_webhook_url": found.pre_webhook_url or None,
                "post_webhook_url": found.post_webhook_url or None,
                # Null where nobody configured a service: it cannot be put back, and says nothing without a URL.
                "method": found.method or "POST",
                "filters": sorted(found.filters or []),
            }

    async def write(self, fields: Fields) -> None:
        changes: dict[str, Any] = {name: "" if value is None else value for name, value in fields.items()}
        if changes.get("filters") == []:
            changes["filters"] = [""]
        with calling():
            await (await self._resource()).update_async(**changes)

    async def remove(self) -> None:
        raise NotImplementedError("webhooks always exist")

    async def _resource(self) -> Any:
        conversations = (await self._connect()).conversations.v1
        scope = conversations.services(self._service_sid) if self._service_sid else conversations
        return scope.configuration.webhooks()


class Address:
    """Whether a first message to one sender makes a conversation, and what comes of it."""

    def __init__(self, connect: Connect, address: str) -> None:
        self.key = f"{ADDRESS}/{address}"
        self.title = f"Address {address}"
        self._connect = connect
        self._address = address

    async def read(self) -> Fields | None:
        with calling():
            found = await self._find()
            if found is None:
                return None
            auto = found.auto_creation or {}
            return {
                "enabled": known(auto.get("enabled", False), bool),
                "type": auto.get("type") or "default",
                "conversation_service_sid": auto.get("conversation_service_sid"),
                "webhook_url": auto.get("webhook_url") or None,
                "webhook_method": auto.get("webhook_method"),
                "webhook_filters": sorted(auto.get("webhook_filters") or []),
                "studio_flow_sid": auto.get("studio_flow_sid"),
                "studio_retry_count": auto.get("studio_retry_count"),
                "friendly_name": found.friendly_name,
                "address_country": found.address_country,
            }

    async def write(self, fields: Fields) -> None:
        given = {name: value for name, value in fields.items() if value not in (None, [])}
        named = {name: given.pop(name) for name in ("friendly_name", "address_country") if name in given}
        changes: dict[str, Any] = {f"auto_creation_{name}": value for name, value in given.items()}
        with calling():
            found = await self._find()
            addresses = (await self._connect()).conversations.v1.address_configurations
            if found is None:
                await addresses.create_async(
                    type=address_type(self._address), address=self._address, **changes, **named
                )
            else:
                await addresses(found.sid).update_async(**changes)

    async def remove(self) -> None:
        with calling():
            found = await self._find()
            if found is not None:
                addresses = (await self._connect()).conversations.v1.address_configurations
                await addresses(found.sid).delete_async()

    async def _find(self) -> Any:
        addresses = (await self._connect()).conversations.v1.address_configurations
        listed = await addresses.list_async(type=address_type(self._address), page_size=50)
        return next((each for each in listed if each.address == self._address), None)


class Workspace:
    """Which TaskRouter events are told, and where."""

    def __init__(self, connect: Connect, sid: str) -> None:
        self.key = f"{WORKSPACE}/{sid}"
        self.title = f"TaskRouter workspace {sid}"
        self._connect = connect
        self._sid = sid

    async def read(self) -> Fields:
        with calling():
            found = await (await self._connect()).taskrouter.v1.workspaces(self._sid).fetch_async()
            names = (found.events_filter or "").split(",")
            return {
                "event_callback_url": found.event_callback_url or None,
                "events_filter": sorted(name.strip() for name in names if name.strip()),
            }

    async def write(self, fields: Fields) -> None:
        changes = {name: ",".join(value) if isinstance(value, list) else value or "" for name, value in fields.items()}
        with calling():
            await (await self._connect()).taskrouter.v1.workspaces(self._sid).update_async(**changes)

    async def remove(self) -> None:
        raise NotImplementedError("a workspace is not made here")


def address_type(address: str) -> str:
    """Twilio's type of a sender's address, by its prefix: `sms` without one."""
    return address.partition(":")[0] if ":" in address else "sms"

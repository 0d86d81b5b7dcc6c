"""What is about to be made: a conversation, a participant, a message, checked as far as they stand alone."""

from dataclasses import dataclass
from datetime import datetime

from orchestrator.sandbox import rules, seeds
from orchestrator.sandbox.errors import TwilioError, bad_parameter
from orchestrator.sandbox.records import Binding, Media, Timers


@dataclass(slots=True)
class Draft:
    """A message about to be published."""

    author: str
    body: str | None = None
    attributes: str = "{}"
    media: tuple[Media, ...] = ()
    content_sid: str | None = None
    created: datetime | None = None
    updated: datetime | None = None


@dataclass(slots=True)
class Opening:
    """A conversation about to be created."""

    friendly_name: str | None = None
    unique_name: str | None = None
    attributes: str = "{}"
    state: str = "active"
    messaging_service_sid: str = seeds.MESSAGING_SERVICE_SID
    created_by: str = "system"
    timers: Timers | None = None
    created: datetime | None = None
    updated: datetime | None = None


@dataclass(slots=True)
class Newcomer:
    """A participant about to be added: an identity or a binding, not both."""

    identity: str | None = None
    binding: Binding | None = None
    attributes: str = "{}"
    role_sid: str = seeds.ROLE_SID
    created: datetime | None = None
    updated: datetime | None = None


def binding_of(address: str, proxy_address: str) -> Binding:
    """The binding of this pair, refused when the two do not fit."""
    channel, proxy_channel = rules.channel_of(address), rules.channel_of(proxy_address)
    if channel is None:
        raise TwilioError(50407, "Invalid messaging binding address")
    if not proxy_address:
        raise TwilioError(50412, "MessagingBinding.ProxyAddress is missing")
    if proxy_channel is None:
        raise TwilioError(50408, "Invalid messaging binding proxy address")
    if address == proxy_address:
        raise TwilioError(50409, "Address and proxy address must differ")
    if channel != proxy_channel:
        raise TwilioError(50414, "Address and proxy address must be of one channel type")
    return Binding(channel, address, proxy_address)


def identity_of(text: str) -> str:
    """An identity of a chat user."""
    if not text or len(text) > rules.NAME_CHARACTERS:
        raise bad_parameter(f"Identity must have 1 to {rules.NAME_CHARACTERS} characters")
    return text

"""What the control API is sent, field by field: of the right kind, or refused with a sentence that names the field."""

import json
import mimetypes
import re
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from orchestrator.sandbox import rules, seeds
from orchestrator.sandbox.acts import Inbound
from orchestrator.sandbox.drafts import binding_of, identity_of
from orchestrator.sandbox.errors import BadInput, TwilioError
from orchestrator.sandbox.records import Binding, Media
from orchestrator.sandbox.world import new_sid

_CHANNELS = ("sms", "whatsapp", "messenger", "rcs", "chat")
_MAX_MEDIA = 10
_UNKNOWN_TYPE = "application/octet-stream"
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(;[ -~]+)?", re.ASCII)


class Fields:
    """The fields of a JSON object."""

    def __init__(self, values: dict[str, Any], within: str = "") -> None:
        self.values = values
        self._within = within

    def only(self, *names: str) -> None:
        """Refuse every other field."""
        unknown = sorted(set(self.values) - set(names))
        if unknown:
            raise BadInput(f"no such field: {self._within}{', '.join(unknown)[:200]}")

    def text(self, name: str) -> str:
        """Text that is there and not empty."""
        value = self.optional_text(name)
        if not value:
            raise BadInput(f"{self._within}{name} is missing")
        return value

    def optional_text(self, name: str) -> str | None:
        """Text, or None when it is null or left out."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise BadInput(f"{self._within}{name} must be a string")
        return value

    def flag(self, name: str) -> bool:
        """True or false, which must be there."""
        value = self.values.get(name)
        if not isinstance(value, bool):
            raise BadInput(f"{self._within}{name} must be true or false")
        return value

    def document(self, name: str) -> str | None:
        """A JSON object, or a string that holds one, as the string Twilio keeps; None when left out."""
        value = self.values.get(name)
        if value is None:
            return None
        try:
            parsed = rules.strict_json(value) if isinstance(value, str) else value
            text = value if isinstance(value, str) else json.dumps(value)
        except ValueError as error:
            raise BadInput(f"{self._within}{name} is not JSON: {error}") from error
        if not isinstance(parsed, dict):
            raise BadInput(f"{self._within}{name} must be an object")
        return rules.attributes(text, rules.CONVERSATION_ATTRIBUTES)

    def items(self, name: str) -> list[Any]:
        """A list, empty when left out."""
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise BadInput(f"{self._within}{name} must be a list")
        return value


def inbound_of(fields: Fields) -> Inbound:
    """A customer's message. `channel` adds the address prefix; in chat `from` is an identity and `to` means nothing."""
    fields.only("from", "to", "body", "channel", "media")
    sender, to, body = fields.text("from"), fields.optional_text("to"), fields.optional_text("body") or None
    items = fields.items("media")
    if len(items) > _MAX_MEDIA:
        raise BadInput(f"media: at most {_MAX_MEDIA}")
    media = tuple(_media_of(item, f"media[{number}]") for number, item in enumerate(items))
    if not body and not media:
        raise BadInput("body is missing, and there is no media in its place")
    try:
        text = rules.inbound_body(body) if body else None
        if _channel(fields, sender) == "chat":
            return Inbound(identity_of(sender), text, media)
        binding = _binding(fields, sender, to)
    except TwilioError as error:
        raise BadInput(error.message) from error
    return Inbound(binding.address, text, media, binding)


def _channel(fields: Fields, sender: str) -> str:
    """The channel named, or else the one the sender's address is of."""
    channel = fields.optional_text("channel")
    if channel is None:
        prefix, colon, _ = sender.partition(":")
        return prefix if colon and prefix in seeds.NUMBERS else "sms"
    if channel not in _CHANNELS:
        raise BadInput(f"channel must be one of {', '.join(_CHANNELS)}")
    return channel


def _binding(fields: Fields, sender: str, to: str | None) -> Binding:
    channel = _channel(fields, sender)
    ours = seeds.NUMBERS[channel]
    addresses = {"from": _prefixed(channel, sender), "to": _prefixed(channel, to or ours)}
    for name, address in addresses.items():
        if rules.channel_of(address) != channel:
            raise BadInput(f"{name} is no address of {channel}: one like {ours} is expected")
    return binding_of(*addresses.values())


def _prefixed(channel: str, address: str) -> str:
    """The address as the channel writes it: a bare number gets the prefix."""
    return address if channel == "sms" or address.startswith(f"{channel}:") else f"{channel}:{address}"


def _media_of(item: Any, where: str) -> Media:
    """One attachment: a URL, or an object `{"content_type"?, "filename"?, "size"?, "url"?}`. It is never fetched."""
    if isinstance(item, str):
        item = {"url": item}
    if not isinstance(item, dict):
        raise BadInput(f"{where} must be a URL or an object")
    fields = Fields(item, f"{where}.")
    fields.only("sid", "content_type", "filename", "size", "url")
    url, sid = fields.optional_text("url"), fields.optional_text("sid")
    if url is not None and not rules.is_web_url(url):
        raise BadInput(f"{where}.url is no URL of http or https")
    if sid is not None and not rules.is_sid(sid, "ME"):
        raise BadInput(f"{where}.sid is no SID of media")
    filename = fields.optional_text("filename") or (url and PurePosixPath(urlsplit(url).path).name) or None
    guessed = mimetypes.guess_type(filename)[0] if filename else None
    content_type = fields.optional_text("content_type") or guessed or _UNKNOWN_TYPE
    if not _MEDIA_TYPE.fullmatch(content_type):
        raise BadInput(f"{where}.content_type is no media type")
    return Media(sid or new_sid("ME"), content_type, filename, _size(item.get("size"), where))


def _size(value: Any, where: str) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadInput(f"{where}.size must be a number of bytes")
    return value

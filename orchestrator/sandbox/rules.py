"""What Twilio accepts in a field: lengths, sizes, JSON, dates and addresses, each refused with Twilio's code.

Sizes count UTF-8 bytes and lengths characters (Twilio Docs, "Conversations Limits").
"""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from orchestrator.sandbox.errors import TwilioError, bad_parameter

KILOBYTE = 1024
CONVERSATION_ATTRIBUTES = 16 * KILOBYTE
MESSAGE_ATTRIBUTES = 4 * KILOBYTE
PARTICIPANT_ATTRIBUTES = 4 * KILOBYTE
CHAT_BODY = 32 * KILOBYTE
CHANNEL_BODY_CHARACTERS = 1600
NAME_CHARACTERS = 256
WORKER_NAME_CHARACTERS = 64

_SID = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")
_NUMBER = re.compile(r"\+[1-9][0-9]{1,14}")
_PREFIXED = re.compile(r"(whatsapp|messenger|gbm|email|rcs|apple|chat):(\S+)")
_URL = re.compile(r"[!-~]+")
_FIRST_YEAR = 1970
_DURATION = re.compile(
    r"P(?:([0-9]{1,4})W)?(?:([0-9]{1,4})D)?(?:T(?:([0-9]{1,6})H)?(?:([0-9]{1,6})M)?(?:([0-9]{1,8})S)?)?"
)
# By parameter: Twilio's code for no duration, for one too short, and the shortest.
_TIMERS = {
    "Timers.Inactive": (50379, 50375, timedelta(minutes=1)),
    "Timers.Closed": (50380, 50376, timedelta(minutes=10)),
    "DefaultInactiveTimer": (50379, 50375, timedelta(minutes=1)),
    "DefaultClosedTimer": (50380, 50376, timedelta(minutes=10)),
}
# A sender of RCS is an agent with a name.
_TELEPHONE_CHANNELS = ("whatsapp",)


def is_sid(value: str, prefix: str) -> bool:
    """Whether `value` is a SID of this kind."""
    return value.startswith(prefix) and _SID.fullmatch(value) is not None


def strict_json(text: str) -> Any:
    """Parse JSON, refusing NaN and Infinity, nesting without end, and text that UTF-8 cannot carry (RFC 8259).

    Raises ValueError.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False).encode()
        return value
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def attributes(text: str, limit: int) -> str:
    """`text` when it is JSON of at most `limit` bytes."""
    if len(text.encode()) > limit:
        raise TwilioError(50303, f"Attributes are longer than {limit} bytes")
    try:
        strict_json(text)
    except ValueError as error:
        raise bad_parameter(f"Attributes must be a string of valid JSON: {error}") from error
    return text


def name(text: str, parameter: str, limit: int = NAME_CHARACTERS) -> str:
    """`text` when it has at most `limit` characters."""
    if len(text) > limit:
        raise bad_parameter(f"{parameter} is longer than {limit} characters")
    return text


def body(text: str, on_channel: bool) -> str:
    """`text` when it may be sent: 1,600 characters to a channel, 32 KB within chat."""
    if on_channel and len(text) > CHANNEL_BODY_CHARACTERS:
        raise bad_parameter(f"Body is longer than {CHANNEL_BODY_CHARACTERS} characters")
    return inbound_body(text)


def inbound_body(text: str) -> str:
    """`text` when a customer's channel, or chat, takes it: 32 KB."""
    if len(text.encode()) > CHAT_BODY:
        raise bad_parameter(f"Body is longer than {CHAT_BODY} bytes")
    return text


def unique_name(text: str) -> str:
    """`text` when it can stand in a path beside SIDs."""
    if _SID.fullmatch(text):
        raise TwilioError(50390, "UniqueName must not look like a SID")
    if not text:
        raise bad_parameter("UniqueName must not be empty")
    return name(text, "UniqueName")


def state(value: str) -> str:
    """`value` when a client may set it (`initializing` is Twilio's own)."""
    if not value:
        raise TwilioError(50374, "State must not be empty")
    if value not in ("active", "inactive", "closed"):
        raise TwilioError(50378, f"State {value[:40]!r} is not one of active, inactive, closed")
    return value


def channel_of(address: str) -> str | None:
    """The channel an address belongs to: `sms` for a bare number, else its prefix; None when it is no address."""
    if len(address) > NAME_CHARACTERS:
        return None
    if _NUMBER.fullmatch(address):
        return "sms"
    prefixed = _PREFIXED.fullmatch(address)
    if not prefixed:
        return None
    channel, rest = prefixed.groups()
    if channel in _TELEPHONE_CHANNELS and not _NUMBER.fullmatch(rest):
        return None
    return channel


def date(text: str, parameter: str) -> datetime:
    """A moment in ISO 8601; one without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise bad_parameter(f"{parameter} must be a date in ISO 8601") from error
    if moment.year < _FIRST_YEAR:
        raise bad_parameter(f"{parameter} is before {_FIRST_YEAR}")
    return moment


def timer(text: str, parameter: str) -> timedelta | None:
    """A conversation's timer, or an account's default for it: a duration in ISO 8601, None for an empty text."""
    unreadable, too_short, least = _TIMERS[parameter]
    if not text:
        return None
    parts = _DURATION.fullmatch(text)
    if not parts or not any(parts.groups()):
        raise TwilioError(unreadable, f"{parameter} must be a duration in ISO 8601, of weeks to seconds")
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    duration = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    if duration < least:
        raise TwilioError(too_short, f"{parameter} must be at least {least}")
    return duration


def duration(value: timedelta) -> str:
    """A duration as ISO 8601 writes it, in days, hours, minutes and seconds."""
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    time = "".join(f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if number)
    return "P" + (f"{value.days}D" if value.days else "") + (f"T{time}" if time else "")


def rest_date(moment: datetime) -> str:
    """A date as the REST API writes it: whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def webhook_date(moment: datetime) -> str:
    """A date as webhooks were seen to write it: with milliseconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def is_web_url(text: str) -> bool:
    """Whether `text` is an absolute URL that a webhook can be sent to: of ASCII, and without blanks (RFC 3986)."""
    try:
        parts = urlsplit(text)
        whole = _URL.fullmatch(text) is not None
        return whole and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False

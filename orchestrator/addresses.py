"""The one place that knows how addresses are spelled: channel prefixes, phone numbers, emails, and their senders.

An address is `+E164` (SMS), `prefix:value` (WhatsApp, RCS, Messenger…) or a chat identity, which may be an email.
Prefixes before a phone number say by which channel it is reached, not whose it is, so they are not part of the key.

`phonenumbers` is imported where a number is read, as it does itself with what it knows of each country.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

PHONE_CHANNELS = frozenset({"sms", "whatsapp", "rcs"})
# Ids that mean something only inside their own network keep its prefix.
NETWORK_CHANNELS = frozenset({"messenger", "instagram"})
_NAMED_ONLY = frozenset({"chat", "email", "mailto", "tel"})
_PREFIXES = PHONE_CHANNELS | NETWORK_CHANNELS | _NAMED_ONLY

_INTERNATIONAL = re.compile(
    r"(\+|00(?=(\D*\d){7}))[\s().\-/]*\d[\d\s().\-/]*((;ext=|ext\.?|x)\s*\d+)?", re.IGNORECASE | re.ASCII
)
_NATIONAL = re.compile(r"[\s().\-/]*(\d[\s().\-/]*){7,}", re.ASCII)
_NUMBER_MAX = 64  # no spelling of a number is longer, and longer texts would only cost time


def split_prefix(address: str) -> tuple[str | None, str]:
    """The channel prefix in lower case, if it is one we know, and the rest: `("whatsapp", "+1555…")`."""
    prefix, colon, rest = address.partition(":")
    if colon and prefix.strip().lower() in _PREFIXES:
        return prefix.strip().lower(), rest.strip()
    return None, address


def normalise(address: str) -> str:
    """The key under which a customer's channel is found; the same for every spelling of an address.

    Phone numbers become E.164 whatever their prefix, emails lower case; other identities stay as they are. A number
    without a country code is only stripped to its digits: whose it is cannot be guessed.
    """
    prefix, rest = split_prefix(_plain(address))
    while prefix is not None and prefix not in NETWORK_CHANNELS:
        prefix, rest = split_prefix(rest)
    if prefix is not None:
        return f"{prefix}:{rest}"
    return _number(rest) or (rest.lower() if "@" in rest else rest)


def channel_key(channel_type: str, value: str) -> str:
    """The key of a channel as a CRM gives it, type and value apart: see `normalise`."""
    kind = channel_type.strip().lower()
    if kind in NETWORK_CHANNELS and split_prefix(_plain(value))[0] is None:
        return normalise(f"{kind}:{value}")
    return normalise(value)


def is_phone(key: str) -> bool:
    """Whether a normalised address is a phone number in E.164."""
    return key.startswith("+") and key[1:].isdecimal()


def is_possible_phone(value: str) -> bool:
    """Whether `value` is a phone number with its country code, of a length that country has.

    Possible, not valid: numbers set aside for examples (+1 555…) are never valid and must work.
    """
    import phonenumbers

    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(normalise(value), None))
    except phonenumbers.NumberParseException:
        return False


def in_country(value: str, country: str | None) -> str:
    """The key of a CRM's phone field: a number without a country code is one of `country` (two letters, ISO 3166),
    where that is known."""
    key = normalise(value)
    if country is None or not key.isdecimal():
        return key
    import phonenumbers

    try:
        number = phonenumbers.parse(key, country)
    except phonenumbers.NumberParseException:
        return key
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def national_number(key: str) -> str:
    """The digits of a number in E.164 after its country code."""
    import phonenumbers

    try:
        return phonenumbers.national_significant_number(phonenumbers.parse(key, None))
    except phonenumbers.NumberParseException:
        return key[1:]


def written_numbers(key: str) -> tuple[str, ...]:
    """How people write a number in E.164, the likeliest first: as it is, in groups, and as at home."""
    import phonenumbers

    form = phonenumbers.PhoneNumberFormat
    try:
        number = phonenumbers.parse(key, None)
    except phonenumbers.NumberParseException:
        return (key, key[1:])
    grouped = [phonenumbers.format_number(number, one) for one in (form.INTERNATIONAL, form.NATIONAL)]
    return tuple(dict.fromkeys((key, *grouped, key[1:], phonenumbers.national_significant_number(number))))


def spellings(address: str) -> tuple[str, ...]:
    """How a CRM that compares letter by letter most likely holds this address, the likeliest first."""
    given, key = _plain(address), normalise(address)
    if is_phone(key):
        prefixed = f"whatsapp:{key}"
        return (prefixed, key) if split_prefix(given)[0] == "whatsapp" else (key, prefixed)
    return tuple(dict.fromkeys((given, key, split_prefix(key)[1])))


def twilio_address(channel_type: str, value: str) -> str:
    """A customer's channel in the form Twilio takes: `+1555…` for sms, else with its prefix: `whatsapp:+1555…`."""
    kind = channel_type.strip().lower()
    if kind in NETWORK_CHANNELS:
        return channel_key(kind, value)
    if kind not in PHONE_CHANNELS:
        return value
    key = normalise(value)
    return key if kind == "sms" else f"{kind}:{key}"


def senders_in(listed: str) -> tuple[str, ...]:
    """The senders of one prefix in `PROXY_NUMBERS`, in the order they are tried: `+331…|+332…`."""
    return tuple(listed.split("|"))


def senders_for(channel_type: str, channel_value: str, proxy_numbers: Mapping[str, str]) -> tuple[str, ...]:
    """Our senders for a customer's channel, in the order they are tried: those of the longest prefix in `PROXY_NUMBERS`
    his address begins with.

    None of them when the type and the value name different channels, or no sender fits. A sender is of the customer's
    channel and never his own address (Twilio errors 48027 and 48029).
    """
    kind = channel_type.strip().lower()
    if kind not in PHONE_CHANNELS | NETWORK_CHANNELS or _channel(channel_value, kind) != kind:
        return ()
    address = twilio_address(kind, channel_value)
    fitting = {
        prefix: senders
        for prefix, listed in proxy_numbers.items()
        if address.startswith(prefix) and (senders := _fitting(listed, kind, address))
    }
    return fitting[max(fitting, key=len)] if fitting else ()


def _fitting(listed: str, kind: str, address: str) -> tuple[str, ...]:
    return tuple(
        sender
        for sender in senders_in(listed)
        if _channel(sender, "sms") == kind and normalise(sender) != normalise(address)
    )


def _channel(address: str, otherwise: str) -> str:
    return split_prefix(_plain(address))[0] or otherwise


def _plain(text: str) -> str:
    """Without what copying brings along: full-width characters, direction marks, spaces around."""
    wide = unicodedata.normalize("NFKC", text)
    return "".join(letter for letter in wide if unicodedata.category(letter) != "Cf").strip()


@lru_cache(256)
def _number(text: str) -> str | None:
    """The text as a phone number: E.164 with a country code, bare digits without; None if it is not one."""
    if len(text) > _NUMBER_MAX:
        return None
    if _INTERNATIONAL.fullmatch(text):
        import phonenumbers

        digits = re.sub(r"^00", "+", text)
        try:
            return phonenumbers.format_number(phonenumbers.parse(digits, None), phonenumbers.PhoneNumberFormat.E164)
        except phonenumbers.NumberParseException:
            return "+" + re.sub(r"\D", "", digits)
    if _NATIONAL.fullmatch(text):
        return re.sub(r"\D", "", text)
    return None

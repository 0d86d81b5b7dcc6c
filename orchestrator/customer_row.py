"""One row of customers from outside, as a customer or as a reason why it is none: the one place that says what is good.

A row has the names of `Customer`, whether it comes from a file or from a CRM that is copied. Nothing is guessed and
nothing is repaired.
"""

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from orchestrator.addresses import PHONE_CHANNELS, is_possible_phone, split_prefix
from states.customers import Channel, Consent, Customer, Link, language_tag

ID_MAX = 128  # characters, as wide as the book's column
TEXT_MAX = 256  # characters; Twilio's limit for a friendly name and for an identity
URL_MAX = 2048
CONTENT_MAX = 10_000

CHANNEL_TYPES = ("sms", "whatsapp", "messenger", "rcs", "chat", "email")
TEXT_FIELDS = ("customer_id", "display_name", "avatar", "worker", "language")
FIELDS = (*TEXT_FIELDS, "links", "details", "channels", "consent")
_ANSWERS = ("yes", "no", "unknown")


class BadRow(Exception):
    """A row that is not a customer; the text says why."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that could not be read. `line`: the line of the CSV where the row begins, or the position in the list,
    both from 1; None when it is the source as a whole."""

    line: int | None
    reason: str


Row = tuple[int | None, Mapping[str, object] | BadRow]


class Checker:
    """Tells good rows from bad ones, one after the other: of several with one customer_id only the first is good."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def check(self, place: int | None, row: Mapping[str, object] | BadRow) -> Customer | Fault:
        """The row as a customer, or what is wrong with it."""
        try:
            if isinstance(row, BadRow):
                raise row
            customer = customer_from(row)
            if customer.customer_id in self._seen:
                raise BadRow(f"customer_id: {shown(customer.customer_id)} stands in an earlier row")
        except BadRow as error:
            return Fault(place, str(error))
        self._seen.add(customer.customer_id)
        return customer


def customer_from(row: Mapping[str, object]) -> Customer:
    """One row as a customer. Raises BadRow naming the field, what was found and what was expected."""
    if unknown := sorted(row.keys() - set(FIELDS)):
        raise BadRow(f"{', '.join(map(shown, unknown))}: no such field; there are {', '.join(FIELDS)}")
    number = row.get("customer_id")
    is_number = isinstance(number, int) and not isinstance(number, bool)
    return Customer(
        customer_id=_text("customer_id", str(number) if is_number else number, ID_MAX),
        display_name=_text("display_name", row.get("display_name"), TEXT_MAX),
        channels=tuple(dict.fromkeys(_each("channels", row, _channel))),
        avatar=_url("avatar", row["avatar"], ("https", "http")) if row.get("avatar") not in (None, "") else None,
        links=tuple(_each("links", row, _link)),
        details=_details(row.get("details")),
        worker=_text("worker", row["worker"], TEXT_MAX) if row.get("worker") not in (None, "") else None,
        language=_language(row["language"]) if row.get("language") not in (None, "") else None,
        consent=_consents(_each("consent", row, _consent)),
    )


def _channel(item: Mapping[str, object]) -> Channel:
    kind = item.get("type")
    if kind not in CHANNEL_TYPES:
        raise BadRow(f"channels: type {shown(kind)} is none of {', '.join(CHANNEL_TYPES)}")
    value = _text(str(kind), item.get("value"), TEXT_MAX)
    prefix, _ = split_prefix(value)
    if prefix not in (None, kind):
        raise BadRow(f"{kind}: {shown(value)} is an address of another channel")
    if kind in PHONE_CHANNELS and not is_possible_phone(value):
        raise BadRow(f"{kind}: {shown(value)} is no phone number with its country code, like +15550100001")
    if kind == "email":
        _check_email(value)
    return Channel(str(kind), value)


def _check_email(value: str) -> None:
    # Only rows with such a channel need it, and what it compiles takes a thirtieth of a second at the start.
    from email_validator import EmailNotValidError, validate_email

    try:
        validate_email(value, check_deliverability=False, test_environment=True)  # example.test is an address here
    except EmailNotValidError as error:
        raise BadRow(f"email: {shown(value)}: {error}") from error


def _link(item: Mapping[str, object]) -> Link:
    label = _text("links: display_name", item.get("display_name"), TEXT_MAX)
    url = _url("links: value", item.get("value"), ("https", "http", "mailto"))
    return Link(_text("links: type", item.get("type"), TEXT_MAX), url, label)


def _language(value: object) -> str:
    tag = language_tag(value) if isinstance(value, str) else None
    if tag is None:
        raise BadRow(f"language: {shown(value)} is no language tag, like en or fr-CA")
    return tag


def _consents(said: Iterable[Consent | None]) -> tuple[Consent, ...]:
    """In the order of the channels; `unknown` is what the book says by saying nothing."""
    known = sorted((one for one in said if one is not None), key=lambda one: one.channel)
    if len({one.channel for one in known}) < len(known):
        raise BadRow("consent: one channel is answered twice")
    return tuple(known)


def _consent(item: Mapping[str, object]) -> Consent | None:
    channel, answer = item.get("channel"), item.get("answer")
    if channel not in CHANNEL_TYPES:
        raise BadRow(f"consent: channel {shown(channel)} is none of {', '.join(CHANNEL_TYPES)}")
    if answer not in _ANSWERS:
        raise BadRow(f"consent: {shown(answer)} is none of {', '.join(_ANSWERS)}")
    when = _date(item["date"]) if item.get("date") not in (None, "") else None
    source = _text("consent: source", item["source"], TEXT_MAX) if item.get("source") not in (None, "") else None
    if answer == "unknown":
        return None
    return Consent(str(channel), "yes" if answer == "yes" else "no", when, source)


def _date(value: object) -> str:
    try:
        return date.fromisoformat(str(value)).isoformat()
    except ValueError as error:
        raise BadRow(f"consent: {shown(value)} is no date like 2026-01-31") from error


def _details(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or value.keys() != {"title", "content"}:
        raise BadRow(f"details: {shown(value)} is no object with title and content")
    content = value["content"]
    if not isinstance(content, str) or len(content) > CONTENT_MAX or not _is_clean(content, allowed="\r\n\t"):
        raise BadRow(f"details: content {shown(content)} is no text of at most {CONTENT_MAX} characters")
    return {"title": _text("details: title", value["title"], TEXT_MAX), "content": content}


def _each(name: str, row: Mapping[str, object], read: Callable[[Mapping[str, object]], Any]) -> Iterable[Any]:
    items = row.get(name)
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadRow(f"{name}: {shown(items)} is no list of objects")
    return [read(item) for item in items]


def _text(name: str, value: object, longest: int) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text:
        raise BadRow(f"{name}: missing" if value in (None, "") else f"{name}: {shown(value)} is no text")
    if len(text) > longest or not _is_clean(text):
        raise BadRow(f"{name}: {shown(text)} is not one line of at most {longest} characters")
    return text


def _url(name: str, value: object, schemes: tuple[str, ...]) -> str:
    text = _text(name, value, URL_MAX)
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in schemes and bool(parts.path if parts.scheme == "mailto" else parts.hostname)
    except ValueError:
        is_good = False
    if not is_good or " " in text:
        raise BadRow(f"{name}: {shown(text)} is no address of {', '.join(schemes)}")
    return text


def _is_clean(text: str, allowed: str = "") -> bool:
    """No control characters and no halves of characters: databases refuse some of them."""
    return all(unicodedata.category(letter) not in ("Cc", "Cs") or letter in allowed for letter in text)


def shown(value: object) -> str:
    """What was found, fit to be printed."""
    text = ascii(value) if not isinstance(value, str) or not _is_clean(value) else f"'{value}'"
    return text if len(text) <= 60 else f"{text[:57]}…"

"""How the generations of Strapi spell the same questions and answers; pure, no network.

v3 lives at the root, answers bare lists, pages by offset and cannot filter by a component's field. v4 and v5 live under
`/api`, answer `{"data": …, "meta": …}`, page by number and filter by channel; v4 alone wraps a record in `attributes`.
Lists are cut silently (v3 at 100; v4 and v5 at 25, never more than 100), so every list is asked for page by page.
Sources: docs.strapi.io, "REST API: Filters / Sort and Pagination", and what 3.6.11, 4.26.2 and 5.54.0 answered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from orchestrator.addresses import is_phone, normalise, spellings
from orchestrator.customer_row import FIELDS
from orchestrator.errors import CrmUnavailable
from states.customers import Channel, Consent, Customer, Link, language_tag

PAGE_SIZE = 100
Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of a list was read: pages, and the different records on them."""

    pages: int = 0
    records: int = 0


class Dialect(Protocol):
    """One generation's spelling."""

    prefix: str
    filters_channels: bool

    def by_id(self, customer_id: str) -> Query:
        """The filter for one customer_id."""

    def next_page(self, query: Query, progress: Progress) -> Query:
        """The query for the page after those that were read."""

    def records(self, answer: object) -> list[dict[str, Any]]:
        """The records of an answer, unwrapped. Raises CrmUnavailable for anything but a list of customers."""

    def is_last(self, answer: Any) -> bool:
        """Whether a page says there is none after it. Raises CrmUnavailable where it should say and does not."""


class StrapiV3:
    """Strapi v3."""

    prefix = ""
    filters_channels = False

    def by_id(self, customer_id: str) -> Query:
        return {"customer_id": customer_id}

    def next_page(self, query: Query, progress: Progress) -> Query:
        return {**query, "_sort": "id:asc", "_limit": str(PAGE_SIZE), "_start": str(progress.records)}

    def records(self, answer: object) -> list[dict[str, Any]]:
        return _records(answer)

    def is_last(self, answer: Any) -> bool:
        return not answer  # it names no total, and its limit can be configured lower than what we ask for


class StrapiV4:
    """Strapi v4 and v5."""

    prefix = "/api"
    filters_channels = True

    def by_id(self, customer_id: str) -> Query:
        return {"filters[customer_id][$eq]": customer_id}

    def next_page(self, query: Query, progress: Progress) -> Query:
        paging = {"pagination[page]": str(progress.pages + 1), "pagination[pageSize]": str(PAGE_SIZE)}
        return {**query, "populate": "channels", "sort": "id", **paging}

    def records(self, answer: object) -> list[dict[str, Any]]:
        return _records(answer.get("data") if isinstance(answer, dict) else None)

    def is_last(self, answer: Any) -> bool:
        try:
            paging = answer["meta"]["pagination"]
            return int(paging["page"]) >= int(paging["pageCount"])
        except (KeyError, TypeError, ValueError) as error:
            raise CrmUnavailable("Strapi's answer does not say how many pages there are") from error


def channel_filters(address: str) -> list[Query]:
    """Filters that may find an address where channels can be filtered, the likeliest first."""
    exact = [{"filters[channels][value][$eq]": value} for value in spellings(address)]
    key = normalise(address)
    if is_phone(key):
        # However a number is grouped and prefixed, it ends in its last two digits.
        return [*exact, {"filters[channels][value][$endsWith]": key[-2:]}]
    return [*exact, {"filters[channels][value][$eqi]": key}]


@dataclass(frozen=True, slots=True)
class _Field:
    """Reads a record without trusting it."""

    record: Mapping[str, Any]

    def text(self, name: str) -> str | None:
        value = self.record.get(name)
        return value.strip() or None if isinstance(value, str) else None

    def items(self, name: str) -> list["_Field"]:
        value = self.record.get(name)
        return [_Field(item) for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def customer_of(record: Mapping[str, Any]) -> Customer | None:
    """A record as a Customer, leaving out what is missing or not as it should be; None without an id or a name."""
    field = _Field(record)
    number = record.get("customer_id")
    is_number = isinstance(number, int) and not isinstance(number, bool)
    customer_id, name = str(number) if is_number else field.text("customer_id"), field.text("display_name")
    if customer_id is None or name is None:
        return None
    channels = [(item.text("type"), item.text("value")) for item in field.items("channels")]
    links = [(item.text("type"), item.text("value"), item.text("display_name")) for item in field.items("links")]
    return Customer(
        customer_id,
        name,
        channels=tuple(Channel(kind, value) for kind, value in channels if kind and value),
        avatar=field.text("avatar"),
        links=tuple(Link(kind, value, label) for kind, value, label in links if kind and value and label),
        details=_details(record.get("details")),
        worker=field.text("worker"),
        language=language_tag(field.text("language") or ""),
        consent=_consent(field),
    )


def row_of(record: Mapping[str, Any]) -> dict[str, object]:
    """A record as a row to be checked: what the book has a field for, and of the details what it keeps."""
    row = {name: record[name] for name in FIELDS if record.get(name) is not None}
    return {**row, "details": _details(row["details"])} if isinstance(row.get("details"), dict) else row


def _consent(field: _Field) -> tuple[Consent, ...]:
    said = {item.text("channel"): item for item in field.items("consent")}
    return tuple(
        Consent(channel, "yes" if item.text("answer") == "yes" else "no", item.text("date"), item.text("source"))
        for channel, item in said.items()
        if channel and item.text("answer") in ("yes", "no")
    )


def _details(value: object) -> dict[str, str]:
    details = value if isinstance(value, dict) else {}
    return {name: details[name] for name in ("title", "content") if isinstance(details.get(name), str)}


def _records(found: object) -> list[dict[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
        raise CrmUnavailable("Strapi answered something that is no list of customers")
    return [_unwrapped(record) for record in found]


def _unwrapped(record: dict[str, Any]) -> dict[str, Any]:
    attributes = record.get("attributes")
    return {"id": record.get("id"), **attributes} if isinstance(attributes, dict) else record

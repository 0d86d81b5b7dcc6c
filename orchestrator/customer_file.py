"""Reading the file of `customers import`: good rows become customers, each bad one a fault with its place and reason.

JSON is a list of objects with the names of `Customer`; CSV has the same names as columns, and one column for each
channel type (links and details, if there, as JSON). Nothing is guessed and nothing is repaired: a row is good or not.
"""

import csv
import io
import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email

from orchestrator.addresses import is_possible_phone, split_prefix
from states.customers import Channel, Customer, Link

SEED_FILE = Path(__file__).with_name("seed_customers.json")
FILE_MAX_BYTES = 100_000_000
ID_MAX = 128  # characters, as wide as the book's column
TEXT_MAX = 256  # characters; Twilio's limit for a friendly name and for an identity
URL_MAX = 2048
CONTENT_MAX = 10_000

_CHANNEL_TYPES = ("sms", "whatsapp", "chat", "email")
_TEXT_COLUMNS = ("customer_id", "display_name", "avatar", "worker")
_JSON_COLUMNS = ("links", "details")
_COLUMNS = (*_TEXT_COLUMNS, *_JSON_COLUMNS, *_CHANNEL_TYPES)
_FIELDS = (*_TEXT_COLUMNS, *_JSON_COLUMNS, "channels")
_REQUIRED = ("customer_id", "display_name")


class BadRow(Exception):
    """A row that is not a customer; the text says why."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that could not be read. `line`: the line of the CSV where the row begins, or the position in the JSON
    list, both from 1; None when it is the file as a whole."""

    line: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file held: the customers of its good rows, and its faults."""

    customers: tuple[Customer, ...]
    faults: tuple[Fault, ...]


_Row = tuple[int | None, Mapping[str, object] | BadRow]


def read_customers(path: Path) -> Reading:
    """Read FILE.csv or FILE.json. Never raises for what it finds, nor when it finds nothing: that is a fault."""
    customers: dict[str, Customer] = {}
    faults: list[Fault] = []
    for line, row in _rows(path):
        try:
            if isinstance(row, BadRow):
                raise row
            customer = customer_from(row)
            if customer.customer_id in customers:
                raise BadRow(f"customer_id: {_shown(customer.customer_id)} stands in an earlier row")
            customers[customer.customer_id] = customer
        except BadRow as error:
            faults.append(Fault(line, str(error)))
    return Reading(tuple(customers.values()), tuple(faults))


def customer_from(row: Mapping[str, object]) -> Customer:
    """One row as a customer. Raises BadRow naming the field, what was found and what was expected."""
    if unknown := sorted(row.keys() - set(_FIELDS)):
        raise BadRow(f"{', '.join(map(_shown, unknown))}: no such field; there are {', '.join(_FIELDS)}")
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
    )


def _rows(path: Path) -> Iterator[_Row]:
    """The rows of a file with their places, and in their place what is wrong with the file itself."""
    readers = {".csv": _csv_rows, ".json": _json_rows}
    try:
        reader = readers.get(path.suffix.lower())
        if reader is None:
            raise BadRow(f"{path.name}: not a .csv or .json file")
        yield from reader(_decoded(path))
    except BadRow as error:
        yield None, error


def _decoded(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise BadRow(f"{path.name}: cannot be read: {error.strerror}") from error
    if len(content) > FILE_MAX_BYTES:
        raise BadRow(f"{path.name}: over {FILE_MAX_BYTES} bytes; split it")
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadRow(f"{path.name}: line {line} is not {encoding[:6]}; save the file as UTF-8") from error


def _json_rows(text: str) -> Iterator[_Row]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRow(f"not JSON: {str(error)[:TEXT_MAX]}") from error
    if not isinstance(rows, list):
        raise BadRow("not a list of customers")
    for position, row in enumerate(rows, start=1):
        yield position, row if isinstance(row, dict) else BadRow(f"{_shown(row)}: not an object")


def _csv_rows(text: str) -> Iterator[_Row]:
    lines = csv.reader(io.StringIO(text, newline=""))
    records = _csv_records(lines)
    first, header = next(records, (1, []))
    if isinstance(header, BadRow):
        raise header
    names = [name.strip().lower() for name in header]
    if missing := [name for name in _REQUIRED if name not in names]:
        raise BadRow(f"the first line names no column {' and no column '.join(missing)}")
    if wrong := [name for name in names if name not in _COLUMNS or names.count(name) > 1]:
        yield first, BadRow(f"{', '.join(map(_shown, wrong))}: not one column of {', '.join(_COLUMNS)}; not read")
    for line, cells in records:
        yield line, cells if isinstance(cells, BadRow) else _csv_row(names, cells)


def _csv_records(lines: Any) -> Iterator[tuple[int, list[str] | BadRow]]:
    """Records with the line each begins on, which is not their number: a quoted cell may span lines."""
    while True:
        begins = lines.line_num + 1
        try:
            cells = next(lines)
        except StopIteration:
            return
        except csv.Error as error:
            yield begins, BadRow(f"not CSV: {error}")
            continue
        if any(cell.strip() for cell in cells):
            yield begins, cells


def _csv_row(names: list[str], cells: list[str]) -> Mapping[str, object] | BadRow:
    if len(cells) > len(names):
        return BadRow(f"{len(cells)} cells under {len(names)} columns; quote a cell that holds a comma")
    filled = {name: cell.strip() for name, cell in zip(names, cells, strict=False) if cell.strip()}
    row: dict[str, object] = {name: filled[name] for name in _TEXT_COLUMNS if name in filled}
    row["channels"] = [{"type": name, "value": filled[name]} for name in _CHANNEL_TYPES if name in filled]
    for name in _JSON_COLUMNS:
        try:
            row[name] = json.loads(filled.get(name, "null"))
        except (ValueError, RecursionError):
            return BadRow(f"{name}: not JSON")
    return row


def _channel(item: Mapping[str, object]) -> Channel:
    kind = item.get("type")
    if kind not in _CHANNEL_TYPES:
        raise BadRow(f"channels: type {_shown(kind)} is none of {', '.join(_CHANNEL_TYPES)}")
    value = _text(str(kind), item.get("value"), TEXT_MAX)
    prefix, _ = split_prefix(value)
    if prefix not in (None, kind):
        raise BadRow(f"{kind}: {_shown(value)} is an address of another channel")
    if kind in ("sms", "whatsapp") and not is_possible_phone(value):
        raise BadRow(f"{kind}: {_shown(value)} is no phone number with its country code, like +15550100001")
    if kind == "email":
        _check_email(value)
    return Channel(str(kind), value)


def _check_email(value: str) -> None:
    try:
        validate_email(value, check_deliverability=False, test_environment=True)  # example.test is an address here
    except EmailNotValidError as error:
        raise BadRow(f"email: {_shown(value)}: {error}") from error


def _link(item: Mapping[str, object]) -> Link:
    label = _text("links: display_name", item.get("display_name"), TEXT_MAX)
    url = _url("links: value", item.get("value"), ("https", "http", "mailto"))
    return Link(_text("links: type", item.get("type"), TEXT_MAX), url, label)


def _details(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or value.keys() != {"title", "content"}:
        raise BadRow(f"details: {_shown(value)} is no object with title and content")
    content = value["content"]
    if not isinstance(content, str) or len(content) > CONTENT_MAX or not _is_clean(content, allowed="\r\n\t"):
        raise BadRow(f"details: content {_shown(content)} is no text of at most {CONTENT_MAX} characters")
    return {"title": _text("details: title", value["title"], TEXT_MAX), "content": content}


def _each(name: str, row: Mapping[str, object], read: Callable[[Mapping[str, object]], Any]) -> Iterable[Any]:
    items = row.get(name)
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadRow(f"{name}: {_shown(items)} is no list of objects")
    return [read(item) for item in items]


def _text(name: str, value: object, longest: int) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text:
        raise BadRow(f"{name}: missing" if value in (None, "") else f"{name}: {_shown(value)} is no text")
    if len(text) > longest or not _is_clean(text):
        raise BadRow(f"{name}: {_shown(text)} is not one line of at most {longest} characters")
    return text


def _url(name: str, value: object, schemes: tuple[str, ...]) -> str:
    text = _text(name, value, URL_MAX)
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in schemes and bool(parts.path if parts.scheme == "mailto" else parts.hostname)
    except ValueError:
        is_good = False
    if not is_good or " " in text:
        raise BadRow(f"{name}: {_shown(text)} is no address of {', '.join(schemes)}")
    return text


def _is_clean(text: str, allowed: str = "") -> bool:
    """No control characters and no halves of characters: databases refuse some of them."""
    return all(unicodedata.category(letter) not in ("Cc", "Cs") or letter in allowed for letter in text)


def _shown(value: object) -> str:
    text = ascii(value) if not isinstance(value, str) or not _is_clean(value) else f"'{value}'"
    return text if len(text) <= 60 else f"{text[:57]}…"

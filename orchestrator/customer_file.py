"""Reading the file of `customers import`: good rows become customers, each bad one a fault with its place and reason.

JSON is a list of objects with the names of `Customer`; CSV has the same names as columns, and one column for each
channel type (links and details, if there, as JSON; consent as `sms: yes 2026-01-31 web form; whatsapp: no`). Nothing is
guessed and nothing is repaired: a row is good or not. What a row must be is said in `customer_row`.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.customer_row import CHANNEL_TYPES, TEXT_FIELDS, TEXT_MAX, BadRow, Checker, Fault, Row, shown
from states.customers import Customer

SEED_FILE = Path(__file__).with_name("seed_customers.json")
FILE_MAX_BYTES = 100_000_000

_JSON_COLUMNS = ("links", "details")
_COLUMNS = (*TEXT_FIELDS, *_JSON_COLUMNS, *CHANNEL_TYPES, "consent")
_REQUIRED = ("customer_id", "display_name")
_NO_TEXT = re.compile("[\udc80-\udcff]")  # what bytes that are no UTF-8 are decoded as


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file held: the customers of its good rows, and its faults."""

    customers: tuple[Customer, ...]
    faults: tuple[Fault, ...]


def read_customers(path: Path) -> Reading:
    """Read FILE.csv or FILE.json. Never raises for what it finds, nor when it finds nothing: that is a fault."""
    checker = Checker()
    found = [checker.check(*row) for row in rows_of(path)]
    return Reading(
        tuple(one for one in found if isinstance(one, Customer)), tuple(one for one in found if isinstance(one, Fault))
    )


def rows_of(path: Path) -> Iterator[Row]:
    """The rows of a file with their places, and in their place what is wrong with the file itself."""
    readers = {".csv": _csv_rows, ".json": _json_rows}
    try:
        reader = readers.get(path.suffix.lower())
        if reader is None:
            raise BadRow(f"{path.name}: not a .csv or .json file")
        # A line of a CSV that is no text is a bad row like another; JSON is read as a whole.
        yield from reader(_decoded(path, "surrogateescape" if reader is _csv_rows else "strict"))
    except BadRow as error:
        yield None, error


def _decoded(path: Path, errors: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise BadRow(f"{path.name}: cannot be read: {error.strerror}") from error
    if len(content) > FILE_MAX_BYTES:
        raise BadRow(f"{path.name}: over {FILE_MAX_BYTES} bytes; split it")
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding, errors)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadRow(f"{path.name}: line {line} is not {error.encoding}; save the file as UTF-8") from error


def _json_rows(text: str) -> Iterator[Row]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRow(f"not JSON: {str(error)[:TEXT_MAX]}") from error
    if not isinstance(rows, list):
        raise BadRow("not a list of customers")
    for position, row in enumerate(rows, start=1):
        yield position, row if isinstance(row, dict) else BadRow(f"{shown(row)}: not an object")


def _csv_rows(text: str) -> Iterator[Row]:
    lines = csv.reader(io.StringIO(text, newline=""))
    records = _csv_records(lines)
    first, header = next(records, (1, []))
    if isinstance(header, BadRow):
        raise header
    names = [name.strip().lower() for name in header]
    if missing := [name for name in _REQUIRED if name not in names]:
        raise BadRow(f"the first line names no column {' and no column '.join(missing)}")
    if wrong := [name for name in names if name not in _COLUMNS or names.count(name) > 1]:
        yield first, BadRow(f"{', '.join(map(shown, wrong))}: not one column of {', '.join(_COLUMNS)}; not read")
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
    if any(map(_NO_TEXT.search, cells)):
        return BadRow("not UTF-8; save the file as UTF-8")
    if len(cells) > len(names):
        return BadRow(f"{len(cells)} cells under {len(names)} columns; quote a cell that holds a comma")
    filled = {name: cell.strip() for name, cell in zip(names, cells, strict=False) if cell.strip()}
    row: dict[str, object] = {name: filled[name] for name in TEXT_FIELDS if name in filled}
    row["channels"] = [{"type": name, "value": filled[name]} for name in CHANNEL_TYPES if name in filled]
    for name in _JSON_COLUMNS:
        try:
            row[name] = json.loads(filled.get(name, "null"))
        except (ValueError, RecursionError):
            return BadRow(f"{name}: not JSON")
    row["consent"] = [_said(entry) for entry in filled.get("consent", "").split(";") if entry.strip()]
    return row


def _said(entry: str) -> dict[str, object]:
    """`sms: yes 2026-01-31 web form` as JSON has it; date and source may be missing."""
    channel, _, rest = entry.partition(":")
    answer, _, when = rest.strip().partition(" ")
    first, _, others = when.strip().partition(" ")
    date, source = (first, others) if first[:1].isdigit() else ("", when)
    return {"channel": channel.strip(), "answer": answer.lower(), "date": date, "source": source.strip()}

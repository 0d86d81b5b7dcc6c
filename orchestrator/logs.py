"""Logging for all, structlog's and the standard library's alike: one event a line, on standard error.

The house logs SIDs and no addresses, bodies or secrets. What slips through (a library's message, an exception's
text) meets the last line of defence here: whatever looks like a number, an address or a token is masked, and no
control, escape or bidirectional character reaches a terminal or breaks a line (CWE-117).
"""

import json
import logging
import math
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from typing import Any, Literal
from urllib.parse import quote, quote_plus

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

MASK = "***"
SHORTEST_SECRET = 4
DEEPEST = 6
LONGEST = 16_384
LIBRARIES = ("aiohttp", "aiosqlite", "alembic", "asyncio", "sqlalchemy", "transitions", "twilio", "urllib3")

# A bare token is 32 hexadecimal digits; a SID has two letters before them, and stays. Every repetition is bounded:
# a hostile text cannot make the search slow.
LOOKS_PERSONAL = re.compile(
    r"(?:\+|%2B)[0-9](?:[ ().-]{0,2}[0-9]){6,14}"
    r"|[^\s@:=<>\"'(),;/\[\]]{1,64}(?:@|%40)[^\s@:=<>\"'(),;/\[\]]{1,255}\.[^\s@:=<>\"'(),;/\[\]]{1,63}"
    r"|(?<![0-9A-Z])[0-9A-F]{32}(?![0-9A-Z])"
    r"|(?<=Bearer )\S+"
    r"|(?<=Basic )\S+",
    re.IGNORECASE,
)


def configure(level: str, form: Literal["json", "console"], secrets: Iterable[str] = ()) -> None:
    """Send every logger's events to standard error, as JSON or for a terminal, from `level` up.

    Libraries are heard from WARNING up. `secrets` are masked wherever they turn up, as they are, percent-encoded
    or in base64; shorter ones than four characters would mask half the text and are left out.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter(form, secrets))
    logging.basicConfig(level=threshold, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for library in LIBRARIES:
        logging.getLogger(library).setLevel(max(threshold, logging.WARNING))
    structlog.configure(
        processors=[*_described(), ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _described() -> list[Processor]:
    """When, how grave and who: added to an event where it happens."""
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    return [structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name, stamp]


class _Formatter(ProcessorFormatter):
    """Renders an event as one line; one that cannot be rendered is reported as such, in the same form."""

    def __init__(self, form: Literal["json", "console"], secrets: Iterable[str]) -> None:
        console = (_escaped, structlog.dev.ConsoleRenderer(colors=False))
        super().__init__(
            foreign_pre_chain=_described(),
            processors=[
                ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                Scrubber(secrets),
                *(console if form == "console" else (_as_json,)),
            ],
        )

    def format(self, record: logging.LogRecord) -> str:
        try:
            return super().format(record)
        except Exception as unreadable:
            why = f"log_record_unreadable: {type(unreadable).__name__} at {record.filename}:{record.lineno}"
            told = {"name": record.name, "levelname": "ERROR", "msg": why}
            return super().format(logging.makeLogRecord(told))


def _escaped(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Every character that does not print as its escape sequence, the lines of an exception apart and indented."""
    exception = event.pop("exception", None)
    safe = {printable(key): printable(v) if isinstance(v, str) else v for key, v in event.items()}
    if exception is not None:
        safe["exception"] = "\n".join("    " + printable(line) for line in exception.split("\n"))
    return safe


def _as_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return json.dumps(event)


class Scrubber:
    """Masks what looks personal or is a known secret, in every key and value however deep."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings = sorted({s for secret in secrets for s in _spellings(secret)}, key=len, reverse=True)
        self._secret = re.compile("|".join(map(re.escape, spellings)) or r"(?!)")

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {self._text(key): self._clean(value, 0) for key, value in event.items()}

    def _clean(self, value: object, depth: int) -> Any:
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, dict) and depth < DEEPEST:
            return {self._text(_said(key)): self._clean(part, depth + 1) for key, part in value.items()}
        if isinstance(value, list | tuple | set | frozenset) and depth < DEEPEST:
            return [self._clean(part, depth + 1) for part in value]
        return self._text(_said(value))

    def _text(self, text: str) -> str:
        return LOOKS_PERSONAL.sub(MASK, self._secret.sub(MASK, text[:LONGEST]))


def _spellings(secret: str) -> Iterator[str]:
    if len(secret) >= SHORTEST_SECRET:
        raw = secret.encode()
        yield from (secret, quote(secret), quote(secret, safe=""), quote_plus(secret))
        yield from (encode(raw).decode().rstrip("=") for encode in (b64encode, urlsafe_b64encode))


def _said(value: object) -> str:
    """A value in words; one whose repr raises is named by its type."""
    if isinstance(value, str):
        return value
    try:
        return repr(value)
    except Exception:
        return f"<{type(value).__name__}>"


def printable(text: str) -> str:
    """Text in which what no terminal should obey and no database takes is spelled out."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)

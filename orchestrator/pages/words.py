"""Words for people out of what programs keep: times where they live, initials, one line of a long text.

All of them take text from outside and give text: escaping stays the template's.
"""

import re
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from urllib.parse import urlsplit
from zlib import crc32

ZONE_COOKIE: Final = "tz"
TINTS: Final = 6
LINE_MAX: Final = 140
NAME_MAX: Final = 80
_MINUTE_MS, _HOUR_MS = 60_000, 3_600_000
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Clock:
    """What time it is where the reader is. Times are milliseconds since 1970."""

    zone: tzinfo
    now: int

    def _at(self, ms: int) -> datetime:
        # A time nobody can live in comes from outside, and is no reason for a page to fail.
        return datetime.fromtimestamp(min(max(ms, 0), 253_370_764_800_000) / 1000, self.zone)

    def iso(self, ms: int) -> str:
        """For the `datetime` of a time element."""
        return self._at(ms).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def hour(self, ms: int) -> str:
        """`14:05`."""
        return self._at(ms).strftime("%H:%M")

    def full(self, ms: int) -> str:
        """`Thursday, 26 November 2026, 14:05:31 UTC`."""
        at = self._at(ms)
        return f"{at:%A}, {at.day} {at:%B} {at.year}, {at:%H:%M:%S %Z}"

    def day(self, ms: int) -> str:
        """`Today`, `Yesterday`, `Monday`, `3 May`, `3 May 2024`."""
        at, now = self._at(ms), self._at(self.now)
        days = (now.date() - at.date()).days
        if days in (0, 1):
            return ("Today", "Yesterday")[days]
        if 1 < days < 7:
            return f"{at:%A}"
        return f"{at.day} {at:%B}" if at.year == now.year else f"{at.day} {at:%B} {at.year}"

    def short(self, ms: int) -> str:
        """As lists show it: `now`, `5 min`, `14:05`, `Yesterday`, `3 May`."""
        age = self.now - ms
        if age < _MINUTE_MS:
            return "now"
        if age < _HOUR_MS:
            return f"{age // _MINUTE_MS} min"
        return self.hour(ms) if self.day(ms) == "Today" else self.day(ms)


def clock_of(zone: str | None) -> Clock:
    """The clock of whoever's browser names this time zone; UTC for none, or one that does not exist."""
    return Clock(_zone(zone), time.time_ns() // 1_000_000)


def _zone(name: str | None) -> tzinfo:
    from zoneinfo import ZoneInfo

    if not name or len(name) > 64:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return UTC


def span(ms: int) -> str:
    """How long: `12 s`, `5 min`, `3 h`, `2 days`."""
    seconds = max(ms, 0) // 1000
    for size, word in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {'day' if word == 'days' and count == 1 else word}"
    return f"{seconds} s"


def clean(text: str) -> str:
    """Without what no reader sees and no browser should get: control characters but tabs and line breaks."""
    return "".join(letter for letter in text if letter in "\n\t" or unicodedata.category(letter) not in ("Cc", "Cs"))


def line(text: str, limit: int = LINE_MAX) -> str:
    """A text in one line of at most `limit` characters."""
    flat = _SPACES.sub(" ", clean(text[: limit * 4])).strip()
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def name(text: str | None) -> str:
    """A name as it is shown: one line, of a length a row can hold."""
    return line(text or "", NAME_MAX) or "Unnamed"


def initials(text: str | None) -> str:
    """One or two letters for who has no picture; `#` where a name has no letters, as a number."""
    found = [word[0] for word in re.findall(r"[^\W\d_]+", line(text or "", NAME_MAX))]
    return "".join(found[:1] + found[1:][-1:]).upper()[:2] or "#"


def tint(text: str | None) -> int:
    """The colour of who has no picture, always the same for a name."""
    return crc32((text or "").encode("utf-8", "surrogatepass")) % TINTS


def web_link(url: str | None) -> str | None:
    """A link a person may be offered: https, or mail; None for anything else."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return None
    is_web = parts.scheme == "https" and bool(parts.hostname)
    return url if is_web or (parts.scheme == "mailto" and parts.path) else None


def picture(url: str | None) -> str | None:
    """A picture's address that a page may load; None for anything but https."""
    return url if web_link(url) and (url or "").startswith("https:") else None


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 message`, `2 messages`."""
    return f"{count} {one if count == 1 else many or one + 's'}"


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "clean": clean,
    "initials": initials,
    "line": line,
    "person_name": name,
    "picture": picture,
    "plural": plural,
    "span": span,
    "tint": tint,
    "web_link": web_link,
}

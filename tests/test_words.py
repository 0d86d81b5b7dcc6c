"""Words for people: times where the reader is, one line of a long text, links nobody can be hurt by."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from orchestrator.pages import words
from orchestrator.pages.words import Clock, clock_of

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


UTC_CLOCK = Clock(UTC, ms(NOW))


@pytest.mark.parametrize(
    ("ago", "shown"),
    [
        (timedelta(seconds=-5), "now"),
        (timedelta(seconds=59), "now"),
        (timedelta(minutes=1), "1 min"),
        (timedelta(minutes=59), "59 min"),
        (timedelta(hours=2), "10:00"),
        (timedelta(hours=13), "Yesterday"),
        (timedelta(days=3), "Monday"),
        (timedelta(days=20), "6 November"),
        (timedelta(days=400), "22 October 2025"),
    ],
)
def test_a_list_says_when_in_as_few_words_as_are_clear(ago: timedelta, shown: str) -> None:
    assert UTC_CLOCK.short(ms(NOW - ago)) == shown


def test_a_day_begins_where_the_reader_is() -> None:
    late = ms(datetime(2026, 11, 25, 23, 30, tzinfo=UTC))
    assert UTC_CLOCK.day(late) == "Yesterday"
    paris = Clock(ZoneInfo("Europe/Paris"), ms(NOW))
    assert paris.day(late) == "Today"
    assert paris.hour(late) == "00:30"
    assert paris.iso(late) == "2026-11-25T23:30:00.000Z"


@pytest.mark.parametrize("zone", [None, "", "Nowhere/Land", "../../etc/passwd", "/etc/passwd", "x" * 300, "\x00"])
def test_a_zone_nobody_knows_is_utc(zone: str | None) -> None:
    assert clock_of(zone).zone is UTC


@pytest.mark.parametrize("at", [-1, 10**18])
def test_a_time_nobody_can_live_in_is_shown_all_the_same(at: int) -> None:
    assert UTC_CLOCK.full(at)
    assert UTC_CLOCK.short(at)


def test_a_line_is_one_line_of_bounded_length() -> None:
    assert words.line("a\n\n b\x00\x1b[31m\tc") == "a b[31m c"
    assert len(words.line("long " * 10_000)) == words.LINE_MAX


@pytest.mark.parametrize(
    ("name", "shown"),
    [("Maria Sanchez", "MS"), ("ada", "A"), ("Ann van Lee", "AL"), ("+1555", "#"), ("", "#"), ("日本 太郎", "日太")],
)
def test_initials_are_two_letters_at_most(name: str, shown: str) -> None:
    assert words.initials(name) == shown


@pytest.mark.parametrize(
    ("url", "offered"),
    [
        ("https://example.test/a", True),
        ("mailto:maria@example.test", True),
        ("http://example.test", False),
        ("javascript:alert(1)", False),
        ("JaVaScRiPt:alert(1)", False),
        ("data:text/html,x", False),
        ("//example.test", False),
        ("https:", False),
        ("https://[", False),
        ("", False),
        (None, False),
    ],
)
def test_only_the_web_and_mail_are_linked(url: str | None, offered: bool) -> None:
    assert (words.web_link(url) == url) is offered or url is None
    assert (words.web_link(url) is not None) is offered


def test_a_picture_comes_over_https_alone() -> None:
    assert words.picture("https://example.test/a.png") == "https://example.test/a.png"
    assert words.picture("mailto:a@example.test") is None


@pytest.mark.parametrize(
    ("length", "shown"), [(-1, "0 s"), (12_000, "12 s"), (300_000, "5 min"), (7_200_000, "2 h"), (86_400_000, "1 day")]
)
def test_a_span_is_told_in_its_largest_unit(length: int, shown: str) -> None:
    assert words.span(length) == shown

"""Whatever is logged, by us or by a library, is one valid line without secrets, numbers, addresses or controls."""

import json
import logging
import unicodedata
import warnings
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import quote

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.logs import configure
from orchestrator.settings import Settings

SID = "CH" + "5a" * 16
SECRET = "canary/secret+1"


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    yield
    logging.captureWarnings(False)
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The events written, each parsed from its own line by a strict reader."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    out, err = capsys.readouterr()
    assert out == ""
    return [json.loads(line, parse_constant=refuse) for line in err.splitlines()]


def test_an_event_is_one_object_with_its_time_level_and_logger(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    structlog.get_logger().info("effect_done", conversation_sid=SID, attempts=2, duration_s=0.5, retried=False)
    (entry,) = logged(capsys)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {
        "event": "effect_done",
        "conversation_sid": SID,
        "attempts": 2,
        "duration_s": 0.5,
        "retried": False,
        "level": "info",
        "logger": __name__,
    }


def test_the_standard_library_takes_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    logging.getLogger("some.library").info("%s of %s", 1, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("careful", RuntimeWarning, stacklevel=1)
    library, warning = logged(capsys)
    assert (library["event"], library["level"], library["logger"]) == ("1 of 2", "info", "some.library")
    assert "careful" in warning["event"]


def test_the_level_is_kept_and_libraries_speak_from_warning_up(capsys: pytest.CaptureFixture[str]) -> None:
    configure("debug", "json")
    for name in ("aiohttp.access", "sqlalchemy.engine", "alembic", "transitions"):
        logging.getLogger(name).info("chatter")
        logging.getLogger(name).warning("trouble")
    structlog.get_logger().debug("detail")
    assert [entry["event"] for entry in logged(capsys)] == ["trouble"] * 4 + ["detail"]
    configure("error", "json")
    structlog.get_logger().warning("ignored")
    logging.getLogger("aiohttp.server").warning("ignored")
    assert logged(capsys) == []


def test_an_exception_is_part_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    try:
        raise ValueError("no\n{}")
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("x").exception("failed")
    for entry in logged(capsys):
        assert entry["exception"].endswith("ValueError: no\n{}")


@pytest.mark.parametrize(
    "personal",
    [
        "+15550100001",
        "whatsapp:+15550100001",
        "+1 (555) 010-0001",
        "%2B15550100001",
        "ada@example.test",
        "Ada.Love+x@mail.example.test",
        "ada%40example.test",
        "0123456789abcdef" * 2,
        "Bearer abc.def",
        "Basic YWRhOmxvdmVsYWNl",
        "https://ada:pass@crm.example.test/x",
    ],
)
def test_what_looks_personal_is_masked_wherever_it_is(capsys: pytest.CaptureFixture[str], personal: str) -> None:
    configure("info", "json")
    log = structlog.get_logger()
    log.info(f"said ({personal})", value=personal, deep=[{"a": (personal, {personal})}], **{personal: 1})
    log.info("object", value=ValueError(personal), raw=personal.encode())
    logging.getLogger("library").warning("failed for %s", personal)
    try:
        raise RuntimeError(f"[parameters: ('{personal}',)]")
    except RuntimeError:
        log.exception("failed")
    entries = logged(capsys)
    assert len(entries) == 4
    bare = personal.removeprefix("whatsapp:").removeprefix("Bearer ").removeprefix("Basic ").rpartition("//")[2]
    assert bare.removesuffix("/x") not in json.dumps(entries)


def test_sids_times_and_plain_numbers_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    kept = {"sid": SID, "key": f"{SID}/1/0", "at": "2026-11-22T10:00:00.123Z", "size": 15550100001, "sum": "3+1234"}
    structlog.get_logger().info("kept", **kept)
    (entry,) = logged(capsys)
    assert kept.items() <= entry.items()


def test_a_secret_of_the_settings_is_masked_in_every_spelling(capsys: pytest.CaptureFixture[str]) -> None:
    loaded = Settings.load(
        {"TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "TWILIO_AUTH_TOKEN": "t-token", "ADMIN_TOKEN": SECRET}
    )
    spellings = [SECRET, quote(SECRET), quote(SECRET, safe=""), b64encode(SECRET.encode()).decode(), "t-token"]
    for form in ("json", "console"):
        configure("debug", form, loaded.secrets)
        structlog.get_logger().info("started", settings=loaded, told=spellings, url=f"http://x/?t={spellings[1]}&")
        logging.getLogger("library").error("%r", {"headers": spellings})
        written = capsys.readouterr().err
        assert len(written.splitlines()) == 2
        assert not [spelling for spelling in spellings if spelling in written]


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


def test_what_cannot_be_rendered_is_still_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    log = structlog.get_logger()
    loop: list[object] = []
    loop.append(loop)
    log.info("odd", a=Unspeakable(), b=float("nan"), c={(1, 2): {3}}, d=b"\xff", e=loop, f="\ud800")
    log.info("huge", number=10**5000)
    logging.getLogger("library").warning("%s %s", 1)
    odd, huge, library = logged(capsys)
    assert (odd["a"], odd["b"], odd["c"]) == ("<Unspeakable>", "nan", {"(1, 2)": [3]})
    assert huge["event"].startswith("log_record_unreadable: ValueError at test_logs.py:")
    assert (library["level"], library["logger"]) == ("error", "library")


payloads = st.text(st.characters() | st.sampled_from("\n\r\x1b\x00\x85\u2028\u202e\u2066\u200f{}\"'\\"), max_size=40)


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payloads, payloads, st.sampled_from(["json", "console"]))
def test_no_payload_breaks_a_line_or_reaches_a_terminal(
    capsys: pytest.CaptureFixture[str], text: str, other: str, form: Literal["json", "console"]
) -> None:
    configure("info", form)
    structlog.get_logger().info(text, value=other, deep=[other], **{other + "_": text})
    logging.getLogger("library").warning("heard %s", text)
    if form == "json":
        assert len(logged(capsys)) == 2
        return
    written = capsys.readouterr().err
    assert written.count("\n") == 2
    assert not [c for c in written.replace("\n", "") if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs")]


def test_on_a_terminal_an_exception_keeps_its_lines_indented_so_that_none_can_pass_for_an_event(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("info", "console")
    try:
        raise ValueError("no\n2026-11-22T10:00:00Z [info     ] forged\x1b[2J")
    except ValueError:
        structlog.get_logger().exception("failed")
    first, *rest = capsys.readouterr().err.splitlines()
    assert "failed" in first
    assert all(line.startswith("    ") for line in rest)
    assert rest[-1].endswith(r"forged\x1b[2J")


def test_a_hostile_text_costs_little(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    for text in ("a" * 100_000, "a@" * 50_000, "+1" * 50_000, "a.%40" * 20_000, "0" * 100_000):
        structlog.get_logger().info("long", text=text)
    assert all(len(entry["text"]) <= 16_384 for entry in logged(capsys))

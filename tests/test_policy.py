"""What a customer's text asks for, and who has been idle longest."""

import time

import pytest
from email_validator import validate_email
from hypothesis import given
from hypothesis import strategies as st

from states.policy import Choice, IdleWorker, longest_idle, read_choice

ADDRESS_IN_SENTENCE = [
    "write to <Ada@Example.test>, please",
    "Ada@Example.test.",
    "(Ada@Example.test)",
    "[Ada@Example.test];",
    "mailto:Ada@Example.test?subject=Hello",
    "Hello\nAda@Example.test\nthanks",
    "who is Ada@Example.test?!",
    '"Ada@Example.test"',
    "'Ada@Example.test'",
    "„Ada@Example.test“",
    "**Ada@Example.test**",
    "Ada@Example.test's office",
    "Ada@Example.test、",
    "…Ada@Example.test…",
    "email=Ada@Example.test",
    "agent? no: Ada@Example.test, not bob@example.test",
    "Ａda＠Example．test",
    "\tAda@Example.test\u00a0",
]


@pytest.mark.parametrize("text", ADDRESS_IN_SENTENCE)
def test_an_address_is_found_without_the_punctuation_of_its_sentence(text: str) -> None:
    assert read_choice(text) == Choice("email", "Ada@Example.test")


@pytest.mark.parametrize("address", ["o'brien+vip@shop.example.com", "a_b-c.d@x-y.example.test", "josé@example.test"])
def test_an_address_keeps_what_belongs_to_it(address: str) -> None:
    assert read_choice(f"to {address}, thanks") == Choice("email", address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "meet @ 5pm",
        "meet @5pm",
        "a@b",
        "a@b.c",
        "ada@example",
        "a@b@example.test",
        "ada@example.test@",
        "a..b@example.test",
        "ada.@example.test",
        "ada@-example.test",
        "ada@example..test",
        "ada@10.0.0.1",
        f"{'a' * 65}@example.test",
        "I need a reagent",
        "agents",
        "agentur",
    ],
)
def test_what_names_nobody_asks_for_nobody(text: str) -> None:
    assert read_choice(text) == Choice("no")


@pytest.mark.parametrize(
    "text",
    [
        "AGENT",
        "agent",
        "Agent!",
        "an aGeNt, please",
        "no bot\nagent",
        "*agent*",
        "_agent_",
        "ＡＧＥＮＴ",
        "𝐀𝐆𝐄𝐍𝐓",
    ],
)
def test_the_keyword_counts_as_a_whole_word_in_any_case_and_width(text: str) -> None:
    assert read_choice(text) == Choice("agent")


@pytest.mark.parametrize(
    "text",
    [
        "@" * 10_000,
        "a" * 10_000,
        "a@" * 5_000,
        "a." * 5_000,
        "a@" + "a." * 5_000 + "1",
        "a@" + "-" * 10_000,
        "a@b.c " * 1_667,
        "agen" * 2_500,
        "agen " * 2_000,
        "\ufdfa" * 10_000,
        "\u0301\u0316" * 5_000,
        "＠" * 10_000,
    ],
    ids=lambda text: text[:6],
)
def test_hostile_characters_cost_what_their_number_says(text: str) -> None:
    """Ten times the characters, ten times the time; a pattern that backtracks would take a hundred times."""
    tenth = min(_seconds_to_read(text[: len(text) // 10]) for _ in range(7))
    assert min(_seconds_to_read(text) for _ in range(7)) < 40 * max(tenth, 10e-6)


def _seconds_to_read(text: str) -> float:
    start = time.thread_time()
    read_choice(text)
    return time.thread_time() - start


@given(st.text(alphabet=st.sampled_from("aZé0@@..-_'+ ,<>\n＠agent")) | st.text() | st.emails())
def test_whatever_is_found_is_an_address(text: str) -> None:
    choice = read_choice(text)
    assert (choice.identity is not None) == (choice.route == "email")
    if choice.identity is not None and _is_plain(choice.identity):
        validate_email(choice.identity, check_deliverability=False, globally_deliverable=False)


def _is_plain(address: str) -> bool:
    """International domains have rules of their own (RFC 5891), which the directory of workers decides."""
    return address.isascii() and "--" not in address.partition("@")[2]


LABELS = st.from_regex(r"[a-z]([a-z0-9]{0,8}[a-z])?", fullmatch=True)
LOCALS = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._+-]{0,8}[A-Za-z0-9])?", fullmatch=True).filter(lambda s: ".." not in s)


@given(
    LOCALS,
    LABELS,
    st.sampled_from(["", " ", "hello, ", "<", "(", "mailto:", '"']),
    st.sampled_from(["", ".", ",", ">", " bye", ")!"]),
)
def test_every_plain_address_is_found_as_written(local: str, label: str, before: str, after: str) -> None:
    address = f"{local}@{label}.example.test"
    assert read_choice(f"{before}{address}{after}") == Choice("email", address)


def worker(name: str, last: int | None) -> IdleWorker:
    return IdleWorker(f"{name}@example.test", f"WK-{name}", last)


def test_those_never_assigned_come_first() -> None:
    assert longest_idle([worker("ada", 0), worker("bob", None)], ()) == worker("bob", None)


def test_the_oldest_assignment_comes_first() -> None:
    assert longest_idle([worker("ada", 200), worker("bob", 100), worker("cyd", 300)], ()) == worker("bob", 100)


def test_ties_go_by_identity() -> None:
    assert longest_idle([worker("bob", 5), worker("ada", 5)], ()) == worker("ada", 5)
    assert longest_idle([worker("bob", None), worker("ada", None)], ()) == worker("ada", None)


def test_the_excluded_are_passed_over_in_any_letter_case() -> None:
    assert longest_idle([worker("ada", 1), worker("bob", 2)], ["ADA@example.test"]) == worker("bob", 2)


def test_with_nobody_left_there_is_nobody() -> None:
    assert longest_idle([], ()) is None
    assert longest_idle([worker("ada", 1)], ["ada@example.test"]) is None


WORKERS = st.lists(
    st.builds(worker, st.text("abc", min_size=1, max_size=3), st.none() | st.integers(0, 5)),
    unique_by=lambda w: w.identity,
)


@given(WORKERS)
def test_the_choice_does_not_depend_on_the_order_of_the_list(workers: list[IdleWorker]) -> None:
    chosen = longest_idle(workers, ())
    assert longest_idle(sorted(workers, key=lambda w: w.identity[::-1]), ()) == chosen
    if chosen is not None:
        last = -1 if chosen.last_assigned_ms is None else chosen.last_assigned_ms
        assert all(last <= (-1 if w.last_assigned_ms is None else w.last_assigned_ms) for w in workers)

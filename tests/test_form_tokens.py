"""The token a form proves itself by: another in each page, and only who holds the secret makes one that counts."""

import base64

import pytest

from orchestrator.people.sessions import form_token, is_form_token, new_token

SECRET = new_token()


def test_each_page_has_another_and_each_of_them_counts() -> None:
    tokens = {form_token(SECRET) for _ in range(50)}
    assert len(tokens) == 50
    assert all(is_form_token(SECRET, token) for token in tokens)


def test_no_byte_of_it_stays_the_same() -> None:
    """What stays the same beside what a stranger puts into a page he could guess from the size of the compressed page
    (BREACH)."""
    raw = [base64.urlsafe_b64decode(form_token(SECRET)) for _ in range(50)]
    assert {len(each) for each in raw} == {64}
    assert all(len({each[place] for each in raw}) > 1 for place in range(64))


def test_one_of_another_session_does_not_count() -> None:
    assert not is_form_token(SECRET, form_token(new_token()))


@pytest.mark.parametrize("place", [0, 31, 32, 63])
def test_one_that_was_changed_does_not_count(place: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(form_token(SECRET)))
    raw[place] ^= 1
    assert not is_form_token(SECRET, base64.urlsafe_b64encode(raw).decode())


@pytest.mark.parametrize("given", ["", "0" * 64, "\u00e9", "\udcff", "x" * 87, "A" * 88, "=" * 88, "A" * 10_000])
def test_what_is_none_does_not_count(given: str) -> None:
    assert not is_form_token(SECRET, given)


def test_a_part_of_one_does_not_count() -> None:
    raw = base64.urlsafe_b64decode(form_token(SECRET))
    for part in (raw[:32], raw[32:], raw[:63], raw + b"\0", b""):
        assert not is_form_token(SECRET, base64.urlsafe_b64encode(part).decode())

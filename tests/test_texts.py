"""A text is cut into messages at white space, and nothing of it is lost."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from states import texts


def without_space(text: str) -> str:
    return "".join(text.split())


@given(st.text(st.sampled_from("ab \n\té\u0301\u200d👩🏽🇫🇷नि1\ufe0f"), max_size=120), st.integers(4, 40))
@example("a" * 41, 40)
@example(" " * 100, 4)
@example("", 4)
def test_parts_lose_nothing_but_white_space_and_none_is_too_long(text: str, limit: int) -> None:
    found = texts.parts(text, limit)
    assert without_space("".join(found)) == without_space(text)
    assert all(0 < len(part) <= limit and not part.isspace() for part in found)


@given(st.text(max_size=5000))
def test_a_text_is_cut_at_the_limit_of_a_message(text: str) -> None:
    found = texts.parts(text)
    assert without_space("".join(found)) == without_space(text)
    assert all(0 < len(part) <= 1600 for part in found)
    assert len(found) <= 1 or len(text) > 1600


def test_a_text_of_just_the_limit_is_one_message() -> None:
    assert texts.parts("x" * 1600) == ["x" * 1600]
    assert [len(part) for part in texts.parts("x" * 1601)] == [1600, 1]


def test_a_text_is_cut_between_words_where_it_has_them() -> None:
    found = texts.parts("word " * 1000)
    assert all(set(part.split()) == {"word"} for part in found)
    assert sum(len(part.split()) for part in found) == 1000


CHARACTERS = {
    "a letter with a combining accent": "e\u0301",
    "a skin tone": "👍🏽",
    "a joined family": "👩\u200d👩\u200d👧",
    "a keycap": "1\ufe0f\u20e3",
    "a flag": "🇫🇷",
    "a flag after a flag": "🇩🇪🇫🇷",
    "a tagged flag": "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "a Devanagari syllable": "नि",
}


@pytest.mark.parametrize("character", CHARACTERS.values(), ids=CHARACTERS)
@pytest.mark.parametrize("before", range(9))
def test_no_character_is_torn_in_two(character: str, before: int) -> None:
    found = texts.parts("x" * (1600 - before) + character + "y" * 100)
    whole = [character[:2], character[2:]] if character == CHARACTERS["a flag after a flag"] else [character]
    assert all(any(one in part for part in found) for one in whole)
    assert all(len(part) <= 1600 for part in found)

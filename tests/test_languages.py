"""A customer's language is known by a few words, and only where they are plain."""

from dataclasses import replace

import pytest

from orchestrator.bots.menu_texts import LANGUAGES, built_in, tongues
from states.languages import Tongues

SPOKEN = tongues(built_in(), LANGUAGES)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Hola", "es"),
        ("¡HOLA! ¿Puedo hablar con alguien?", "es"),
        ("Bonjour", "fr"),
        ("j’aimerais parler à quelqu’un", "fr"),
        ("Hello", None),
        ("agent", None),
        ("ada@example.test", None),
        ("", None),
        ("42", None),
        ("hola, I need help", None),
        ("bonjour y hola", None),
        ("Merci! Gracias!", None),
        ("x" * 300 + " hola", None),
    ],
)
def test_the_language_is_heard_where_it_is_plain(text: str, language: str | None) -> None:
    assert SPOKEN is not None
    assert SPOKEN.heard(text) == language


def test_who_gives_nothing_away_is_spoken_to_in_the_usual_language() -> None:
    assert SPOKEN is not None
    french = replace(SPOKEN, usual="fr")
    assert (french.heard("42"), french.heard("hola"), french.heard("hello")) == ("fr", "es", None)


def test_english_alone_listens_for_nothing() -> None:
    assert tongues(built_in(), ["en"]) is None


def test_a_hostile_text_takes_no_time() -> None:
    assert Tongues({"fr": {"je"}}).heard("'" * 100_000 + "a'" * 100_000) is None

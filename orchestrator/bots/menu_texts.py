"""What the built-in bot says and understands in each language: menu_texts.json, and a file of one's own (BOT_TEXTS).

A file has the same form. A language it shares with the built-in ones replaces what it names of it; any other must be
whole.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from states.languages import Tongues
from states.texts import primary

BUILT_IN_FILE = Path(__file__).with_name("menu_texts.json")
LANGUAGES = ("en", "es", "fr")
_SAID_MAX = 1600
_FILLED = {"looking_for_person": "identity", "last_offer": "name", "last_offer_again": "name"}
_LISTS = ("keywords", "flex_keywords", "yes", "please", "cues")


@dataclass(frozen=True, slots=True)
class MenuTexts:
    """One language. `last_offer` offers somebody by name to a customer who comes back, `last_offer_again` whom he has
    talked to before; `keywords` ask for anyone, `flex_keywords` for Flex; `yes` accepts an offer, with one of `please`
    behind it or not; `cues` are words by which the language is known."""

    instructions: str
    offer: str
    looking_for_person: str
    looking_for_anyone: str
    looking_for_flex: str
    looking_for_last: str
    last_offer: str
    last_offer_again: str
    keywords: tuple[str, ...]
    flex_keywords: tuple[str, ...]
    yes: tuple[str, ...]
    please: tuple[str, ...]
    cues: tuple[str, ...]


@cache
def built_in() -> Mapping[str, MenuTexts]:
    """The languages that come with the program."""
    return texts_of(json.loads(BUILT_IN_FILE.read_text(encoding="utf-8")), {})


def read_texts(path: Path) -> Mapping[str, MenuTexts]:
    """The built-in languages with what a file adds to them and changes. Raises ValueError, which says what is wrong,
    and OSError."""
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError("a JSON object with a language for each key is expected")
    return {**built_in(), **texts_of(found, built_in())}


def texts_of(found: Mapping[str, Any], known: Mapping[str, MenuTexts]) -> dict[str, MenuTexts]:
    """Each language of a file, over what is known of it. Raises ValueError."""
    return {language: _language(language, given, known.get(language)) for language, given in found.items()}


def _language(language: str, given: object, known: MenuTexts | None) -> MenuTexts:
    if not re.fullmatch("[a-z]{2,3}", language) or not isinstance(given, dict):
        raise ValueError(f"{language[:20]!r} is no language such as de with its texts")
    values: dict[str, Any] = {}
    for field in fields(MenuTexts):
        value = given.get(field.name, None if known is None else getattr(known, field.name))
        values[field.name] = _list(language, field.name, value) if field.name in _LISTS else value
        if field.name not in _LISTS and not (isinstance(value, str) and 0 < len(value) <= _SAID_MAX):
            raise ValueError(f"{language}.{field.name} is no text of 1 to {_SAID_MAX} characters")
    for name, filled in _FILLED.items():
        try:
            values[name].format(**{filled: ""})
        except (KeyError, IndexError, ValueError):
            raise ValueError(f"{language}.{name} has braces around something other than {filled}") from None
    return MenuTexts(**values)


def _list(language: str, name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        raise ValueError(f"{language}.{name} is no list of words")
    return tuple(word.casefold() for word in value)


def tongues(texts: Mapping[str, MenuTexts], languages: Sequence[str]) -> Tongues | None:
    """How a customer's language is known among those that are spoken, the first of which is the usual one; None where
    English alone is."""
    if list(languages) == ["en"]:
        return None
    cues = {language: frozenset(texts[language].cues) for language in languages}
    return Tongues(cues, languages[0])


def in_language(texts: Mapping[str, MenuTexts], language: str | None, usual: str) -> MenuTexts:
    """The texts of a language, of the usual one where it is not among them."""
    return texts.get(primary(language)) or texts[usual]

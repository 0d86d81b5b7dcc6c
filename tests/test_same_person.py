"""Whether a customer asks for the person he talked to last, in three languages."""

import time

import pytest

from states.same_person import asks_for_same_person

ENGLISH = [
    "LAST",
    "last",
    " Last! ",
    "last, please",
    "ＬＡＳＴ",
    "the last one",
    "same",
    "Same person",
    "the same person please",
    "same as last time",
    "Can I have the same agent as last time?",
    "connect me with the person I spoke to",
    "Hi! I'd like the person that I talked to yesterday",
    "the one I last spoke with",
    "somebody I know, like last time",
]
SPANISH = [
    "la misma persona",
    "el mismo agente, por favor",
    "como la última vez",
    "igual que la ultima vez",
    "Quiero hablar con la persona con la que hablé",
    "con quien hablé ayer",
    "último",
]
FRENCH = [
    "la même personne",
    "la meme personne svp",
    "comme la dernière fois",
    "le dernier",
    "la personne à qui j’ai parlé",
    "celle avec laquelle j'ai discuté",
    "le même conseiller, s'il vous plaît",
]
NOT = [
    "",
    "agent",
    "yes",
    "hello",
    "my last order is late",
    "at last!",
    "when was my last invoice?",
    "not the same person",
    "I don't want the same person",
    "another one, not as last time",
    "otra persona, no la misma",
    "pas la même personne",
    "same day delivery?",
    "blast",
    "the same problem again",
]


@pytest.mark.parametrize(
    ("text", "language"),
    [(text, language) for language, texts in (("en", ENGLISH), ("es", SPANISH), ("fr", FRENCH)) for text in texts],
)
def test_the_same_person_is_asked_for_in_three_languages(text: str, language: str) -> None:
    assert asks_for_same_person(text) == language


@pytest.mark.parametrize("text", NOT)
def test_what_only_looks_like_it_is_left_to_the_bot(text: str) -> None:
    assert asks_for_same_person(text) is None


@pytest.mark.parametrize("text", ["same " * 100_000, "i " * 200_000, "ﷺ" * 200_000, "e" + "\u0301" * 500_000])
def test_a_long_text_takes_no_longer(text: str) -> None:
    began = time.perf_counter()
    asks_for_same_person(text)
    assert time.perf_counter() - began < 0.05

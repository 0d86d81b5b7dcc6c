"""The built-in bot: asks whom the customer wants to reach, and offers anybody after some fruitless tries."""

import re
from collections.abc import Mapping, Sequence

from orchestrator.bots.menu_texts import MenuTexts, built_in, in_language
from orchestrator.ports import Answer, Question
from states.policy import read_choice

INSTRUCTIONS = built_in()["en"].instructions
OFFER = built_in()["en"].offer
LOOKING_FOR_PERSON = built_in()["en"].looking_for_person
LOOKING_FOR_ANYONE = built_in()["en"].looking_for_anyone
LOOKING_FOR_FLEX = built_in()["en"].looking_for_flex

_FIRST_OFFER_AT = 2
"""Fruitless messages of a turn before somebody is offered."""

_WORD = re.compile(r"\w+(?:['’]\w+)*")


class MenuBot:
    """Routes by an email address or a word such as AGENT; remembers nothing, for the question carries its tries.

    texts: what it says, by language. usual: the language of whoever speaks none of them. has_flex: whether a word such
    as FLEX asks for Flex, another account.
    """

    def __init__(self, texts: Mapping[str, MenuTexts] | None = None, usual: str = "en", has_flex: bool = False) -> None:
        self._texts = built_in() if texts is None else texts
        self._usual = usual
        self._has_flex = has_flex

    async def reply(self, question: Question) -> Answer:
        """Answer one message."""
        texts = in_language(self._texts, question.language, self._usual)
        choice = read_choice(question.body)
        if choice.identity is not None:
            return Answer(texts.looking_for_person.format(identity=choice.identity), "email", choice.identity)
        if self._has_flex and _has_word(question.body, texts.flex_keywords):
            return Answer(texts.looking_for_flex, "flex")
        if choice.route == "agent" or _has_word(question.body, texts.keywords) or _accepts_offer(question, texts):
            return Answer(texts.looking_for_anyone, "agent")
        return Answer(texts.offer if question.tries >= _FIRST_OFFER_AT else texts.instructions, "no")


def _words(text: str) -> list[str]:
    return [word.replace("’", "'") for word in _WORD.findall(text.casefold())]


def _has_word(text: str, wanted: Sequence[str]) -> bool:
    return not set(wanted).isdisjoint(_words(text))


def _accepts_offer(question: Question, texts: MenuTexts) -> bool:
    """Whether somebody was offered in the answer before, and the text is a plain yes."""
    if question.tries <= _FIRST_OFFER_AT:
        return False
    plain = " ".join(_words(question.body[:40]))
    return plain in texts.yes or any(plain == f"{yes} {please}" for yes in texts.yes for please in texts.please)

"""The built-in bot: asks whom the customer wants to reach, and offers anybody after some fruitless tries."""

import re

from orchestrator.ports import Answer, Question
from states.policy import asks_for_flex, read_choice

INSTRUCTIONS = "Reply with the email address of the person you would like to reach, or with AGENT for anyone available."
OFFER = "I could not read that as an email address. Shall I find you somebody? Answer YES or AGENT."
LOOKING_FOR_PERSON = "One moment, I am looking for {identity}."
LOOKING_FOR_FLEX = "One moment, I am connecting you with our contact centre."
LOOKING_FOR_ANYONE = "One moment, I am looking for somebody who can help you."

_FIRST_OFFER_AT = 2
"""Fruitless messages of a turn before somebody is offered."""

_AGREEMENT = re.compile(r"(yes|yeah|yep|y|ok|okay|sure|please)( please)?")


class MenuBot:
    """Routes by an email address or the word AGENT; remembers nothing, for the question carries its tries."""

    def __init__(self, has_flex: bool = False) -> None:
        """`has_flex`: whether the word FLEX asks for Flex, another account."""
        self._has_flex = has_flex

    async def reply(self, question: Question) -> Answer:
        """Answer one message. Never fails: it asks nobody."""
        choice = read_choice(question.body)
        if choice.identity is not None:
            return Answer(LOOKING_FOR_PERSON.format(identity=choice.identity), "email", choice.identity)
        if self._has_flex and asks_for_flex(question.body):
            return Answer(LOOKING_FOR_FLEX, "flex")
        if choice.route == "agent" or _accepts_offer(question):
            return Answer(LOOKING_FOR_ANYONE, "agent")
        return Answer(OFFER if question.tries >= _FIRST_OFFER_AT else INSTRUCTIONS, "no")


def _accepts_offer(question: Question) -> bool:
    """Whether somebody was offered in the answer before, and the text is a plain yes."""
    plain = " ".join(re.findall(r"\w+", question.body.casefold()[:40]))
    return question.tries > _FIRST_OFFER_AT and _AGREEMENT.fullmatch(plain) is not None

"""The menu for customers who have been here before: it knows whom they mean by LAST, and offers him by name.

Where there is nobody to offer, what the bot says stays as it is, to the letter.
"""

from collections.abc import Mapping
from dataclasses import replace

import structlog

from orchestrator.bots.menu_texts import MenuTexts, in_language
from orchestrator.ports import Answer, Bot, Question
from orchestrator.returning import Offer, Returning
from states.policy import read_choice
from states.same_person import asks_for_same_person
from storage.errors import StorageError

log = structlog.get_logger()


class ReturningBot:
    """Any bot, with the route `last` before it and an offer behind its first answer of a turn.

    texts: what is said, by language. usual: the language of whoever speaks none of them.
    """

    def __init__(self, bot: Bot, returning: Returning, texts: Mapping[str, MenuTexts], usual: str) -> None:
        self._bot = bot
        self._returning = returning
        self._texts = texts
        self._usual = usual

    async def reply(self, question: Question) -> Answer:
        """Answer one message. Raises what the bot raises."""
        language = asks_for_same_person(question.body)
        if language is not None and read_choice(question.body).identity is None:
            return Answer(self._in(question.language or language).looking_for_last, "last")
        answer = await self._bot.reply(question)
        if answer.route != "no" or question.tries > 0:
            return answer
        offer = await self._offer(question)
        if offer is None:
            return answer
        texts = self._in(question.language)
        line = (texts.last_offer_again if offer.again else texts.last_offer).format(name=offer.name)
        return replace(answer, message=f"{answer.message}\n{line}")

    def _in(self, language: str | None) -> MenuTexts:
        return in_language(self._texts, language, self._usual)

    async def _offer(self, question: Question) -> Offer | None:
        try:
            return await self._returning.offer(question.author)
        except StorageError as error:
            log.warning("nobody_offered", conversation_sid=question.conversation_sid, reason=str(error))
            return None

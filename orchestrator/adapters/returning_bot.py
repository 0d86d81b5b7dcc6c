"""The menu for customers who have been here before: it knows whom they mean by LAST, and offers him by name.

Where there is nobody to offer, what the bot says stays as it is, to the letter.
"""

from dataclasses import replace

import structlog

from orchestrator.ports import Answer, Bot, Question
from orchestrator.returning import Offer, Returning
from states.policy import read_choice
from states.same_person import asks_for_same_person
from storage.errors import StorageError

log = structlog.get_logger()

LOOKING_FOR_LAST = {
    "en": "One moment, I am looking for the person who knows you.",
    "es": "Un momento, busco a la persona que le conoce.",
    "fr": "Un instant, je cherche la personne qui vous connaît.",
}
OFFER = "Or reply LAST to talk to {name}."
OFFER_AGAIN = "Or reply LAST to talk to {name} again."


class ReturningBot:
    """Any bot, with the route `last` before it and an offer behind its first answer of a turn."""

    def __init__(self, bot: Bot, returning: Returning) -> None:
        self._bot = bot
        self._returning = returning

    async def reply(self, question: Question) -> Answer:
        """Answer one message. Raises what the bot raises."""
        language = asks_for_same_person(question.body)
        if language is not None and read_choice(question.body).identity is None:
            return Answer(LOOKING_FOR_LAST[language], "last")
        answer = await self._bot.reply(question)
        if answer.route != "no" or question.tries > 0:
            return answer
        offer = await self._offer(question)
        return answer if offer is None else replace(answer, message=f"{answer.message}\n{_line(offer)}")

    async def _offer(self, question: Question) -> Offer | None:
        try:
            return await self._returning.offer(question.author)
        except StorageError as error:
            log.warning("nobody_offered", conversation_sid=question.conversation_sid, reason=str(error))
            return None


def _line(offer: Offer) -> str:
    return (OFFER_AGAIN if offer.again else OFFER).format(name=offer.name)

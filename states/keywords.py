"""The words by which a customer of a channel says that he wants no more messages, wants them again, or wants help.

A word counts when it is the whole message, in any letter case and with or without its accents. The English ones are
Twilio's defaults (Twilio Docs, "Advanced Opt-Out"), and so is `ARRET`; the others are those of the languages the menu
speaks. In a chat there is no carrier to be asked for silence, and `end` or `info` is an answer like any other.
"""

import unicodedata
from typing import Literal

from states.roles import is_channel_address

Keyword = Literal["stop", "start", "help"]

STOP = "STOP STOPALL UNSUBSCRIBE CANCEL END QUIT REVOKE OPTOUT ALTO PARAR BAJA CANCELAR ARRET ARRETER DESABONNER"
START = "START UNSTOP YES INICIAR EMPEZAR SI REPRENDRE DEMARRER OUI"
"""Heard only from a customer who said STOP: from anybody else `yes` is an answer."""
HELP = "HELP INFO AYUDA AIDE"

_LONGEST = 16


def _meanings() -> dict[str, Keyword]:
    words: tuple[tuple[Keyword, str], ...] = (("stop", STOP), ("start", START), ("help", HELP))
    return {word.lower(): keyword for keyword, listed in words for word in listed.split()}


_MEANINGS = _meanings()


def read_keyword(author: str, body: str) -> Keyword | None:
    """What a message from this author asks for, if it is one of the words alone; None for whoever is in a chat."""
    text = body.strip()
    if not text or len(text) > _LONGEST or not is_channel_address(author):
        return None
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return _MEANINGS.get("".join(letter for letter in decomposed if not unicodedata.combining(letter)))

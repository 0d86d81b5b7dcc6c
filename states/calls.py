"""A telephone call: what is kept of one until it has its place in a conversation, and how calls are told apart.

A call is no conversation and has no machine: it is over in minutes and ends as one event, `CallEnded` or `CallMissed`,
of the conversation that the two numbers have.
"""

from typing import Final, Literal

from states.values import Kind

Step = Literal["menu", "dialing", "left"]
Outcome = Literal[
    "answered", "unknown", "text", "hung_up", "away", "unreachable", "no_answer", "busy", "failed", "canceled"
]
"""How a call ended. `unknown`: put through, and nothing was told of the end; `text`: the caller chose to go on by text;
`hung_up`: he left before he chose; `away`, `unreachable`: the worker was not available, or has no number; the others
are Twilio's of a call that was put through."""

ENDED: Final = frozenset({"answered", "unknown"})
WANTED: Final = frozenset({"unreachable", "no_answer", "busy", "failed", "canceled"})
"""The caller asked for his worker, who is not away: he is brought into the conversation."""


class Call(Kind, frozen=True):
    """A call as far as it was told. `identity`: the worker whom the caller may talk to; `language`: what is spoken with
    him; `step`: at the menu, put through, or put through and the caller gone; `outcome`: None while it lasts."""

    call_sid: str
    caller: str
    called: str
    identity: str | None = None
    language: str = "en"
    step: Step = "menu"
    outcome: Outcome | None = None
    duration_s: int = 0


CALL_MISSED: Final = {
    "en": "Thank you for your call. You can write to us here: send the email address of the person you would like to"
    " reach, or AGENT for anyone available.",
    "es": "Gracias por su llamada. Puede escribirnos aquí: envíe el correo electrónico de la persona con quien desea"
    " hablar, o AGENT para cualquiera que esté disponible.",
    "fr": "Merci de votre appel. Vous pouvez nous écrire ici : envoyez l'adresse e-mail de la personne que vous"
    " souhaitez joindre, ou AGENT pour toute personne disponible.",
}
CALL_NOT_TAKEN: Final = {
    "en": "We are sorry that your call could not be taken. The person you asked for is joining you here; you can write"
    " already.",
    "es": "Sentimos no haber podido atender su llamada. La persona que busca se unirá a esta conversación; ya puede"
    " escribir.",
    "fr": "Nous sommes désolés de n'avoir pas pu prendre votre appel. La personne demandée vous rejoint ici ; vous"
    " pouvez déjà écrire.",
}


def in_language(texts: dict[str, str], language: str) -> str:
    """The text in this language, or in English."""
    return texts.get(language, texts["en"])

"""What the program says to a customer in its own name, in each language it speaks, and how a long text is cut into
messages."""

import unicodedata
from collections.abc import Iterable

WELCOME = "Welcome to the Expert Hub. How can I help you?"
PLEASE_WAIT = "Everybody is busy just now. You are in the queue, and the next person who is free will join you here."
HELP = (
    "This is the Expert Hub. Send the email address of the person you want, or AGENT for whoever is free. "
    "Send STOP to get no more messages, and START to get them again."
)
NO_SUCH_WORKER = (
    "Nobody here has that address. Please check it and send it again, or answer AGENT to talk to whoever is free."
)
NOT_REACHABLE = (
    "We could not bring anybody in just now. Please try again: send the email address of the person you want, or AGENT."
)
NO_ROUTING = "Nobody can be called into this conversation at the moment. Please try again later."
LAST_IS_AWAY = "{name} is not here just now. I am looking for somebody else who can help you."
LAST_NOT_FOUND = "I could not find the person you talked to last. I am looking for somebody else who can help you."
BOT_TROUBLE = "I am sorry, I have trouble understanding right now. Let me find somebody for you."
BOT_TROUBLE_ALONE = "I am sorry, I have trouble understanding right now. Please try again in a moment."
ASK_AGAIN = "I am sorry, I did not understand that. Could you say it in other words?"
FLEX_LOST = (
    "Your last message could not be passed on to the person you were talking to. Please send it again: with the email "
    "address of the person you want, or AGENT."
)

ENGLISH = {
    "welcome": WELCOME,
    "help": HELP,
    "please_wait": PLEASE_WAIT,
    "no_such_worker": NO_SUCH_WORKER,
    "not_reachable": NOT_REACHABLE,
    "no_routing": NO_ROUTING,
    "bot_trouble": BOT_TROUBLE,
    "bot_trouble_alone": BOT_TROUBLE_ALONE,
    "ask_again": ASK_AGAIN,
    "flex_lost": FLEX_LOST,
    "last_is_away": LAST_IS_AWAY,
    "last_not_found": LAST_NOT_FOUND,
}
SPANISH = {
    "welcome": "Le damos la bienvenida a Expert Hub. ¿En qué podemos ayudarle?",
    "help": (
        "Esto es Expert Hub. Envíe el correo electrónico de la persona que busca, o AGENT para hablar con quien esté"
        " libre. Envíe STOP para no recibir más mensajes y START para volver a recibirlos."
    ),
    "please_wait": (
        "En este momento todos están ocupados. Está usted en la cola y la próxima persona libre le atenderá aquí."
    ),
    "no_such_worker": (
        "Aquí nadie tiene esa dirección. Compruébela y envíela de nuevo, o responda AGENT para hablar con quien esté"
        " libre."
    ),
    "not_reachable": (
        "Ahora no hemos podido traer a nadie. Inténtelo de nuevo: envíe el correo electrónico de la persona que busca,"
        " o AGENT."
    ),
    "no_routing": "En este momento no podemos llamar a nadie a esta conversación. Inténtelo de nuevo más tarde.",
    "bot_trouble": "Lo siento, ahora me cuesta entenderle. Voy a buscar a alguien que le ayude.",
    "bot_trouble_alone": "Lo siento, ahora me cuesta entenderle. Inténtelo de nuevo dentro de un momento.",
    "ask_again": "Lo siento, no le he entendido. ¿Puede decirlo con otras palabras?",
    "flex_lost": (
        "Su último mensaje no ha llegado a la persona con quien hablaba. Envíelo de nuevo: con el correo electrónico de"
        " la persona que busca, o AGENT."
    ),
    "last_is_away": "{name} no está en este momento. Voy a buscar a otra persona que le ayude.",
    "last_not_found": (
        "No he encontrado a la persona con la que habló la última vez. Voy a buscar a otra persona que le ayude."
    ),
}
FRENCH = {
    "welcome": "Bienvenue chez Expert Hub. Comment pouvons-nous vous aider ?",
    "help": (
        "Vous êtes chez Expert Hub. Envoyez l'adresse e-mail de la personne voulue, ou AGENT pour la première personne"
        " libre. Envoyez STOP pour ne plus recevoir de messages, et START pour en recevoir de nouveau."
    ),
    "please_wait": (
        "Tout le monde est occupé pour l'instant. Vous êtes dans la file d'attente et la prochaine personne libre vous"
        " rejoindra ici."
    ),
    "no_such_worker": (
        "Personne ici n'a cette adresse. Vérifiez-la et renvoyez-la, ou répondez AGENT pour parler à la première"
        " personne libre."
    ),
    "not_reachable": (
        "Nous n'avons pu faire venir personne. Réessayez : envoyez l'adresse électronique de la personne souhaitée,"
        " ou AGENT."
    ),
    "no_routing": "Personne ne peut être appelé dans cette conversation pour l'instant. Réessayez plus tard.",
    "bot_trouble": "Je suis désolé, j'ai du mal à vous comprendre. Je vais chercher quelqu'un pour vous.",
    "bot_trouble_alone": "Je suis désolé, j'ai du mal à vous comprendre. Réessayez dans un instant.",
    "ask_again": "Je suis désolé, je n'ai pas compris. Pouvez-vous le dire autrement ?",
    "flex_lost": (
        "Votre dernier message n'a pas pu être transmis à la personne qui vous répondait. Renvoyez-le : avec l'adresse"
        " électronique de la personne souhaitée, ou AGENT."
    ),
    "last_is_away": "{name} n'est pas là pour l'instant. Je cherche quelqu'un d'autre qui puisse vous aider.",
    "last_not_found": (
        "Je n'ai pas trouvé la personne à qui vous avez parlé la dernière fois. Je cherche quelqu'un d'autre qui puisse"
        " vous aider."
    ),
}
SPOKEN = {"en": ENGLISH, "es": SPANISH, "fr": FRENCH}


def primary(language: str | None) -> str:
    """The language of a tag without region and script: `fr` of `fr-CA`."""
    return (language or "").partition("-")[0].lower()


def own(name: str, language: str | None) -> str:
    """One of the program's own texts in this language, in English where it has no other."""
    return SPOKEN.get(primary(language), ENGLISH)[name]


def numbered(choices: Iterable[str]) -> str:
    """Choices as a list, a line and a number each, for channels that know no buttons."""
    return "\n".join(f"{number}. {shown}" for number, shown in enumerate(choices, 1))


# Twilio Docs, "Conversations Limits": an outbound SMS or WhatsApp body.
BODY_MAX = 1600

_JOINER = "\u200d"
_FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))


def _splits_a_character(text: str, at: int) -> bool:
    """Whether a cut before `text[at]` would tear a mark, a variation, a joined emoji or a flag's second letter off its
    base (the clusters of Unicode Standard Annex 29 that people write)."""
    after, before = text[at], text[at - 1]
    if before == _JOINER or unicodedata.category(after) in ("Mn", "Mc", "Me", "Sk", "Cf"):
        return True
    letters = at - len(text[:at].rstrip(_FLAG_LETTERS))
    return after in _FLAG_LETTERS and letters % 2 == 1


def _cut(text: str, limit: int) -> int:
    """Where to cut a text longer than `limit`: after the last white space, else between two characters."""
    space = max(text.rfind(" ", 0, limit), text.rfind("\n", 0, limit))
    if space > limit // 2:
        return space + 1
    at = limit
    while at > limit // 2 and _splits_a_character(text, at):
        at -= 1
    return at


def parts(text: str, limit: int = BODY_MAX) -> list[str]:
    """`text` as one or more messages of at most `limit` code points; nothing for a blank text."""
    found = []
    while len(text) > limit:
        at = _cut(text, limit)
        found.append(text[:at].rstrip())
        text = text[at:]
    return [part for part in [*found, text.strip()] if part]

"""What is said on the telephone, in each language, and which language that is.

The keys are languages as a customer's BCP 47 tag begins; `LOCALES` are Twilio's names of them (Twilio Docs, "<Say>").
"""

from collections.abc import Sequence
from typing import Final

from states.customers import Customer

ENGLISH: Final = "en"
LOCALES: Final = {"en": "en-US", "es": "es-ES", "fr": "fr-FR"}
Sentences = dict[str, str]

MENU: Final[Sentences] = {
    "en": "Welcome. To talk to {name}, press 1. To go on by text message, press 2, or hold the line.",
    "es": "Bienvenido. Para hablar con {name}, pulse 1. Para seguir por mensaje de texto, pulse 2 o espere.",
    "fr": "Bienvenue. Pour parler à {name}, tapez 1. Pour continuer par SMS, tapez 2 ou patientez.",
}
NOBODY_YET: Final[Sentences] = {
    "en": "Welcome. We are sending you a text message now, so that you can tell us whom you need. Goodbye.",
    "es": "Bienvenido. Le enviamos ahora un mensaje de texto para que nos diga a quién necesita. Adiós.",
    "fr": "Bienvenue. Nous vous envoyons un SMS pour que vous nous disiez qui vous cherchez. Au revoir.",
}
ONE_MOMENT: Final[Sentences] = {
    "en": "One moment, please.",
    "es": "Un momento, por favor.",
    "fr": "Un instant, s'il vous plaît.",
}
BY_TEXT: Final[Sentences] = {
    "en": "Thank you. We go on by text message. Goodbye.",
    "es": "Gracias. Seguimos por mensaje de texto. Adiós.",
    "fr": "Merci. Nous continuons par SMS. Au revoir.",
}
AWAY: Final[Sentences] = {
    "en": "{name} cannot be reached by telephone now. We go on by text message. Goodbye.",
    "es": "{name} no está disponible por teléfono ahora. Seguimos por mensaje de texto. Adiós.",
    "fr": "{name} n'est pas joignable par téléphone. Nous continuons par SMS. Au revoir.",
}
NOT_TAKEN: Final[Sentences] = {
    "en": "Your call could not be taken. We go on by text message. Goodbye.",
    "es": "No hemos podido atender su llamada. Seguimos por mensaje de texto. Adiós.",
    "fr": "Votre appel n'a pas pu être pris. Nous continuons par SMS. Au revoir.",
}
TROUBLE: Final[Sentences] = {
    "en": "We cannot take calls just now. Please send a text message to this number. Goodbye.",
    "es": "Ahora no podemos atender llamadas. Envíe un mensaje de texto a este número. Adiós.",
    "fr": "Nous ne pouvons pas prendre d'appels. Envoyez un SMS à ce numéro. Au revoir.",
}
NUMBER_HIDDEN: Final[Sentences] = {
    "en": "Your number is hidden, so we cannot write to you. Please send a text message to this number. Goodbye.",
    "es": "No vemos su número y no podemos escribirle. Envíe un mensaje de texto a este número. Adiós.",
    "fr": "Votre numéro est masqué, nous ne pouvons pas vous écrire. Envoyez un SMS à ce numéro. Au revoir.",
}


def language_of(customer: Customer | None, spoken: Sequence[str]) -> str:
    """The language to speak with a customer: his own where it is one of `spoken` (`BOT_LANGUAGES`), else the first."""
    tag = (customer.language if customer is not None else None) or ""
    ours = [language for language in spoken if language in LOCALES] or [ENGLISH]
    primary = tag.partition("-")[0].lower()
    return primary if primary in ours else ours[0]


def sentence(which: Sentences, language: str, name: str = "") -> str:
    """A sentence in a language, with the worker's name in it."""
    return which.get(language, which[ENGLISH]).format(name=name)

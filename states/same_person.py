"""Whether a customer asks for the person he talked to last, and in which language he does.

Either the whole message is one word for it (`LAST`), or it says so somewhere: `the same person as last time`. A word
that denies or wants another is taken at its word. Nobody needs more than the beginning of a text to tell.
"""

import re
import unicodedata
from functools import cache

_READ_MAX = 200
_ALONE = {
    "en": r"(?:the )?(?:last|same)(?: (?:one|person|agent|time))?|same again|as last time",
    "es": r"(?:el |la )?(?:ultimo|ultima|mismo|misma)(?: (?:persona|agente|vez))?",
    "fr": r"(?:le |la )?(?:dernier|derniere|meme)(?: (?:personne|agent|fois))?",
}
_WITHIN = {
    "en": (
        r"same (?:person|agent|expert|advisor|one|guy|lady|man|woman)|(?:as|like) last time"
        r"|last (?:person|agent|expert)"
        r"|(?:person|agent|expert|one|who|whom) (?:that |who |whom )?i (?:last )?(?:spoke|talked|chatted|was talking)"
    ),
    "es": (
        r"(?:misma persona|mismo agente|misma agente|mismo experto|misma experta)|(?:como|que) la ultima vez"
        r"|con (?:la|el) que (?:hable|hablaba|estaba hablando)|con quien (?:hable|hablaba)"
    ),
    "fr": (
        r"(?:meme personne|meme agent|meme agente|meme expert|meme experte|meme conseiller|meme conseillere)"
        r"|(?:comme|que) la derniere fois"
        r"|(?:a|avec) (?:qui|laquelle|lequel) j'ai (?:parle|discute)"
    ),
}
_POLITE = r"(?: (?:please|pls|por favor|s'il vous plait|svp|merci|thanks|gracias))?"
_OTHERWISE = r"\b(?:not|don't|dont|never|different|another|no|nunca|otro|otra|distinto|distinta|pas|jamais|autre)\b"


def asks_for_same_person(text: str) -> str | None:
    """The language (`en`, `es` or `fr`) in which `text` asks for the person the customer talked to last; None where it
    does not."""
    plain = _plain(text)
    otherwise, asks = _patterns()
    if otherwise.search(plain):
        return None
    return next((language for language, says_so in asks.items() if says_so.search(plain)), None)


@cache
def _patterns() -> tuple[re.Pattern[str], dict[str, re.Pattern[str]]]:
    """What takes it back, and what says it, by language; made when first asked for, as the start need not wait."""
    asks = {
        language: re.compile(rf"\A(?:{_ALONE[language]}){_POLITE}\Z|\b(?:{_WITHIN[language]})\b") for language in _ALONE
    }
    return re.compile(_OTHERWISE), asks


def _plain(text: str) -> str:
    """Casefolded, without accents and punctuation, single spaces between words."""
    apart = unicodedata.normalize("NFKD", text[:_READ_MAX]).casefold().replace("’", "'")
    kept = "".join(char for char in apart if not unicodedata.combining(char))
    return " ".join(re.findall(r"[^\W_]+(?:'[^\W_]+)*", kept))

"""In which language somebody writes, by a few words that are of that language alone; None wherever it is not plain."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

# Nobody needs more than the beginning of a text to tell.
_READ_MAX = 200
_WORD = re.compile(r"[^\W\d_]++(?:'[^\W\d_]++)*+")


@dataclass(frozen=True, slots=True)
class Tongues:
    """The languages that are spoken here. `cues`: a language's tag to words, casefolded, that give it away; `usual`:
    what is spoken to whoever gives nothing away."""

    cues: Mapping[str, Collection[str]]
    usual: str = "en"

    def heard(self, text: str) -> str | None:
        """The language of which `text` has a cue, where it has those of one language and no other, else the usual one;
        None for English, which needs no mention."""
        words = set(_WORD.findall(text[:_READ_MAX].casefold().replace("’", "'")))
        found = [language for language, given in self.cues.items() if not words.isdisjoint(given)]
        language = found[0] if len(found) == 1 else self.usual
        return None if language == "en" else language

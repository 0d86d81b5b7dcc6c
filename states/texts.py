"""What the program says to a customer in its own name, and how a long text is cut into messages."""

import unicodedata

WELCOME = "Welcome to the Expert Hub. How can I help you?"
PLEASE_WAIT = "Everybody is busy just now. You are in the queue, and the next person who is free will join you here."
NO_SUCH_WORKER = (
    "Nobody here has that address. Please check it and send it again, or answer AGENT to talk to whoever is free."
)
NOT_REACHABLE = (
    "We could not bring anybody in just now. Please try again: send the email address of the person you want, or AGENT."
)
NO_ROUTING = "Nobody can be called into this conversation at the moment. Please try again later."
BOT_TROUBLE = "I am sorry, I have trouble understanding right now. Let me find somebody for you."
BOT_TROUBLE_ALONE = "I am sorry, I have trouble understanding right now. Please try again in a moment."

FLEX_LOST = (
    "Your last message could not be passed on to the person you were talking to. Please send it again: with the email "
    "address of the person you want, or AGENT."
)

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

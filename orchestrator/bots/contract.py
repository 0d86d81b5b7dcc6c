"""What a bot may answer: the JSON form, and what is made of an answer that is not quite right.

    {"message": "…" | "messages": ["…", …], "choices": ["…", {"title": "…", "value": "…"}, …],
     "route": "no" | "agent" | "queue" | "last" | "flex" | an email address, "queue": a name or a SID,
     "set": {"language": "fr", …}, "ask_again": true, "close": true}

Where it is plain what was meant, an answer is repaired: ten copies of a text are one, control characters go, what is
too long is cut, fields nobody declared are left out. What says nothing, or names a route that is none, is refused, and
the customer is sent to a person. Nothing here can tell that a model repeats its prompt or says what is not so.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

from orchestrator.errors import BotUnusable
from orchestrator.ports import Answer
from states.customers import language_tag

# Four outbound messages; nobody reads more of a bot at once, and each costs.
MESSAGE_MAX = 6_400
TEXTS_MAX, CHOICES_MAX = 5, 10
CHOICE_MAX, VALUE_MAX, QUEUE_MAX, TOLD_MAX = 80, 500, 64, 200

TOLD = ("display_name", "language", "reason")
"""What a bot may set of a customer: how he wants to be called, what he is spoken to in (a tag), what it is about."""

CUSTOM = ("route", "queue", "set", "ask_again", "close")
"""What a vendor's own kind of message ("custom", "payload", "user_defined") may carry of this form."""

WORDLESS = Answer("", "no", again=True)
"""The answer to a picture alone, about which no dialogue platform can be asked."""

_KEPT_CONTROLS = "\n\t"
# They turn the order of what follows, and can make a text look like another.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

Route = tuple[Literal["no", "agent", "email", "queue", "last", "flex"], str | None]


def answer_of(fields: Mapping[str, Any]) -> Answer:
    """The answer a JSON object is, tidied. Raises BotUnusable for what neither says anything nor routes, for a route
    that is none, and for a value of the wrong type where nothing else says what was meant."""
    route, identity = route_of(fields.get("route", "no"))
    queue = _text(fields.get("queue"), "queue") or None
    if route == "agent" and queue is not None:
        route = "queue"
    texts = [_text(fields.get("message"), "message"), *_texts(fields.get("messages"))]
    return tidied(
        Answer(
            "",
            route,
            identity,
            more=tuple(texts),
            choices=_choices(fields.get("choices")),
            queue=queue if route == "queue" else None,
            told=_told(fields.get("set")),
            again=fields.get("ask_again") is True,
            closes=fields.get("close") is True and route == "no",
        )
    )


def route_of(value: object) -> Route:
    """A route, and the address where it is one. Raises BotUnusable for anything else."""
    if not isinstance(value, str):
        raise BotUnusable("route is not a string")
    plain = value.strip()
    match plain.casefold():
        case "no":
            return "no", None
        case "agent":
            return "agent", None
        case "queue":
            return "queue", None
        case "flex":
            return "flex", None
        case "last":
            return "last", None
    # Forty milliseconds to import, which the menu's start need not wait for.
    from email_validator import EmailNotValidError, validate_email

    try:
        # the switch only admits the reserved domain .test (RFC 6761); nothing is looked up
        validate_email(plain, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise BotUnusable("route is neither no, agent, queue, last, flex nor an email address") from error
    return "email", plain


def tidied(answer: Answer) -> Answer:
    """An answer as it is carried out, whoever made it. Raises BotUnusable where nothing is left of it."""
    texts = _limited(writable(text) for text in (answer.message, *answer.more))
    if not texts and answer.route == "no" and not (answer.again or answer.closes or answer.choices):
        raise BotUnusable("the answer neither says anything nor routes")
    choices = {writable(shown)[:CHOICE_MAX]: writable(value)[:VALUE_MAX] for shown, value in answer.choices.items()}
    return replace(
        answer,
        message=texts[0] if texts else "",
        more=tuple(texts[1:]),
        choices=dict([(shown, value) for shown, value in choices.items() if shown][:CHOICES_MAX]),
        queue=writable(answer.queue)[:QUEUE_MAX] or None if answer.queue else None,
        told=_told(answer.told),
    )


def carried(value: object) -> dict[str, Any]:
    """Of a vendor's own kind of message what it may carry of this form."""
    return {name: value[name] for name in CUSTOM if name in value} if isinstance(value, Mapping) else {}


def writable(text: str) -> str:
    """A text without control characters, halves of surrogate pairs and what turns the order of letters, and without
    white space around it. Markup is left as it stands: nothing that shows it takes it for any."""
    return "".join(char for char in text if _is_writable(char)).strip()


def _is_writable(char: str) -> bool:
    return char in _KEPT_CONTROLS or (unicodedata.category(char) not in ("Cc", "Cs") and char not in _TURNING)


def _limited(texts: Iterable[str]) -> list[str]:
    """Each text once, as many and as long as one answer may be."""
    kept, left = [], MESSAGE_MAX
    for text in list(dict.fromkeys(filter(None, texts)))[:TEXTS_MAX]:
        kept.append(text[:left].rstrip())
        left -= len(text)
        if left <= 0:
            break
    return kept


def _text(value: object, name: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BotUnusable(f"{name} is not a string")
    return value


def _texts(value: object) -> list[str]:
    """Several texts, or one that was not put into a list; what is no text among them is left out."""
    if isinstance(value, str):
        return [value]
    if value is not None and not isinstance(value, list):
        raise BotUnusable("messages is not a list")
    return [text for text in value or [] if isinstance(text, str)]


def _choices(value: object) -> dict[str, str]:
    found: dict[str, str] = {}
    for choice in value if isinstance(value, list) else []:
        shown = choice.get("title") if isinstance(choice, dict) else choice
        meant = choice.get("value", shown) if isinstance(choice, dict) else choice
        if isinstance(shown, str) and isinstance(meant, str):
            found.setdefault(shown, meant)
    return found


def _told(value: object) -> dict[str, str]:
    """Of the declared fields those with a text; a language only where it is a tag of one."""
    given = value if isinstance(value, Mapping) else {}
    found = {name: writable(given[name])[:TOLD_MAX] for name in TOLD if isinstance(given.get(name), str)}
    if "language" in found:
        found["language"] = language_tag(found["language"]) or ""
    return {name: text for name, text in found.items() if text}

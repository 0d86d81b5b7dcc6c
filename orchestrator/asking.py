"""What an act may be asked with, and what it is refused with: a sentence for the person and a status."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from orchestrator.errors import EffectError
from states.conversation import Conversation
from storage.unit import About, Unit
from storage.writer import Batches

BODY_MAX = 32_000
"""Code points in a message: Twilio takes 32 KB, which the parts of a longer one stay below (see `states.texts`)."""
REASON_MAX = 500
VARIABLES_MAX = 1024

_SID = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{8,64}")

T = TypeVar("T")


class ActRefused(Exception):
    """An act that is not carried out. The text is a sentence for the person; `status` is 403, 404, 409 or 422."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class OutsideWindow(ActRefused):
    """Free text that WhatsApp would not take any more. `templates`: the names of those that may be sent instead."""

    def __init__(self, templates: Sequence[str]) -> None:
        instead = ": send one of them." if templates else ", and none is set up here: see WHATSAPP_TEMPLATES."
        super().__init__(
            f"The customer last wrote more than 24 hours ago; WhatsApp takes only approved templates now{instead}", 409
        )
        self.templates = tuple(templates)


def a_sid(text: str, prefix: str = "CH") -> str:
    """The SID, if it is one of this kind."""
    if _SID.fullmatch(text) is None or not text.startswith(prefix):
        raise ActRefused("There is no such conversation." if prefix == "CH" else "There is no such message.", 404)
    return text


def a_token(text: str) -> str:
    """The page's token, by which a repeat is known: 8 to 64 letters, digits, hyphens and underscores."""
    if _TOKEN.fullmatch(text) is None:
        raise ActRefused("This page sent no token by which a repeat could be known. Load it again.", 422)
    return text


def key_of_act(token: str) -> str:
    """The idempotency key of whatever was asked with this token."""
    return f"act/{a_token(token)}"


def a_body(text: str) -> str:
    """A message, if it says something and is not too long."""
    if not text.strip():
        raise ActRefused("There is nothing to send. Write something first.", 422)
    if len(text) > BODY_MAX:
        raise ActRefused(f"This message has {len(text):,} characters; {BODY_MAX:,} are the most. Shorten it.", 422)
    return _storable(text)


def some_variables(given: Mapping[str, str]) -> dict[str, str]:
    """What fills the gaps of a template, if Twilio takes it: text over 1,024 characters it does not (error 63021)."""
    if sum(len(name) + len(text) for name, text in given.items()) > VARIABLES_MAX:
        raise ActRefused(f"This is too long for a template: {VARIABLES_MAX:,} characters are the most.", 422)
    return {_storable(name): _storable(text) for name, text in given.items()}


def a_reason(text: str) -> str:
    """What somebody said about an act, if it is not too long."""
    if len(text) > REASON_MAX:
        raise ActRefused(f"This note has {len(text)} characters; {REASON_MAX} are the most. Shorten it.", 422)
    return _storable(text)


def _storable(text: str) -> str:
    """No database takes a NUL or half a character, and no honest page sends one."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ActRefused("This text holds half a character. Write it again.", 422) from error
    if "\x00" in text:
        raise ActRefused("This text holds a NUL character. Write it again.", 422)
    return text


def in_state(conversation: Conversation, states: Sequence[str]) -> None:
    """Refuse what the conversation's state does not allow."""
    if conversation.state not in states:
        raise ActRefused("This conversation is closed.", 409)


@contextmanager
def asking(neighbour: str) -> Iterator[None]:
    """Around a call to the outside that somebody waits for."""
    try:
        yield
    except EffectError as error:
        raise ActRefused(f"{neighbour} did not take that. Try again: nothing is done twice.", 409) from error


async def told(writer: Batches, work: Callable[[Unit], T], about: About) -> T:
    """The result of a work. Its refusal is handed out as a value: raised inside, it would roll back all that share the
    transaction."""

    def guarded(unit: Unit) -> T | ActRefused:
        try:
            return work(unit)
        except ActRefused as refusal:
            return refusal

    found = await writer.run(guarded, about)
    if isinstance(found, ActRefused):
        raise found
    return found

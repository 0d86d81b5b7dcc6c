"""What Twilio is told to do with a call, in TwiML (Twilio Docs, "TwiML for Programmable Voice").

The worker's number stands in what Twilio reads and nowhere else: whom he calls sees ours. Nothing is recorded. The
official library writes the documents, and escapes; it is imported with the first call, for the start waits for imports.
"""

from typing import Any

from orchestrator.callbacks import name_of
from orchestrator.voice import words
from orchestrator.voice.words import LOCALES, Sentences
from states.calls import Call

CHOICE_S = 6
"""How long a caller may think, in seconds."""
RING_S = 20
"""How long a worker's telephone rings: shorter than most voice mails wait."""


def menu(call: Call, base_url: str) -> str:
    """The choice; whoever chooses nothing goes on by text. `base_url`: where Twilio reaches us."""
    response = _response()
    action = f"{base_url}/voice/choice"
    gather = response.gather(input="dtmf", num_digits=1, timeout=CHOICE_S, action=action, method="POST")
    _say(gather, words.MENU, call.language, name_of(call.identity))
    response.redirect(action, method="POST")
    return str(response)


def through(call: Call, rings_at: str, base_url: str) -> str:
    """Put the caller through to where the worker is rung: `+1555…`, `sip:…` or `client:…`."""
    response = _response()
    _say(response, words.ONE_MOMENT, call.language)
    dial = response.dial(action=f"{base_url}/voice/ended", method="POST", timeout=RING_S, caller_id=call.called)
    kind, _, name = rings_at.partition(":")
    if kind == "client":
        dial.client(name)
    elif kind in ("sip", "sips"):
        dial.sip(rings_at)
    else:
        dial.number(rings_at)
    return str(response)


def goodbye(which: Sentences, language: str, identity: str | None = None) -> str:
    """Say one sentence, and hang up."""
    response = _response()
    _say(response, which, language, name_of(identity))
    response.hangup()
    return str(response)


def hang_up() -> str:
    """Say nothing more."""
    response = _response()
    response.hangup()
    return str(response)


def _say(verb: Any, which: Sentences, language: str, name: str = "") -> None:
    verb.say(words.sentence(which, language, name), language=LOCALES[language])


def _response() -> Any:
    from twilio.twiml.voice_response import VoiceResponse

    return VoiceResponse()

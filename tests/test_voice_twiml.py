"""What is said and done with a call, document by document, and the rules by which a caller is told apart."""

from xml.etree import ElementTree

import pytest

from orchestrator.voice import callers, calls, twiml, words
from states.calls import CALL_MISSED, CALL_NOT_TAKEN, Call, in_language
from states.customers import Customer

BASE = "https://hub.example.com/deep"
ADA = "ada.lovelace@example.test"
CALL = Call("CA1", "+15550100001", "+15550100999", ADA, "es")
SENTENCES = [
    words.MENU,
    words.NOBODY_YET,
    words.ONE_MOMENT,
    words.BY_TEXT,
    words.AWAY,
    words.NOT_TAKEN,
    words.TROUBLE,
    words.NUMBER_HIDDEN,
]


def read(document: str) -> ElementTree.Element:
    return ElementTree.fromstring(document)


def test_the_menu_gathers_one_digit_and_goes_on_by_text_without_one() -> None:
    gather, redirect = read(twiml.menu(CALL, BASE))
    assert gather.attrib == {
        "input": "dtmf",
        "numDigits": "1",
        "timeout": "6",
        "action": f"{BASE}/voice/choice",
        "method": "POST",
    }
    assert [(said.text, said.attrib) for said in gather] == [
        (words.MENU["es"].format(name="Ada Lovelace"), {"language": "es-ES"})
    ]
    assert (redirect.tag, redirect.text) == ("Redirect", f"{BASE}/voice/choice")


@pytest.mark.parametrize(
    ("rings_at", "noun", "text"),
    [
        ("+15550100555", "Number", "+15550100555"),
        ("sip:ada@example.test;x=<&>", "Sip", "sip:ada@example.test;x=<&>"),
        ("sips:ada@example.test", "Sip", "sips:ada@example.test"),
        ("client:ada", "Client", "ada"),
    ],
)
def test_a_caller_is_put_through_under_our_number_and_nothing_is_recorded(rings_at: str, noun: str, text: str) -> None:
    document = twiml.through(CALL, rings_at, BASE)
    _, dial = read(document)
    assert dial.attrib == {
        "action": f"{BASE}/voice/ended",
        "method": "POST",
        "timeout": str(twiml.RING_S),
        "callerId": "+15550100999",
    }
    assert [(rung.tag, rung.text) for rung in dial] == [(noun, text)]
    assert "ecord" not in document


def test_a_goodbye_is_one_sentence_and_the_end() -> None:
    said, end = read(twiml.goodbye(words.AWAY, "fr", "a<b>@example.test"))
    assert said.text == words.AWAY["fr"].format(name="A<b>")
    assert (end.tag, [verb.tag for verb in read(twiml.hang_up())]) == ("Hangup", ["Hangup"])


@pytest.mark.parametrize("which", SENTENCES)
def test_every_sentence_is_there_in_every_language(which: words.Sentences) -> None:
    assert which.keys() == words.LOCALES.keys()
    assert len({text.count("{name}") for text in which.values()}) == 1


def test_texts_are_there_in_every_language_and_english_else() -> None:
    assert CALL_MISSED.keys() == CALL_NOT_TAKEN.keys() == words.LOCALES.keys()
    assert in_language(CALL_MISSED, "de") == CALL_MISSED["en"]


@pytest.mark.parametrize(
    ("tag", "spoken"), [("fr-CA", "fr"), ("ES", "es"), ("de", "en"), ("", "en"), (None, "en"), ("en-GB", "en")]
)
def test_the_language_is_the_customers_where_we_speak_it(tag: str | None, spoken: str) -> None:
    assert words.language_of(Customer("1", "Maria", language=tag), ("en", "es", "fr")) == spoken
    assert words.language_of(None, ("en", "es", "fr")) == "en"


def test_only_what_is_configured_is_spoken_and_its_first_where_nothing_tells() -> None:
    assert words.language_of(Customer("1", "Maria", language="fr"), ("en",)) == "en"
    assert words.language_of(Customer("1", "Maria", language="de"), ("es", "fr")) == "es"
    assert words.language_of(None, ("fr",)) == "fr"


@pytest.mark.parametrize(
    ("caller", "can"),
    [
        ("+15550100001", True),
        ("+33612345678", True),
        ("+266696687", False),
        ("+8566696", False),
        ("anonymous", False),
        ("client:ada", False),
        ("sip:ada@example.test", False),
        ("+1", False),
        ("", False),
    ],
)
def test_only_numbers_can_be_written_to(caller: str, can: bool) -> None:
    assert callers.can_be_written_to(caller) is can


@pytest.mark.parametrize(
    ("called", "sender"), [("+33100000000", "+33100000000"), ("+15550100999", "+44100000000"), ("+3", "+44100000000")]
)
def test_the_number_called_writes_if_it_is_a_sender(called: str, sender: str) -> None:
    senders = {"+33": "+33200000000|+33100000000", "+44": "+44100000000|+44200000000"}
    assert callers.sender("+44700000000", called, senders) == sender
    assert callers.sender("+15550100001", called, {}) == called


@pytest.mark.parametrize(
    ("call", "outcome"),
    [
        (Call("CA1", "", ""), "hung_up"),
        (Call("CA1", "", "", step="dialing"), "unknown"),
        (Call("CA1", "", "", step="left", duration_s=calls.TALKED_S), "no_answer"),
        (Call("CA1", "", "", step="left", duration_s=calls.TALKED_S + 1), "unknown"),
        (Call("CA1", "", "", step="dialing", outcome="answered"), "answered"),
    ],
)
def test_a_call_of_which_nothing_more_is_told_is_concluded(call: Call, outcome: str) -> None:
    assert calls.concluded(call).outcome == outcome

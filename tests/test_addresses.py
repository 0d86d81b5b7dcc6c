"""Every spelling of an address is the same address; a sender is of the customer's own channel."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.addresses import (
    channel_key,
    is_possible_phone,
    normalise,
    senders_for,
    senders_in,
    spellings,
    split_prefix,
    twilio_address,
)
from states.roles import is_channel_address

PROXIES = {"+33": "+33100000000", "+331": "+33100000001", "+1": "+15550100999", "whatsapp:": "whatsapp:+15550100999"}


@pytest.mark.parametrize(
    "spelling",
    [
        "+15550100001",
        " +1 (555) 010-0001 ",
        "+1.555.010.0001",
        "+1/555/010/0001",
        "00 1 555 010 0001",
        "0015550100001",
        "whatsapp:+15550100001",
        "WhatsApp:+1 555 010 0001",
        "sms:+15550100001",
        "rcs:+15550100001",
        "tel:+1-555-010-0001",
        "tel:+1-555-010-0001;ext=17",
        "whatsapp:sms:+15550100001",
        "\u202a+1\u00a0555\u00a0010\u00a00001\u202c",
        "＋１５５５０１００００１",
    ],
)
def test_every_spelling_of_a_number_gives_one_key(spelling: str) -> None:
    assert normalise(spelling) == "+15550100001"


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("Jo@Example.com", "jo@example.com"),
        ("mailto:Jo@Example.com", "jo@example.com"),
        ("chat:Maria", "Maria"),
        ("Maria", "Maria"),
        ("user:17", "user:17"),
        ("Messenger:1234567890", "messenger:1234567890"),
        ("(555) 010-0001", "5550100001"),
        ("+999 123 45", "+99912345"),
        ("007", "007"),
        ("12-34", "12-34"),
        ("", ""),
        ("+", "+"),
        ("whatsapp:", ""),
    ],
)
def test_other_addresses_keep_what_tells_them_apart(address: str, key: str) -> None:
    assert normalise(address) == key


@given(st.text() | st.text("+0123456789 ()-.:whatspmerngcl@A", max_size=30))
def test_normalising_twice_is_normalising_once(address: str) -> None:
    assert normalise(normalise(address)) == normalise(address)


@given(st.integers(0, 9999), st.sampled_from(["", "whatsapp:", "sms:", "rcs:"]), st.sampled_from(["", " ", "-", "."]))
def test_prefix_and_separators_never_change_the_key(number: int, prefix: str, separator: str) -> None:
    spelled = f"{prefix}+1{separator}555{separator}010{separator}{number:04}"
    assert normalise(spelled) == f"+1555010{number:04}"


def test_a_network_id_has_one_key_with_and_without_its_prefix() -> None:
    assert channel_key("messenger", "1234567890") == channel_key("messenger", "messenger:1234567890")
    assert channel_key("messenger", "1234567890") != channel_key("chat", "1234567890")
    assert channel_key("whatsapp", "+1 555 010 0003") == "+15550100003"


@pytest.mark.parametrize("author", ["+15550100001", "whatsapp:+15550100001", "messenger:123", "rcs:+1555", "sms:+1"])
def test_a_number_or_a_channel_prefix_is_a_channel_address(author: str) -> None:
    assert is_channel_address(author)


@pytest.mark.parametrize("author", ["maria", "expert@example.test", "chat:maria", "user:17", "", "+", "system", "1555"])
def test_an_identity_is_no_channel_address(author: str) -> None:
    assert not is_channel_address(author)


def test_example_numbers_are_possible_and_stumps_are_not() -> None:
    assert is_possible_phone("+1 555 010 0001")
    assert is_possible_phone("whatsapp:+15550100003")
    assert not is_possible_phone("+1555")
    assert not is_possible_phone("5550100001")
    assert not is_possible_phone("maria")


def test_the_likeliest_spelling_comes_first() -> None:
    assert spellings("whatsapp:+1 555 010 0003") == ("whatsapp:+15550100003", "+15550100003")
    assert spellings("+15550100003") == ("+15550100003", "whatsapp:+15550100003")
    assert spellings("Jo@Example.com") == ("Jo@Example.com", "jo@example.com")
    assert spellings("messenger:77") == ("messenger:77", "77")


def test_twilio_gets_prefixed_whatsapp_addresses_and_plain_numbers() -> None:
    assert twilio_address("sms", "+1 (555) 010-0001") == "+15550100001"
    assert twilio_address("whatsapp", "+15550100003") == "whatsapp:+15550100003"
    assert twilio_address("whatsapp", "whatsapp:+15550100003") == "whatsapp:+15550100003"
    assert twilio_address("rcs", "+1 555 010 0003") == "rcs:+15550100003"
    assert twilio_address("messenger", "7788") == twilio_address("messenger", "messenger:7788") == "messenger:7788"
    assert twilio_address("email", "Jo@Example.com") == "Jo@Example.com"


@pytest.mark.parametrize(
    ("channel_type", "value", "sender"),
    [
        ("sms", "+33612345678", "+33100000000"),
        ("sms", "+33123456789", "+33100000001"),
        ("sms", "+1 (555) 010-0001", "+15550100999"),
        ("SMS", "+15550100001", "+15550100999"),
        ("whatsapp", "whatsapp:+15550100001", "whatsapp:+15550100999"),
        ("whatsapp", "+15550100001", "whatsapp:+15550100999"),
        ("sms", "+44 20 7946 0958", None),
        ("sms", "whatsapp:+15550100001", None),
        ("whatsapp", "sms:+15550100001", None),
        ("sms", "+15550100999", None),
        ("whatsapp", "whatsapp:+15550100999", None),
        ("sms", "+33100000001", "+33100000000"),
        ("chat", "maria", None),
        ("email", "jo@example.com", None),
        ("fax", "+15550100001", None),
        ("", "", None),
    ],
)
def test_the_sender_is_that_of_the_longest_prefix_on_the_same_channel(
    channel_type: str, value: str, sender: str | None
) -> None:
    assert senders_for(channel_type, value, PROXIES) == (() if sender is None else (sender,))


@given(st.text(max_size=20), st.text(max_size=20), st.dictionaries(st.text(max_size=5), st.text(max_size=15)))
def test_a_sender_is_never_the_customer_and_always_configured(kind: str, value: str, proxies: dict[str, str]) -> None:
    configured = [sender for listed in proxies.values() for sender in senders_in(listed)]
    for sender in senders_for(kind, value, proxies):
        assert sender in configured
        assert normalise(sender) != normalise(value)


def test_several_senders_of_a_prefix_keep_their_order_but_for_the_customer_himself() -> None:
    several = {"+33": "+33100000001|+33100000000|whatsapp:+33100000002", "+": "+15550100999"}
    assert senders_for("sms", "+33612345678", several) == ("+33100000001", "+33100000000")
    assert senders_for("sms", "+33100000001", several) == ("+33100000000",)
    assert senders_for("sms", "+33100000001", several | {"+33": "+33100000001"}) == ("+15550100999",)


def test_an_unknown_prefix_is_part_of_the_address() -> None:
    assert split_prefix("user:17") == (None, "user:17")
    assert split_prefix("WhatsApp:+1555") == ("whatsapp", "+1555")

"""What is stored reads back as it was, stays small, and is refused once nobody knows it any more."""

from types import SimpleNamespace
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from states.conversation import Claim, Conversation, Present, Profile
from states.effects import Effect, FindLongestIdle, SendMessage
from states.events import CustomerJoined, EffectFailed, Event
from states.facts import Fact
from states.names import ConversationSid, ParticipantSid, snake_case
from storage.codec import COLUMNS, decode, decode_conversation, encode, encode_conversation, kind_of
from storage.errors import StorageError, UnknownCodec

KINDS = list(dict.fromkeys([*get_args(Event), *get_args(Fact), *get_args(Effect)]))


def every(kind: type, **special: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Instances with every field drawn, those with a default too."""
    hints = get_type_hints(kind)
    return st.builds(kind, **{f.name: special.get(f.name, st.from_type(hints[f.name])) for f in fields(kind)})


SNAPSHOTS = every(
    Conversation,
    customer=st.none() | every(Profile),
    claim=st.none() | every(Claim),
    workers=st.lists(every(Present), max_size=3).map(tuple),
)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_every_event_fact_and_effect_reads_back_as_it_was(kind: type, data: st.DataObject) -> None:
    value = data.draw(every(kind))
    again = decode(encode(value))
    assert (type(again), again) == (kind, value)
    assert encode(again) == encode(value)


@given(SNAPSHOTS)
def test_every_snapshot_reads_back_as_it_was(snapshot: Conversation) -> None:
    again = decode_conversation(row_of(snapshot))
    assert again == snapshot
    assert encode_conversation(again) == encode_conversation(snapshot)


def row_of(snapshot: Conversation, stored: str | None = None) -> SimpleNamespace:
    """As the table has it, with this JSON where it is given."""
    columns = {name: getattr(snapshot, name) for name in COLUMNS}
    return SimpleNamespace(**columns, snapshot=encode_conversation(snapshot) if stored is None else stored)


def test_what_is_read_back_can_be_compared_and_hashed() -> None:
    search = FindLongestIdle(1, ("ada@example.test",))
    assert {decode(encode(search))} == {search}


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_hides_its_own_name_behind_a_field(kind: type) -> None:
    assert "kind" not in {field.name for field in fields(kind)}


def test_kinds_are_told_apart_by_their_names() -> None:
    assert len({snake_case(kind.__name__) for kind in KINDS}) == len(KINDS)
    failed = EffectFailed("CH1/1/0", "add_participant", "Rejected")
    assert kind_of(failed) == "effect_failed"
    assert encode(failed).startswith('{"kind":"effect_failed",')


def test_a_field_at_its_default_is_left_out_and_read_back_as_the_default() -> None:
    joined = CustomerJoined(ParticipantSid("MB1"))
    assert encode(joined) == '{"kind":"customer_joined","participant_sid":"MB1"}'
    assert decode(encode(replace(joined, address="+15550100001"))).proxy_address is None


def test_a_fresh_snapshot_is_small() -> None:
    fresh = Conversation(ConversationSid("CH1"), 1, 2)
    assert encode_conversation(fresh) == "{}"


def test_text_is_stored_as_it_was_written() -> None:
    assert encode(SendMessage("Grüße 👋")) == '{"kind":"send_message","body":"Grüße 👋"}'


@pytest.mark.parametrize(
    "stored",
    [
        '{"kind":"thundered"}',
        '{"body":"Hello"}',
        '{"kind":"send_message","body":"Hello","colour":"red"}',
        '{"kind":"send_message"}',
        '{"kind":"send_message","body":7}',
        '{"kind":"send_message","body":',
        "[]",
    ],
)
def test_what_is_of_no_known_kind_or_has_other_fields_is_refused(stored: str) -> None:
    with pytest.raises(UnknownCodec) as caught:
        decode(stored)
    assert isinstance(caught.value, StorageError)


@pytest.mark.parametrize(
    "stored",
    [
        '{"mood":"calm"}',
        '{"claim":{"identity":"ada@example.test"}}',
        '{"workers":[{"name":"Ada"}]}',
    ],
)
def test_a_snapshot_with_an_unknown_or_missing_field_is_refused(stored: str) -> None:
    with pytest.raises(UnknownCodec, match="Conversation"):
        decode_conversation(row_of(Conversation(ConversationSid("CH1"), 1, 2), stored))


def test_a_snapshot_of_the_version_before_reads_back_as_it_was() -> None:
    """It had all of it in the JSON."""
    fresh = Conversation(ConversationSid("CH1"), 1, 2, asked=3)
    stored = '{"sid":"CH1","created_at":1,"updated_at":2,"asked":3}'
    assert decode_conversation(row_of(fresh, stored)) == fresh

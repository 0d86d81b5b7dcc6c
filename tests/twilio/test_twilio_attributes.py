"""What the adapter writes about a conversation and its customer: a name, and attributes that are merged and fit."""

import json

import pytest
from twilio.rest import Client

from orchestrator.errors import Gone, NotProcessed, Rejected
from orchestrator.ports import Conversations
from orchestrator.sandbox.server import Running
from tests.twilio.made import CUSTOMER, SERVICES, customer_of, made, mark, writes


@pytest.mark.parametrize("service", SERVICES)
async def test_a_friendly_name_is_set_and_cut_to_256_characters(
    port: Conversations, ch: str, service: str | None
) -> None:
    await port.set_friendly_name(ch, "é" * 300, service)
    assert (await port.conversation(ch, service)).friendly_name == "é" * 256


@pytest.mark.parametrize("service", SERVICES)
async def test_attributes_are_merged_and_written_only_when_they_change(
    sandbox: Running, port: Conversations, client: Client, service: str | None
) -> None:
    ch = await made(client, attributes='{"theirs": [1, {"a": null}], "avatar": "old"}')
    customer = await customer_of(client, ch)
    ours = {"customer_id": "1", "display_name": "Zoë", "avatar": "https://crm.example.test/1.png"}
    await port.set_participant_attributes(ch, customer.sid, None, ours, service)
    assert json.loads((await customer_of(client, ch)).attributes) == {"theirs": [1, {"a": None}], **ours}
    since = mark(sandbox)
    await port.set_participant_attributes(ch, customer.sid, None, ours, service)
    assert writes(sandbox, since) == []


@pytest.mark.parametrize("before", ["[]", '"x"', "7", "null"])
async def test_attributes_that_are_no_object_count_as_none(port: Conversations, client: Client, before: str) -> None:
    ch = await made(client, attributes=before)
    await port.set_participant_attributes(ch, (await customer_of(client, ch)).sid, None, {"customer_id": "1"})
    assert json.loads((await customer_of(client, ch)).attributes) == {"customer_id": "1"}


async def test_without_a_sid_the_participant_is_found_by_address_or_identity(
    port: Conversations, client: Client, ch: str
) -> None:
    await client.conversations.v1.conversations(ch).participants.create_async(identity="chat-customer")
    await port.set_participant_attributes(ch, None, "chat-customer", {"customer_id": "2"})
    await port.set_participant_attributes(ch, None, CUSTOMER, {"customer_id": "1"})
    participants = await client.conversations.v1.conversations(ch).participants.list_async(page_size=50)
    assert [json.loads(participant.attributes) for participant in participants] == [
        {"customer_id": "1"},
        {"customer_id": "2"},
    ]


@pytest.mark.parametrize("address", ["+15550100002", None])
async def test_a_participant_who_is_not_there_yet_is_waited_for(
    port: Conversations, ch: str, address: str | None
) -> None:
    with pytest.raises(NotProcessed):
        await port.set_participant_attributes(ch, None, address, {"customer_id": "1"})


async def test_attributes_over_4_kb_lose_the_avatar_first(port: Conversations, client: Client) -> None:
    ch = await made(client, attributes=json.dumps({"theirs": "x" * 3000}))
    ours = {"customer_id": "1", "display_name": "Zoë", "avatar": "https://crm.example.test/" + "a" * 2000}
    await port.set_participant_attributes(ch, (await customer_of(client, ch)).sid, None, ours)
    after = json.loads((await customer_of(client, ch)).attributes)
    assert after == {"theirs": "x" * 3000, "customer_id": "1", "display_name": "Zoë"}


@pytest.mark.parametrize("name", ["é" * 4000, "n" * 4000, "👩" * 4000, '"' * 4000])
async def test_attributes_over_4_kb_shorten_the_display_name_next(
    sandbox: Running, port: Conversations, client: Client, name: str
) -> None:
    ch = await made(client, attributes=json.dumps({"theirs": "x" * 3000}))
    ours = {"customer_id": "1", "display_name": name, "avatar": "a"}
    await port.set_participant_attributes(ch, (await customer_of(client, ch)).sid, None, ours)
    written = (await customer_of(client, ch)).attributes
    after = json.loads(written)
    assert after.keys() == {"theirs", "customer_id", "display_name"}
    assert name.startswith(after["display_name"])
    size = len(json.dumps(after, ensure_ascii=False, separators=(",", ":")).encode())
    assert 4096 - 4 < size <= 4096
    since = mark(sandbox)
    await port.set_participant_attributes(ch, (await customer_of(client, ch)).sid, None, ours)
    assert writes(sandbox, since) == []


async def test_attributes_without_room_for_a_name_keep_the_id(port: Conversations, client: Client) -> None:
    full = {"theirs": "x" * 4050}
    ch = await made(client, attributes=json.dumps(full))
    ours = {"customer_id": "1", "display_name": "Zoë"}
    await port.set_participant_attributes(ch, (await customer_of(client, ch)).sid, None, ours)
    assert json.loads((await customer_of(client, ch)).attributes) == full | {"customer_id": "1"}


async def test_attributes_that_others_have_filled_are_left_alone(port: Conversations, client: Client) -> None:
    full = {"theirs": "x" * 4080}
    ch = await made(client, attributes=json.dumps(full))
    with pytest.raises(Rejected, match="full"):
        await port.set_participant_attributes(ch, (await customer_of(client, ch)).sid, None, {"customer_id": "1"})
    assert json.loads((await customer_of(client, ch)).attributes) == full


async def test_a_participant_who_left_does_not_make_the_conversation_gone(port: Conversations, ch: str) -> None:
    with pytest.raises(Rejected) as refusal:
        await port.set_participant_attributes(ch, "MB" + "0" * 32, None, {"customer_id": "1"})
    assert not isinstance(refusal.value, Gone)

"""Participants and users through the official client: who is in a conversation, with whom, and only once."""

import json
from typing import Any

import pytest
from asking import CUSTOMER, PROXY, binding, refused, with_customer
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client


async def test_participants_have_an_identity_or_a_binding(api: Any) -> None:
    ch = (await api.conversations.create_async()).sid
    participants = api.conversations(ch).participants
    customer = await participants.create_async(
        messaging_binding_address="whatsapp:+15550100003",
        messaging_binding_proxy_address="whatsapp:+15550100999",
        attributes='{"customer_id":"1"}',
    )
    worker = await participants.create_async(identity="ada@example.test")
    assert customer.messaging_binding == {
        "type": "whatsapp",
        "address": "whatsapp:+15550100003",
        "proxy_address": "whatsapp:+15550100999",
    }
    assert (customer.identity, worker.identity, worker.messaging_binding) == (None, "ada@example.test", None)
    assert [p.sid for p in await participants.list_async(page_size=1)] == [customer.sid, worker.sid]
    assert (await participants("ada@example.test").fetch_async()).sid == worker.sid
    changed = await participants(customer.sid).update_async(attributes='{"customer_id":"2"}', last_read_message_index=3)
    assert (changed.attributes, changed.last_read_message_index) == ('{"customer_id":"2"}', 3)
    assert await participants(worker.sid).delete_async()
    assert [p.sid for p in await participants.list_async()] == [customer.sid]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (400, 50407)),
        ({"identity": ""}, (400, 20001)),
        ({"identity": "i" * 257}, (400, 20001)),
        ({"identity": "i", **binding()}, (400, 20001)),
        ({"messaging_binding_address": CUSTOMER}, (400, 50412)),
        (binding("a number"), (400, 50407)),
        (binding("whatsapp:nobody"), (400, 50407)),
        (binding("pigeon:1", "pigeon:2"), (400, 50407)),
        (binding(f"sms:{CUSTOMER}", f"sms:{PROXY}"), (400, 50407)),
        (binding(proxy="0800"), (400, 50408)),
        (binding(proxy=CUSTOMER), (400, 50409)),
        (binding(proxy="whatsapp:+15550100999"), (400, 50414)),
        ({"identity": "i", "attributes": json.dumps("x" * 4096)}, (400, 50303)),
    ],
)
async def test_a_participant_is_refused(client: Client, fields: dict[str, Any], expected: tuple[int, int]) -> None:
    conversation = await client.conversations.v1.conversations.create_async()
    assert await refused(conversation.participants.create_async(**fields)) == expected


async def test_a_pair_is_in_one_open_conversation_only(client: Client) -> None:
    conversations = client.conversations.v1.conversations
    first, second = await with_customer(client), await conversations.create_async()
    with pytest.raises(TwilioRestException) as caught:
        await second.participants.create_async(**binding())
    assert (caught.value.status, caught.value.code) == (409, 50416)
    assert caught.value.msg.endswith(f"already exists in Conversation {first.sid}")
    await second.participants.create_async(**binding(proxy="+15550100998"))
    await conversations(first.sid).update_async(state="inactive")
    assert await refused(second.participants.create_async(**binding())) == (409, 50416)


@pytest.mark.parametrize("release", ["closing", "removing the participant", "deleting the conversation"])
async def test_a_pair_is_released(client: Client, release: str) -> None:
    conversations = client.conversations.v1.conversations
    first, second = await with_customer(client), await conversations.create_async()
    (participant,) = await first.participants.list_async()
    if release == "closing":
        await first.update_async(state="closed")
    elif release == "removing the participant":
        await participant.delete_async()
    else:
        await first.delete_async()
    assert (await second.participants.create_async(**binding())).messaging_binding["address"] == CUSTOMER


async def test_an_identity_is_in_a_conversation_once_in_its_own_letter_case(client: Client) -> None:
    conversation = await client.conversations.v1.conversations.create_async()
    await conversation.participants.create_async(identity="ada@example.test")
    assert await refused(conversation.participants.create_async(identity="ada@example.test")) == (409, 50433)
    await conversation.participants.create_async(identity="Ada@example.test")


async def test_the_conversations_of_somebody_are_found_by_identity_or_address(api: Any) -> None:
    ch = (await api.conversations.create_async(friendly_name="Maria")).sid
    await api.conversations(ch).participants.create_async(**binding())
    await api.conversations(ch).participants.create_async(identity="ada@example.test")
    await api.conversations.create_async()
    by_address = await api.participant_conversations.list_async(address=CUSTOMER, page_size=50)
    by_identity = await api.participant_conversations.list_async(identity="ada@example.test")
    assert [(f.conversation_sid, f.conversation_friendly_name) for f in by_address] == [(ch, "Maria")]
    assert by_address[0].participant_messaging_binding["proxy_address"] == PROXY
    assert by_identity[0].participant_user_sid.startswith("US")
    assert await api.participant_conversations.list_async(address="+15550100002") == []


async def test_a_user_comes_with_the_participant_and_can_be_changed(api: Any) -> None:
    ch = (await api.conversations.create_async()).sid
    await api.conversations(ch).participants.create_async(identity="ada@example.test")
    user = await api.users("ada@example.test").fetch_async()
    assert (await api.users(user.sid).update_async(friendly_name="Ada")).friendly_name == "Ada"
    other = await api.users.create_async(identity="grace@example.test", attributes='{"a":1}')
    assert [u.sid for u in await api.users.list_async(page_size=1)] == [user.sid, other.sid]
    assert await refused(api.users.create_async(identity="grace@example.test")) == (409, 50201)
    assert await api.users(user.sid).delete_async()
    assert await api.conversations(ch).participants.list_async() == []


async def test_the_conversations_of_a_user_are_read_left_and_marked_as_read(api: Any) -> None:
    first = await api.conversations.create_async(friendly_name="One", unique_name="one")
    second = await api.conversations.create_async()
    for made in (first, second):
        await api.conversations(made.sid).participants.create_async(identity="ada@example.test")
    for body in ("a", "b", "c"):
        await api.conversations(first.sid).messages.create_async(body=body)
    his = api.users("ada@example.test").user_conversations
    assert [found.conversation_sid for found in await his.list_async(page_size=1)] == [second.sid, first.sid]
    found = await his("one").fetch_async()
    assert (found.friendly_name, found.unread_messages_count, found.notification_level) == ("One", None, "default")
    read = await his(first.sid).update_async(last_read_message_index=0, notification_level="muted")
    assert (read.unread_messages_count, read.last_read_message_index, read.notification_level) == (2, 0, "muted")
    assert await refused(his(first.sid).update_async(notification_level="loud")) == (400, 20001)
    assert await refused(his(first.sid).update_async()) == (400, 20161)
    assert await his(second.sid).delete_async()
    assert await refused(his(second.sid).fetch_async()) == (404, 20404)
    assert await api.conversations(second.sid).participants.list_async() == []

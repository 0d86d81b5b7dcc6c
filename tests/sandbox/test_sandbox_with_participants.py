"""Conversations that the official client creates with their participants in one request."""

import json
from typing import Any

import pytest
from aiohttp import ClientSession, encode_basic_auth
from asking import CUSTOMER, PROXY, binding, refused
from parties import Control, Service, settled
from twilio.rest import Client

from orchestrator.sandbox import seeds
from orchestrator.sandbox.server import Running

MARIA = json.dumps({"messaging_binding": {"address": CUSTOMER, "proxy_address": PROXY}, "attributes": '{"a":1}'})
ADA = json.dumps({"identity": "ada@example.test"})


async def test_a_conversation_comes_with_its_participants(api: Any) -> None:
    made = await api.conversation_with_participants.create_async(friendly_name="Maria", participant=[MARIA, ADA])
    assert (made.friendly_name, made.state, "export" in made.links) == ("Maria", "active", False)
    customer, worker = await api.conversations(made.sid).participants.list_async()
    assert (customer.messaging_binding["address"], customer.attributes) == (CUSTOMER, '{"a":1}')
    assert worker.identity == "ada@example.test"


async def test_it_may_have_none_and_their_keys_may_be_spelt_as_parameters(client: Client, sandbox: Running) -> None:
    credentials = {"Authorization": encode_basic_auth(seeds.ACCOUNT_SID, seeds.AUTH_TOKEN)}
    spelt = json.dumps({"MessagingBinding.Address": "+15550100002", "MessagingBinding.ProxyAddress": PROXY})
    asked: list[dict[str, str]] = [{"FriendlyName": "x"}, {"Participant": spelt}]
    async with ClientSession(sandbox.url, headers=credentials) as session:
        for form, status in zip(asked, (201, 202), strict=True):
            async with session.post("/v1/ConversationWithParticipants", data=form) as response:
                assert response.status == status
    (found,) = await client.conversations.v1.participant_conversations.list_async(address="+15550100002")
    assert found.conversation_state == "active"


@pytest.mark.parametrize(
    ("participants", "expected"),
    [
        ([ADA] * 11, (400, 50426)),
        ([ADA, ADA], (409, 50433)),
        ([ADA, MARIA], (409, 50425)),
        (["{"], (400, 20001)),
        (["[]"], (400, 20001)),
        (["{}"], (400, 50407)),
        (['{"identity":5}'], (400, 20001)),
        (['{"identity":"x","colour":"red"}'], (400, 20001)),
        (['{"messaging_binding":"x"}'], (400, 20001)),
    ],
)
async def test_one_participant_too_many_or_amiss_and_nothing_is_created(
    client: Client, participants: list[str], expected: tuple[int, int]
) -> None:
    taken = await client.conversations.v1.conversations.create_async()
    await taken.participants.create_async(**binding())
    both = client.conversations.v1.conversation_with_participants
    assert await refused(both.create_async(unique_name="one", participant=participants)) == expected
    assert [found.sid for found in await client.conversations.v1.conversations.list_async()] == [taken.sid]
    await both.create_async(unique_name="one")


async def test_it_is_told_on_request(sandbox: Running, service: Service, control: Control, client: Client) -> None:
    both = client.conversations.v1.conversation_with_participants
    await both.create_async(participant=[ADA], x_twilio_webhook_enabled="true")
    await settled(sandbox)
    assert service.events() == ["onConversationAdded", "onParticipantAdded"]

"""Twilio Conversations through the official client, against the sandbox, which behaves as Twilio documents."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from twilio.rest import Client

from orchestrator.adapters.twilio_conversations import TwilioConversations
from orchestrator.adapters.twilio_transport import TwilioTransport
from orchestrator.errors import Ambiguous, Gone, Held, NotProcessed, PairTaken, Rejected
from orchestrator.ports import Conversations, Listed, Member
from orchestrator.sandbox import seeds
from orchestrator.sandbox.drafts import Draft
from orchestrator.sandbox.faults import Faults
from orchestrator.sandbox.server import Running
from tests.clients import at_hand
from tests.twilio.made import CUSTOMER, PROXY, SERVICES, customer_of, made, mark, writes, written

ADA = "ada@example.test"
NOWHERE = "CH" + "0" * 32


async def closed(client: Client, ch: str) -> None:
    await client.conversations.v1.conversations(ch).update_async(state="closed")


@pytest.mark.parametrize("service", SERVICES)
async def test_a_message_is_published_as_system_and_found_by_its_tag(
    port: Conversations, client: Client, ch: str, service: str | None
) -> None:
    sent = await port.send_message(ch, "Zoë 👋 & co", f"{ch}/1/0", service)
    assert (sent.author, sent.body, sent.index, sent.tag) == ("system", "Zoë 👋 & co", 0, f"{ch}/1/0")
    record = await client.conversations.v1.conversations(ch).messages(sent.message_sid).fetch_async()
    assert json.loads(record.attributes) == {"expert_hub": {"key": f"{ch}/1/0"}}
    assert await port.find_sent(ch, f"{ch}/1/0", -1, service) == sent
    assert await port.find_sent(ch, f"{ch}/1/0", sent.index, service) is None
    assert await port.find_sent(ch, f"{ch}/1", -1, service) is None


async def test_a_workers_message_is_published_as_his_and_found_by_tag_and_author(
    port: Conversations, client: Client, ch: str
) -> None:
    worker = await port.add_participant(ch, ADA)
    sent = await port.send_message(ch, "Hello", "k", author=ADA)
    assert (sent.author, sent.tag, sent.participant_sid) == (ADA, "k", worker.participant_sid)
    assert await port.find_sent(ch, "k", -1, author=ADA) == sent
    assert await port.find_sent(ch, "k", -1) is None
    assert await port.find_sent(ch, "k", -1, author="grace@example.test") is None


async def test_our_own_writes_fire_no_webhook(sandbox: Running, port: Conversations, ch: str) -> None:
    since = mark(sandbox)
    await port.send_message(ch, "Hello", "k")
    await port.add_participant(ch, "ada@example.test")
    told = {entry.form["EventType"] for entry in sandbox.sandbox.ledger.since(since) if entry.kind == "webhook"}
    assert told <= {"onDeliveryUpdated"}


async def test_a_tag_counts_on_our_own_messages_alone(port: Conversations, client: Client, ch: str) -> None:
    forged = json.dumps({"expert_hub": {"key": "k"}})
    messages = client.conversations.v1.conversations(ch).messages
    await messages.create_async(author=CUSTOMER, body="x", attributes=forged)
    assert await port.find_sent(ch, "k", -1) is None


@pytest.mark.parametrize("attributes", ["{}", "[]", '"x"', "7", '{"expert_hub": 1}', '{"expert_hub": {"key": 1}}'])
async def test_attributes_of_others_are_no_tag(port: Conversations, client: Client, ch: str, attributes: str) -> None:
    await client.conversations.v1.conversations(ch).messages.create_async(body="x", attributes=attributes)
    assert [message.tag for message in await port.messages(ch, -1)] == [None]


@pytest.mark.parametrize("after", [-1, 0, 49, 50, 100, 118, 119, 500])
async def test_messages_after_an_index_come_ascending_over_all_pages(
    port: Conversations, client: Client, ch: str, after: int
) -> None:
    await written(client, ch, 120)
    found = await port.messages(ch, after)
    assert [message.index for message in found] == list(range(after + 1, 120))
    assert all(message.body == f"no. {message.index}" for message in found)


async def test_only_the_pages_that_are_new_are_read(
    port: Conversations, client: Client, ch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await written(client, ch, 120)
    asked: list[str] = []
    request = client.http_client.request

    async def counted(method: str, url: str, **rest: Any) -> Any:
        asked.append(url)
        return await request(method, url, **rest)

    monkeypatch.setattr(client.http_client, "request", counted)
    assert len(await port.messages(ch, 110)) == 9
    assert len(asked) == 1


async def test_a_customer_who_fills_his_messages_is_read_in_smaller_pages(
    sandbox: Running, port: Conversations, ch: str
) -> None:
    conversation = sandbox.sandbox.world.conversations[ch]
    for _ in range(9):
        sandbox.sandbox.world.publish(conversation, Draft(author=CUSTOMER, body="\u0001" * 32_000))
    assert [message.index for message in await port.messages(ch, 0)] == list(range(1, 9))


async def test_a_message_says_who_wrote_it_and_when(port: Conversations, client: Client, ch: str) -> None:
    customer = await customer_of(client, ch)
    await client.conversations.v1.conversations(ch).messages.create_async(author=CUSTOMER, body="Hi")
    (message,) = await port.messages(ch, -1)
    assert (message.author, message.participant_sid, message.media) == (CUSTOMER, customer.sid, 0)
    age = datetime.now(UTC) - datetime.fromisoformat(message.created_at)
    assert timedelta(seconds=-1) < age < timedelta(minutes=1)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_worker_is_added_once_however_often_it_is_asked(
    sandbox: Running, port: Conversations, ch: str, service: str | None
) -> None:
    first = await port.add_participant(ch, "ada@example.test", service)
    again = await port.add_participant(ch, "ada@example.test", service)
    assert first == again == Member(first.participant_sid, "ada@example.test", None, None)
    assert len(await port.members(ch, service)) == 2


@pytest.mark.parametrize("identity", ["ada lovelace", "a/b?c#d%2F", "zoë+vip@example.test", "o'neil&co=1"])
async def test_an_identity_of_any_spelling_is_found_again(port: Conversations, ch: str, identity: str) -> None:
    added = await port.add_participant(ch, identity)
    assert await port.add_participant(ch, identity) == added
    assert added.identity == identity


async def test_a_refusal_that_is_about_something_else_stays_one(port: Conversations, ch: str) -> None:
    with pytest.raises(Rejected) as refusal:
        await port.add_participant(ch, "x" * 300)
    assert not isinstance(refusal.value, Gone)


async def test_members_are_all_of_them_over_all_pages(port: Conversations, client: Client, ch: str) -> None:
    for number in range(120):
        await client.conversations.v1.conversations(ch).participants.create_async(identity=f"w{number}@example.test")
    members = await port.members(ch)
    assert len(members) == 121
    assert (members[0].address, members[0].proxy_address, members[0].identity) == (CUSTOMER, PROXY, None)


async def test_the_conversation_of_an_address_is_the_open_one_with_that_proxy(
    port: Conversations, client: Client
) -> None:
    other = await made(client, proxy="+15550100888")
    old = await made(client)
    await closed(client, old)
    new = await made(client)
    found = await port.by_address(CUSTOMER, PROXY)
    assert found is not None
    assert (found.conversation_sid, found.state, found.service_sid) == (new, "active", seeds.CHAT_SERVICE_SID)
    assert await port.conversation(new) == found
    elsewhere = await port.by_address(CUSTOMER, "+15550100888")
    assert elsewhere is not None
    assert elsewhere.conversation_sid == other
    assert await port.by_address(CUSTOMER, "+15550100777") is None
    assert await port.by_address("+15550100002", None) is None


@pytest.mark.parametrize("service", SERVICES)
async def test_a_worker_is_removed_once_however_often_it_is_asked(
    sandbox: Running, port: Conversations, ch: str, service: str | None
) -> None:
    added = await port.add_participant(ch, ADA, service)
    for _twice in range(2):
        await port.remove_participant(ch, added.participant_sid, service)
    assert [member.identity for member in await port.members(ch, service)] == [None]
    sandbox.sandbox.set_faults(Faults(errors={400: 1.0}))
    with pytest.raises(Rejected):
        await port.remove_participant(ch, added.participant_sid, service)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_conversation_is_closed_once_however_often_it_is_asked(
    port: Conversations, ch: str, service: str | None
) -> None:
    for _twice in range(2):
        await port.close_conversation(ch, service)
    assert (await port.conversation(ch, service)).state == "closed"
    await port.close_conversation(NOWHERE, service)


async def test_nobody_is_removed_from_a_closed_conversation(port: Conversations, ch: str) -> None:
    added = await port.add_participant(ch, ADA)
    await port.close_conversation(ch)
    with pytest.raises(Gone):
        await port.remove_participant(ch, added.participant_sid)


async def test_a_conversation_of_a_unique_name_is_created_once(client: Client) -> None:
    port = TwilioConversations(at_hand(client), "MG" + "0" * 32)
    first = await port.create("expert-hub-1", "é" * 300)
    assert (first.state, first.friendly_name, first.service_sid) == ("active", "é" * 256, seeds.CHAT_SERVICE_SID)
    assert await port.create("expert-hub-1", "Zoë") == first
    record = await client.conversations.v1.conversations(first.conversation_sid).fetch_async()
    assert record.messaging_service_sid == "MG" + "0" * 32
    with pytest.raises(Rejected):
        await port.create("CH" + "0" * 32, "Zoë")


async def test_a_customer_is_added_by_his_address_once(openings: TwilioConversations) -> None:
    ch = (await openings.create("expert-hub-1", "Zoë")).conversation_sid
    first = await openings.add_address(ch, CUSTOMER, PROXY)
    assert await openings.add_address(ch, CUSTOMER, PROXY) == first
    assert first == Member(first.participant_sid, None, CUSTOMER, PROXY)
    with pytest.raises(Rejected) as refusal:
        await openings.add_address(ch, CUSTOMER, CUSTOMER)
    assert not isinstance(refusal.value, PairTaken)


async def test_a_pair_that_another_conversation_has_is_taken(openings: TwilioConversations, ch: str) -> None:
    ours = (await openings.create("expert-hub-1", "Zoë")).conversation_sid
    with pytest.raises(PairTaken):
        await openings.add_address(ours, CUSTOMER, PROXY)
    assert await openings.members(ours) == []


async def test_an_inactive_conversation_is_open(port: Conversations, client: Client, ch: str) -> None:
    await client.conversations.v1.conversations(ch).update_async(state="inactive")
    found = await port.by_address(CUSTOMER, None)
    assert found is not None
    assert (found.conversation_sid, found.state) == (ch, "inactive")
    assert [listed.conversation_sid for listed in await port.created_since("2026-01-01T00:00:00Z")] == [ch]


async def test_conversations_since_a_time_are_the_open_ones_over_all_pages(
    port: Conversations, client: Client, ch: str
) -> None:
    made_here = [ch] + [await made(client, f"+1555020{number:04}") for number in range(104)]
    await closed(client, made_here[7])
    now = datetime.now(UTC)
    found = await port.created_since((now - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    assert {listed.conversation_sid for listed in found} == {*made_here} - {made_here[7]}
    assert all(isinstance(listed, Listed) for listed in found)
    assert await port.created_since((now + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")) == []


async def test_a_time_within_the_second_of_the_creation_still_finds_it(port: Conversations, ch: str) -> None:
    created = (await port.conversation(ch)).created_at
    found = await port.created_since(created.replace("Z", ".999Z"))
    assert [listed.conversation_sid for listed in found] == [ch]


async def test_a_closed_conversation_is_gone_for_writes_and_still_there_for_reads(
    port: Conversations, client: Client, ch: str
) -> None:
    await closed(client, ch)
    with pytest.raises(Gone):
        await port.send_message(ch, "Hello", "k")
    with pytest.raises(Gone):
        await port.add_participant(ch, "ada@example.test")
    assert (await port.conversation(ch)).state == "closed"
    assert await port.messages(ch, -1) == []


@pytest.mark.parametrize("service", SERVICES)
async def test_a_removed_conversation_is_gone(port: Conversations, service: str | None) -> None:
    calls = (
        port.send_message(NOWHERE, "Hello", "k", service),
        port.find_sent(NOWHERE, "k", -1, service),
        port.add_participant(NOWHERE, "ada@example.test", service),
        port.set_friendly_name(NOWHERE, "Zoë", service),
        port.set_participant_attributes(NOWHERE, None, CUSTOMER, {"customer_id": "1"}, service),
        port.messages(NOWHERE, -1, service),
        port.members(NOWHERE, service),
        port.conversation(NOWHERE, service),
    )
    for call in calls:
        with pytest.raises(Gone):
            await call


async def test_a_wrong_token_is_held(sandbox: Running, ch: str) -> None:
    async with TwilioTransport(5.0, sandbox.url) as transport:
        port = TwilioConversations(at_hand(Client(seeds.ACCOUNT_SID, "wrong", http_client=transport)))
        with pytest.raises(Held):
            await port.send_message(ch, "Hello", "k")
        with pytest.raises(Held):
            await port.created_since("2026-01-01T00:00:00Z")


async def test_a_429_was_not_processed(sandbox: Running, port: Conversations, ch: str) -> None:
    sandbox.sandbox.set_faults(Faults(errors={429: 1.0}))
    with pytest.raises(NotProcessed):
        await port.send_message(ch, "Hello", "k")
    sandbox.sandbox.set_faults(Faults())
    assert await port.messages(ch, -1) == []


@pytest.mark.parametrize("faults", [Faults(errors_after_commit=1.0), Faults(cut_after_commit=1.0)])
async def test_what_was_cut_off_after_the_commit_is_ambiguous_and_found_by_looking(
    sandbox: Running, port: Conversations, ch: str, faults: Faults
) -> None:
    sandbox.sandbox.set_faults(faults)
    since = mark(sandbox)
    with pytest.raises(Ambiguous):
        await port.send_message(ch, "Hello", "k")
    sandbox.sandbox.set_faults(Faults())
    assert len(writes(sandbox, since)) == 1
    assert [message.tag for message in await port.messages(ch, -1)] == ["k"]


async def test_a_worker_added_by_a_call_that_was_cut_off_is_added_once(
    sandbox: Running, port: Conversations, ch: str
) -> None:
    sandbox.sandbox.set_faults(Faults(cut_after_commit=1.0))
    with pytest.raises(Ambiguous):
        await port.add_participant(ch, "ada@example.test")
    sandbox.sandbox.set_faults(Faults())
    added = await port.add_participant(ch, "ada@example.test")
    assert added in await port.members(ch)
    assert len(await port.members(ch)) == 2

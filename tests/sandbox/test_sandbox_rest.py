"""The official Twilio client against the sandbox; `client` holds every exchange against Twilio's OpenAPI documents."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientSession, encode_basic_auth
from asking import CUSTOMER, binding, refused, with_customer
from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from orchestrator.sandbox import seeds
from orchestrator.sandbox.server import Running


async def test_a_conversation_lives_from_creation_to_deletion(api: Any) -> None:
    made = await api.conversations.create_async(friendly_name="Maria", unique_name="maria", attributes='{"a":1}')
    assert (made.state, made.friendly_name, made.attributes) == ("active", "Maria", '{"a":1}')
    assert made.date_created.microsecond == 0
    by_name = await api.conversations("maria").fetch_async()
    assert by_name.sid == made.sid
    changed = await api.conversations(made.sid).update_async(friendly_name="Maria S.", attributes="{}")
    assert (changed.friendly_name, changed.unique_name, changed.attributes) == ("Maria S.", "maria", "{}")
    assert await api.conversations(made.sid).delete_async()
    assert await refused(api.conversations(made.sid).fetch_async()) == (404, 20404)


async def test_conversations_are_listed_newest_first_by_state_and_date(api: Any) -> None:
    old = await api.conversations.create_async(date_created=datetime(2026, 1, 1, tzinfo=UTC))
    new = await api.conversations.create_async()
    closed = await api.conversations.create_async()
    await api.conversations(closed.sid).update_async(state="closed")

    async def listed(**wanted: Any) -> list[str]:
        return [found.sid for found in await api.conversations.list_async(page_size=100, **wanted)]

    assert await listed() == [closed.sid, new.sid, old.sid]
    assert await listed(state="closed") == [closed.sid]
    assert await listed(start_date="2026-01-02") == [closed.sid, new.sid]
    assert await listed(end_date="2026-01-01") == [old.sid]
    assert await listed(start_date=(datetime.now(UTC) + timedelta(days=1)).date().isoformat()) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"friendly_name": "n" * 257}, (400, 20001)),
        ({"attributes": "{not json"}, (400, 20001)),
        ({"attributes": json.dumps("é" * 8192)}, (400, 50303)),
        ({"attributes": json.dumps("é" * 8192, ensure_ascii=False)}, (400, 50303)),
        ({"state": "closed"}, (400, 50384)),
        ({"state": "sleeping"}, (400, 50378)),
        ({"state": "initializing"}, (400, 50378)),
        ({"unique_name": "CH" + "0" * 32}, (400, 50390)),
        ({"bindings_email_address": "maria@example.test"}, (400, 20001)),
        ({"messaging_service_sid": "MG1"}, (400, 20001)),
    ],
)
async def test_a_conversation_is_refused(client: Client, fields: dict[str, Any], expected: tuple[int, int]) -> None:
    assert await refused(client.conversations.v1.conversations.create_async(**fields)) == expected


async def test_attributes_of_exactly_16_kilobytes_are_kept(client: Client) -> None:
    text = json.dumps("é" * 8191, ensure_ascii=False)
    assert len(text.encode()) == 16 * 1024
    made = await client.conversations.v1.conversations.create_async(attributes=text)
    assert made.attributes == text


async def test_a_unique_name_is_unique(client: Client) -> None:
    conversations = client.conversations.v1.conversations
    first = await conversations.create_async(unique_name="one")
    other = await conversations.create_async()
    assert await refused(conversations.create_async(unique_name="one")) == (409, 50353)
    assert await refused(conversations(other.sid).update_async(unique_name="one")) == (409, 50353)
    await conversations(first.sid).update_async(unique_name="two")
    assert (await conversations(other.sid).update_async(unique_name="one")).unique_name == "one"


async def test_messages_are_numbered_and_paged_both_ways(api: Any) -> None:
    ch = (await api.conversations.create_async()).sid
    messages = api.conversations(ch).messages
    for number in range(5):
        await messages.create_async(body=f"no. {number}")
    up = await messages.list_async(page_size=2)
    down = await messages.list_async(order="desc", page_size=2)
    assert [(m.index, m.body) for m in up] == [(number, f"no. {number}") for number in range(5)]
    assert [m.index for m in down] == [4, 3, 2, 1, 0]
    assert {m.author for m in up} == {"system"}


async def test_a_page_holds_still_while_the_list_grows_and_leads_back(client: Client) -> None:
    ch = (await client.conversations.v1.conversations.create_async()).sid
    messages = client.conversations.v1.conversations(ch).messages
    for number in range(4):
        await messages.create_async(body=f"no. {number}")
    first = await messages.page_async(order="desc", page_size=2)
    assert [m.index for m in first] == [3, 2]
    await messages.create_async(body="no. 4")
    second = await first.next_page_async()
    assert second is not None
    assert [m.index for m in second] == [1, 0]
    assert second.next_page_url is None
    back = await second.previous_page_async()
    assert back is not None
    assert [m.index for m in back] == [3, 2]


async def test_a_message_is_fetched_changed_and_deleted(api: Any) -> None:
    ch = (await api.conversations.create_async()).sid
    messages = api.conversations(ch).messages
    sent = await messages.create_async(body="Hello", author="system", attributes='{"key":"CH1/1/0"}')
    assert (await messages(sent.sid).fetch_async()).attributes == '{"key":"CH1/1/0"}'
    assert (await messages(sent.sid).update_async(body="Goodbye")).body == "Goodbye"
    assert await messages(sent.sid).delete_async()
    assert await refused(messages(sent.sid).fetch_async()) == (404, 20404)
    assert (await messages.create_async(body="Next")).index == 1


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (400, 50503)),
        ({"body": ""}, (400, 50503)),
        ({"body": "x" * 1601}, (400, 20001)),
        ({"body": "x", "attributes": json.dumps("x" * 4095)}, (400, 50303)),
        ({"body": "x", "media_sid": "ME1"}, (400, 20001)),
        ({"body": "x", "subject": "s" * 257}, (400, 20001)),
        ({"content_sid": "HX" + "0" * 32, "content_variables": "[]"}, (400, 20001)),
    ],
)
async def test_a_message_to_a_channel_is_refused(
    client: Client, fields: dict[str, Any], expected: tuple[int, int]
) -> None:
    conversation = client.conversations.v1.conversations((await with_customer(client)).sid)
    assert await refused(conversation.messages.create_async(**fields)) == expected
    assert await conversation.messages.list_async() == []


async def test_a_message_within_chat_may_be_longer_than_one_to_a_channel(client: Client) -> None:
    ch = (await client.conversations.v1.conversations.create_async()).sid
    messages = client.conversations.v1.conversations(ch).messages
    assert len((await messages.create_async(body="x" * 32768)).body) == 32768
    assert await refused(messages.create_async(body="é" * 16385)) == (400, 20001)


async def test_a_template_puts_body_and_media_aside(client: Client) -> None:
    ch = (await client.conversations.v1.conversations.create_async()).sid
    content = "HX" + "0" * 32
    sent = await client.conversations.v1.conversations(ch).messages.create_async(
        content_sid=content, content_variables='{"1":"Maria"}', body="aside"
    )
    assert (sent.content_sid, sent.body, sent.media) == (content, None, None)


async def test_closed_is_final(client: Client) -> None:
    conversation = await with_customer(client)
    await conversation.messages.create_async(body="before")
    (participant,) = await conversation.participants.list_async()
    await conversation.update_async(state="closed")
    calls: list[Callable[[], Any]] = [
        lambda: conversation.messages.create_async(body="after"),
        lambda: conversation.participants.create_async(identity="ada@example.test"),
        lambda: participant.update_async(attributes="{}"),
        lambda: participant.delete_async(),
        lambda: conversation.update_async(state="active"),
        lambda: conversation.update_async(state="closed"),
    ]
    for call in calls:
        assert await refused(call()) == (400, 50377)
    assert [m.body for m in await conversation.messages.list_async()] == ["before"]


async def test_a_message_wakes_an_inactive_conversation(client: Client) -> None:
    conversation = await client.conversations.v1.conversations.create_async(state="inactive")
    await conversation.messages.create_async(body="Hello")
    assert (await conversation.fetch_async()).state == "active"


async def test_receipts_tell_how_a_message_reached_its_channel(api: Any) -> None:
    ch = (await api.conversations.create_async()).sid
    await api.conversations(ch).participants.create_async(**binding())
    sent = await api.conversations(ch).messages.create_async(body="Hello")
    assert sent.delivery == {
        "total": 1,
        "sent": "all",
        "delivered": "all",
        "read": "none",
        "failed": "none",
        "undelivered": "none",
    }
    receipts = api.conversations(ch).messages(sent.sid).delivery_receipts
    (receipt,) = await receipts.list_async()
    assert (receipt.status, receipt.error_code) == ("delivered", 0)
    assert (await receipts(receipt.sid).fetch_async()).sid == receipt.sid


async def test_whatsapp_takes_no_free_text_from_us_before_the_customer_wrote(client: Client) -> None:
    conversation = await with_customer(client, "whatsapp:+15550100003", "whatsapp:+15550100999")
    sent = await conversation.messages.create_async(body="Good morning")
    (receipt,) = await sent.delivery_receipts.list_async()
    assert (receipt.status, receipt.error_code) == ("failed", 63016)


async def test_an_update_without_a_parameter_is_refused(client: Client) -> None:
    conversation = await with_customer(client)
    (participant,) = await conversation.participants.list_async()
    assert await refused(conversation.update_async()) == (400, 20161)
    assert await refused(participant.update_async()) == (400, 20161)


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", "/v1/Conversations?PageSize=101", {}, 400, 20001),
        ("GET", "/v1/Conversations?PageSize=0", {}, 400, 20001),
        ("GET", "/v1/Conversations?PageSize=many", {}, 400, 20001),
        ("GET", "/v1/Conversations?Page=2", {}, 400, 40153),
        ("GET", "/v1/Conversations?PageToken=mine", {}, 400, 20001),
        ("GET", "/v1/Conversations?pagesize=5", {}, 400, 20001),
        ("GET", "/v1/Conversations?StartDate=tomorrow", {}, 400, 20001),
        ("GET", "/v1/Conversations?StartDate=0001-01-01T00:00:00%2B14:00", {}, 400, 20001),
        ("GET", f"/v1/ParticipantConversations?Identity=a&Address=%2B{CUSTOMER[1:]}", {}, 400, 50451),
        ("GET", "/v1/ParticipantConversations", {}, 400, 20001),
        ("GET", "/v1/ParticipantConversations?Identity=a&PageSize=51", {}, 400, 20001),
        ("GET", "/v1/Services/IS00000000000000000000000000000000/Conversations", {}, 404, 20404),
        ("GET", "/v1/Workspaces/WS00000000000000000000000000000000/Workers", {}, 404, 20404),
        ("GET", f"/v1/Workspaces/{seeds.WORKSPACE_SID}/Workers?Ordering=Age", {}, 400, 20001),
        ("GET", "/v1/Nothing", {}, 404, 20404),
        ("POST", "/v1/Conversations", {"data": {"friendlyname": "x"}}, 400, 20001),
        ("POST", "/v1/Conversations", {"data": "FriendlyName=a&FriendlyName=b"}, 400, 20001),
        ("POST", "/v1/Conversations", {"data": "FriendlyName=%FF"}, 400, 20001),
        ("POST", "/v1/Conversations", {"data": "no form"}, 400, 20001),
        ("POST", "/v1/Conversations", {"json": {"FriendlyName": "x"}}, 400, 20001),
        ("POST", "/v1/Conversations", {"data": "FriendlyName=" + "x" * 300_000}, 413, 20001),
        ("POST", "/v1/Conversations", {"data": "&".join(["a=1"] * 1001)}, 400, 20001),
        ("POST", "/v1/Conversations", {"data": "Attributes=" + "[" * 10_000}, 400, 20001),
        ("POST", "/v1/Conversations", {"data": "Attributes=%22%5Cud800%22"}, 400, 20001),
        ("POST", "/v1/Conversations", {"data": "", "headers": {"X-Twilio-Webhook-Enabled": "maybe"}}, 400, 20001),
        ("POST", f"/v1/Workspaces/{seeds.WORKSPACE_SID}", {"data": {"EventCallbackUrl": "nowhere"}}, 400, 20001),
        ("POST", f"/v1/Workspaces/{seeds.WORKSPACE_SID}/Workers", {"data": {}}, 400, 20001),
    ],
)
async def test_a_request_that_twilio_would_not_take_gets_its_error_json(
    sandbox: Running, method: str, path: str, options: dict[str, Any], status: int, code: int
) -> None:
    if isinstance(options.get("data"), str):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        options = {**options, "headers": form | options.get("headers", {})}
    credentials = encode_basic_auth(seeds.ACCOUNT_SID, seeds.AUTH_TOKEN)
    async with ClientSession(sandbox.url) as session:
        headers = {"Authorization": credentials, **options.pop("headers", {})}
        async with session.request(method, path, headers=headers, **options) as response:
            answer = await response.json()
    assert (response.status, answer["code"], answer["status"]) == (status, code, status)
    assert set(answer) == {"code", "message", "more_info", "status"}


@pytest.mark.parametrize("header", [None, "Basic", "Basic x", "Bearer " + seeds.AUTH_TOKEN, "Basic \udcff"])
async def test_without_the_credentials_nothing_is_shown(sandbox: Running, header: str | None) -> None:
    async with (
        ClientSession(sandbox.url) as session,
        session.get("/v1/Conversations", headers={"Authorization": header} if header else {}) as response,
    ):
        assert (response.status, (await response.json())["code"]) == (401, 20003)


async def test_a_page_that_is_refused_is_refused_to_the_client_too(client: Client) -> None:
    with pytest.raises(TwilioException) as caught:
        await client.conversations.v1.conversations.list_async(page_size=500)
    assert caught.value.args[1].status_code == 400

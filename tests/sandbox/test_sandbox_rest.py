"""The official Twilio client against the sandbox; `client` holds every exchange against Twilio's OpenAPI documents."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientSession, encode_basic_auth
from exchanges import RecordingHttpClient
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client

from orchestrator.sandbox import seeds
from orchestrator.sandbox.server import Running

CUSTOMER, PROXY = "+15550100001", "+15550100999"


@pytest.fixture(params=["plain", "service"])
def api(request: pytest.FixtureRequest, client: Client) -> Any:
    """The Conversations API in both its forms."""
    plain = client.conversations.v1
    return plain if request.param == "plain" else plain.services(seeds.CHAT_SERVICE_SID)


def workspace(client: Client) -> Any:
    return client.taskrouter.v1.workspaces(seeds.WORKSPACE_SID)


async def refused(call: Any) -> tuple[int, int]:
    """The status and code with which Twilio says no."""
    with pytest.raises(TwilioRestException) as caught:
        await call
    return caught.value.status, caught.value.code


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
        ({"timers_inactive": "PT1H"}, (400, 20001)),
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


async def with_customer(client: Client, address: str = CUSTOMER, proxy: str = PROXY) -> Any:
    conversation = await client.conversations.v1.conversations.create_async()
    await conversation.participants.create_async(
        messaging_binding_address=address, messaging_binding_proxy_address=proxy
    )
    return conversation


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


def binding(address: str = CUSTOMER, proxy: str = PROXY) -> dict[str, str]:
    return {"messaging_binding_address": address, "messaging_binding_proxy_address": proxy}


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


async def test_webhooks_are_configured(client: Client) -> None:
    webhooks = client.conversations.v1.configuration.webhooks()
    before = await webhooks.fetch_async()
    assert before.method == "POST"
    assert before.pre_webhook_url.endswith("/pre-event")
    assert "onMessageAdded" in before.filters
    after = await webhooks.update_async(
        filters=["onMessageAdd", "onParticipantAdded"], pre_webhook_url="http://127.0.0.1:9/x", method="GET"
    )
    assert (after.filters, after.method) == (["onMessageAdd", "onParticipantAdded"], "GET")
    assert after.post_webhook_url == before.post_webhook_url
    assert await refused(webhooks.update_async(filters=["onMessageSent"])) == (400, 50365)
    assert await refused(webhooks.update_async(pre_webhook_url="nowhere")) == (400, 50077)
    assert await refused(webhooks.update_async(post_webhook_url="ftp://x.example")) == (400, 50078)


async def test_workers_are_listed_by_availability_name_and_queue(client: Client) -> None:
    workers = workspace(client).workers

    async def listed(**wanted: Any) -> list[str]:
        return [worker.friendly_name for worker in await workers.list_async(page_size=1, **wanted)]

    assert await listed() == ["ada@example.test", "grace@example.test", "alan@example.test"]
    assert await listed(available="true") == ["ada@example.test", "grace@example.test"]
    assert await listed(available="anything else") == ["alan@example.test"]
    assert await listed(friendly_name="ada@example.test") == ["ada@example.test"]
    assert await listed(task_queue_sid=seeds.TASK_QUEUE_SID, available="1") == [
        "ada@example.test",
        "grace@example.test",
    ]
    assert await listed(task_queue_sid="WQ" + "0" * 32) == []
    assert await listed(activity_name="Unavailable") == ["alan@example.test"]


async def test_workers_are_ordered_by_their_last_change_of_activity(client: Client) -> None:
    workers = workspace(client).workers
    ada = (await workers.list_async(friendly_name="ada@example.test"))[0]
    await ada.update_async(activity_sid=seeds.OFFLINE_SID)
    up = [w.friendly_name for w in await workers.list_async(ordering="DateStatusChanged:asc", page_size=1)]
    down = [w.friendly_name for w in await workers.list_async(ordering="DateStatusChanged:desc", page_size=2)]
    assert up[-1] == down[0] == "ada@example.test"
    assert up == down[::-1]


async def test_a_worker_lives_from_creation_to_deletion(client: Client) -> None:
    workers = workspace(client).workers
    made = await workers.create_async(friendly_name="new@example.test", attributes='{"skills":["cards"]}')
    assert (made.available, made.activity_name, made.attributes) == (False, "Offline", '{"skills":["cards"]}')
    changed = await workers(made.sid).update_async(activity_sid=seeds.AVAILABLE_SID)
    assert (changed.available, changed.attributes) == (True, '{"skills":["cards"]}')
    assert changed.date_status_changed >= made.date_status_changed
    await workers(made.sid).update_async(attributes='{"lastAcceptedTaskTime":1}')
    assert (await workers(made.sid).fetch_async()).attributes == '{"lastAcceptedTaskTime":1}'
    assert await workers(made.sid).delete_async()
    assert await refused(workers(made.sid).fetch_async()) == (404, 20404)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"friendly_name": "ADA@example.test"}, 409),
        ({"friendly_name": "w" * 65}, 400),
        ({"friendly_name": "w", "attributes": "[1"}, 400),
        ({"friendly_name": "w", "activity_sid": "WA" + "0" * 32}, 400),
    ],
)
async def test_a_worker_is_refused(client: Client, fields: dict[str, str], status: int) -> None:
    assert (await refused(workspace(client).workers.create_async(**fields)))[0] == status


async def test_a_workers_version_is_honoured_where_it_is_switched_on(client: Client, sandbox: Running) -> None:
    worker = (await workspace(client).workers.list_async())[0]
    await worker.update_async(attributes='{"a":1}', if_match="old")
    sandbox.sandbox.switches.worker_etags = True
    fetched = await workspace(client).workers(worker.sid).fetch_with_http_info_async()
    tag = fetched.headers["Etag"]
    await worker.update_async(attributes='{"a":2}', if_match=tag)
    assert await refused(worker.update_async(attributes='{"a":3}', if_match=tag)) == (412, 20412)


async def test_listed_workers_hide_their_attributes_where_it_is_switched_on(client: Client, sandbox: Running) -> None:
    workers = workspace(client).workers
    assert [worker.attributes for worker in await workers.list_async()] == ["{}"] * 3
    sandbox.sandbox.switches.listed_worker_attributes = False
    listed = await workers.list_async()
    assert [worker.attributes for worker in listed] == [None] * 3
    assert (await workers(listed[0].sid).fetch_async()).attributes == "{}"


async def test_queue_activities_and_workspace_are_read(client: Client) -> None:
    (queue,) = await workspace(client).task_queues.list_async()
    assert queue.sid == seeds.TASK_QUEUE_SID
    assert (await workspace(client).task_queues(queue.sid).fetch_async()).target_workers == "1==1"
    assert await workspace(client).task_queues.list_async(friendly_name="Nobody") == []
    activities = await workspace(client).activities.list_async()
    assert [(a.friendly_name, a.available) for a in activities] == [
        ("Offline", False),
        ("Available", True),
        ("Unavailable", False),
    ]
    assert [a.friendly_name for a in await workspace(client).activities.list_async(available="true")] == ["Available"]
    assert (await workspace(client).activities(activities[0].sid).fetch_async()).friendly_name == "Offline"
    assert (await workspace(client).fetch_async()).event_callback_url.endswith("/taskrouter-event")
    changed = await workspace(client).update_async(events_filter="worker.created", friendly_name="Hub")
    assert (changed.events_filter, changed.friendly_name) == ("worker.created", "Hub")


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


async def test_a_chat_service_nobody_configured_has_webhooks_of_nulls(sandbox: Running) -> None:
    """As in an example of Twilio's document, against the schema beside it: so it is not held against that."""
    async with RecordingHttpClient(sandbox.url) as http:
        service = Client(seeds.ACCOUNT_SID, seeds.AUTH_TOKEN, http_client=http).conversations.v1.services
        untouched = await service(seeds.CHAT_SERVICE_SID).configuration.webhooks().fetch_async()
    assert (untouched.method, untouched.filters, untouched.pre_webhook_url) == (None, None, None)


async def test_the_webhooks_of_the_chat_service_are_configured_instead_of_the_accounts(client: Client) -> None:
    ours = client.conversations.v1.services(seeds.CHAT_SERVICE_SID).configuration.webhooks()
    accounts = client.conversations.v1.configuration.webhooks()
    assert await refused(ours.update_async(post_webhook_url="http://127.0.0.1:9/x")) == (400, 20001)
    await accounts.update_async(pre_webhook_url="", post_webhook_url="")
    after = await ours.update_async(post_webhook_url="http://127.0.0.1:9/x", filters=["onMessageAdded"], method="POST")
    assert (after.filters, after.post_webhook_url) == (["onMessageAdded"], "http://127.0.0.1:9/x")
    assert await refused(accounts.update_async(pre_webhook_url="http://127.0.0.1:9/y")) == (400, 20001)


async def test_an_address_configuration_lives_from_creation_to_deletion(client: Client) -> None:
    addresses = client.conversations.v1.address_configurations
    assert [a.address for a in await addresses.list_async(type="whatsapp")] == [seeds.NUMBERS["whatsapp"]]
    made = await addresses.create_async(
        type="sms", address="+33100000000", auto_creation_enabled=True, auto_creation_type="default"
    )
    assert made.auto_creation == {"enabled": True, "type": "default"}
    assert await refused(addresses.create_async(type="sms", address="+33100000000")) == (409, 50353)
    assert await refused(addresses.create_async(type="whatsapp", address="+33100000001")) == (400, 20001)
    changed = await addresses(made.sid).update_async(
        auto_creation_type="webhook",
        auto_creation_webhook_url="https://other.example/hook",
        auto_creation_webhook_filters=["onMessageAdded"],
    )
    assert changed.auto_creation["webhook_filters"] == ["onMessageAdded"]
    assert await refused(addresses(made.sid).update_async(auto_creation_webhook_filters=["onMessageAdd"])) == (
        400,
        50365,
    )
    assert (await addresses(made.sid).fetch_async()).auto_creation == changed.auto_creation
    assert await addresses(made.sid).delete_async()
    assert await refused(addresses(made.sid).fetch_async()) == (404, 20404)


async def test_the_services_and_their_defaults_are_read(client: Client) -> None:
    defaults = await client.conversations.v1.configuration().fetch_async()
    assert defaults.default_chat_service_sid == seeds.CHAT_SERVICE_SID
    assert (await client.conversations.v1.services(seeds.CHAT_SERVICE_SID).fetch_async()).sid == seeds.CHAT_SERVICE_SID
    assert await refused(client.conversations.v1.services("IS" + "0" * 32).fetch_async()) == (404, 20404)


async def test_the_account_its_numbers_and_its_messaging_service_are_read(sandbox: Running) -> None:
    """Of hosts whose API descriptions are not kept here; the official client reads the answers."""
    async with RecordingHttpClient(sandbox.url) as http:
        client = Client(seeds.ACCOUNT_SID, seeds.AUTH_TOKEN, http_client=http)
        account = client.api.v2010.accounts(seeds.ACCOUNT_SID)
        assert (await account.fetch_async()).status == "active"
        sandbox.sandbox.account_status = "suspended"
        assert (await account.fetch_async()).status == "suspended"
        (number,) = await account.incoming_phone_numbers.list_async(phone_number=PROXY)
        assert number.phone_number == PROXY
        assert await account.incoming_phone_numbers.list_async(phone_number="+33100000000") == []
        senders = await client.messaging.v1.services(seeds.MESSAGING_SERVICE_SID).fetch_async()
        assert senders.sid == seeds.MESSAGING_SERVICE_SID
        assert await refused(client.api.v2010.accounts("AC" + "0" * 32).fetch_async()) == (404, 20404)

"""The webhooks of the sandbox, as a service on a real socket hears them."""

import asyncio
import json

import pytest
from asking import CUSTOMER, PROXY
from parties import Control, Heard, Service, answered, settled
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from orchestrator.sandbox import seeds
from orchestrator.sandbox.delivery import POST_EVENTS, PRE_EVENTS
from orchestrator.sandbox.server import Running

ARTICLE = ["onConversationAdd", "onMessageAdd", "onParticipantAdded"]


async def test_the_first_message_of_a_pair_creates_its_conversation(
    sandbox: Running, service: Service, control: Control
) -> None:
    answer = await control.inbound("Hello, héllo ☕ a&b=c+d")
    await settled(sandbox)
    assert service.events() == [
        "onConversationAdd",
        "onConversationAdded",
        "onParticipantAdded",
        "onMessageAdded",
        "/routing",
    ]
    pre = service.form("onConversationAdd")
    assert "ConversationSid" not in pre
    assert (pre["MessageBody"], pre["Source"], pre["RetryCount"]) == ("Hello, héllo ☕ a&b=c+d", "SMS", "0")
    assert (pre["MessagingBinding.Address"], pre["MessagingBinding.ProxyAddress"]) == (CUSTOMER, PROXY)
    participant, message = service.form("onParticipantAdded"), service.form("onMessageAdded")
    assert "Identity" not in participant
    assert (participant["MessagingBinding.Type"], participant["Attributes"]) == ("SMS", "{}")
    assert message["MessageSid"] == answer["message_sid"]
    assert (message["Author"], message["Index"], message["Source"]) == (CUSTOMER, "0", "SMS")
    assert message["ParticipantSid"] == participant["ParticipantSid"]
    assert service.form("/routing") == {
        "AccountSid": seeds.ACCOUNT_SID,
        "ConversationSid": answer["conversation_sid"],
        "MessagingBinding.Address": CUSTOMER,
        "MessagingBinding.ProxyAddress": PROXY,
    }


async def test_later_messages_ask_first_and_join_the_open_conversation(
    sandbox: Running, service: Service, control: Control
) -> None:
    first = await control.inbound("Hello")
    await settled(sandbox)
    service.heard.clear()
    second = await control.inbound("Anybody?")
    await settled(sandbox)
    assert second["conversation_sid"] == first["conversation_sid"]
    assert service.events() == ["onMessageAdd", "onMessageAdded"]
    pre = service.form("onMessageAdd")
    assert not {"MessageSid", "Index"} & set(pre)
    assert (pre["ConversationSid"], pre["Body"]) == (first["conversation_sid"], "Anybody?")
    assert service.form("onMessageAdded")["Index"] == "1"


async def test_whatsapp_addresses_carry_their_prefix(sandbox: Running, service: Service, control: Control) -> None:
    await control.inbound("Hello", "+15550100003", channel="whatsapp")
    await settled(sandbox)
    form = service.form("onParticipantAdded")
    assert form["MessagingBinding.Address"] == "whatsapp:+15550100003"
    assert form["MessagingBinding.ProxyAddress"] == "whatsapp:+15550100999"
    assert (form["MessagingBinding.Type"], form["Source"]) == ("WHATSAPP", "WHATSAPP")
    assert service.form("onMessageAdded")["Author"] == "whatsapp:+15550100003"


async def test_a_picture_alone_has_media_and_no_body(sandbox: Running, service: Service, control: Control) -> None:
    answer = await control.inbound(None, media=["https://example.test/photos/boots.jpg"])
    await settled(sandbox)
    form = service.form("onMessageAdded")
    assert "Body" not in form
    (media,) = json.loads(form["Media"])
    assert (media["ContentType"], media["Filename"]) == ("image/jpeg", "boots.jpg")
    assert media["MediaSid"].startswith("ME")
    (message,) = (await control.whole(answer["conversation_sid"]))["messages"]
    assert (message["body"], message["media"][0]["content_type"]) == (None, "image/jpeg")


async def test_a_chat_customer_comes_as_his_client_would(sandbox: Running, service: Service, control: Control) -> None:
    first = await control.inbound("Hello", "maria", channel="chat")
    second = await control.inbound("Still there?", "maria", channel="chat")
    await settled(sandbox)
    assert second["conversation_sid"] == first["conversation_sid"]
    assert service.events("/pre-event") == ["onConversationAdd", "onMessageAdd", "onMessageAdd"]
    assert service.events("/post-event") == [
        "onConversationAdded",
        "onParticipantAdded",
        "onMessageAdded",
        "onMessageAdded",
    ]
    assert service.events("/routing") == []
    assert {(heard.form["Source"], heard.form["ClientIdentity"]) for heard in service.heard} == {("SDK", "maria")}
    joined = service.form("onParticipantAdded")
    assert (joined["Identity"], joined["MessagingBinding.Type"]) == ("maria", "CHAT")
    assert not {"MessagingBinding.Address", "MessageBody"} & set(joined)


async def test_every_webhook_is_signed_and_names_account_and_service(
    sandbox: Running, service: Service, control: Control
) -> None:
    await control.inbound("Hello ☕")
    await control.call("POST", "/sandbox/workers", {"identity": "new@example.test", "available": True})
    await settled(sandbox)
    validator = RequestValidator(seeds.AUTH_TOKEN)
    assert {heard.path for heard in service.heard} == {"/pre-event", "/post-event", "/routing", "/taskrouter-event"}
    for heard in service.heard:
        signature = heard.headers["X-Twilio-Signature"]
        assert validator.validate(service.url + heard.path, heard.form, signature), heard.event
        assert not validator.validate(service.url + heard.path, {**heard.form, "Body": "forged"}, signature)
        assert heard.form["AccountSid"] == seeds.ACCOUNT_SID
        assert heard.headers["Content-Type"] == "application/x-www-form-urlencoded; charset=utf-8"
        assert len(heard.headers["I-Twilio-Idempotency-Token"]) == 36
    conversations = [heard for heard in service.heard if heard.path in ("/pre-event", "/post-event")]
    assert {heard.form["ChatServiceSid"] for heard in conversations} == {seeds.CHAT_SERVICE_SID}
    assert len({heard.headers["I-Twilio-Idempotency-Token"] for heard in service.heard}) == len(service.heard)


async def test_with_get_the_parameters_are_in_the_signed_url(
    sandbox: Running, service: Service, control: Control, client: Client
) -> None:
    await client.conversations.v1.configuration.webhooks().update_async(
        method="GET", pre_webhook_url=f"{service.url}/pre-event?tenant=1"
    )
    await control.inbound("Hello ☕ a+b")
    await settled(sandbox)
    (heard,) = [heard for heard in service.heard if heard.event == "onConversationAdd"]
    assert (heard.method, heard.form["MessageBody"], heard.form["tenant"]) == ("GET", "Hello ☕ a+b", "1")
    assert RequestValidator(seeds.AUTH_TOKEN).validate(heard.url, {}, heard.headers["X-Twilio-Signature"])


@pytest.mark.parametrize("rest", ["/x?a=%C3%A9", "?x=1", ""])
async def test_a_url_is_signed_as_it_was_set_but_for_its_credentials(
    sandbox: Running, service: Service, control: Control, client: Client, rest: str
) -> None:
    bare = service.url + rest
    await client.conversations.v1.configuration.webhooks().update_async(
        pre_webhook_url=bare.replace("//", "//maria:a%20secret@")
    )
    await control.inbound()
    heard = next(heard for heard in service.heard if heard.event == "onConversationAdd")
    validator = RequestValidator(seeds.AUTH_TOKEN)
    assert validator.compute_signature(bare, heard.form) == heard.headers["X-Twilio-Signature"]


async def test_the_articles_filters_tell_less(
    sandbox: Running, service: Service, control: Control, client: Client
) -> None:
    await client.conversations.v1.configuration.webhooks().update_async(filters=ARTICLE)
    await control.inbound("one")
    await settled(sandbox)
    await control.inbound("two")
    assert service.events() == ["onConversationAdd", "onParticipantAdded", "/routing", "onMessageAdd"]


async def test_what_rest_writes_is_told_only_on_request_and_never_asked(
    sandbox: Running, service: Service, client: Client
) -> None:
    await client.conversations.v1.configuration.webhooks().update_async(filters=sorted(PRE_EVENTS | POST_EVENTS))

    async def everything(**header: str) -> None:
        conversation = await client.conversations.v1.conversations.create_async(**header)
        worker = await conversation.participants.create_async(identity="ada@example.test", **header)
        await worker.update_async(attributes='{"a":1}', **header)
        message = await conversation.messages.create_async(body="x", **header)
        await message.update_async(body="y", **header)
        await conversation.update_async(state="inactive", **header)
        user = await client.conversations.v1.users.create_async(identity=f"u{len(header)}", **header)
        await user.update_async(friendly_name="U", **header)
        # the client itself loses the header when it deletes
        told = {"X-Twilio-Webhook-Enabled": header.get("x_twilio_webhook_enabled", "false")}
        for written in (message, worker, conversation):
            await client.http_client.request("DELETE", written.url, headers=told, auth=client.auth)

    await everything()
    await settled(sandbox)
    assert service.events() == []
    await everything(x_twilio_webhook_enabled="true")
    await settled(sandbox)
    assert set(service.events("/post-event")) == POST_EVENTS - {"onDeliveryUpdated"}
    assert service.events("/pre-event") == []
    assert {heard.form["Source"] for heard in service.heard} == {"API"}
    user = service.form("onUserUpdated")
    assert (user["isOnline"], user["isNotifiable"]) == ("false", "false")


async def test_closing_is_told_and_the_next_message_opens_another_conversation(
    sandbox: Running, service: Service, control: Control
) -> None:
    first = (await control.inbound())["conversation_sid"]
    assert (await control.call("POST", f"/sandbox/conversations/{first}/close"))[0] == 204
    second = (await control.inbound())["conversation_sid"]
    await settled(sandbox)
    assert second != first
    told = service.form("onConversationStateUpdated")
    assert (told["StateFrom"], told["StateTo"], told["ConversationSid"]) == ("active", "closed", first)
    assert (await control.call("POST", f"/sandbox/conversations/{first}/close"))[0] == 400


async def test_workers_join_write_and_leave_through_the_sdk(
    sandbox: Running, service: Service, control: Control
) -> None:
    ch = (await control.inbound())["conversation_sid"]
    one, ada = f"/sandbox/conversations/{ch}", {"identity": "ada@example.test"}
    assert (await control.call("POST", one + "/messages", {"author": "ada@example.test", "body": "Hi"}))[0] == 400
    assert (await control.call("POST", one + "/join", ada))[0] == 201
    assert (await control.call("POST", one + "/join", ada))[0] == 409
    await settled(sandbox)
    assert (await control.call("POST", one + "/messages", {"author": "ada@example.test", "body": "Hi"}))[0] == 201
    assert (await control.call("POST", one + "/leave", ada))[0] == 204
    assert (await control.call("POST", one + "/leave", ada))[0] == 404
    await settled(sandbox)
    later = [heard for heard in service.heard if heard.form.get("ClientIdentity") == "ada@example.test"]
    assert [heard.event for heard in later] == [
        "onParticipantAdded",
        "onMessageAdd",
        "onMessageAdded",
        "onParticipantRemoved",
    ]
    assert later[-1].form["DateRemoved"] >= later[0].form["DateCreated"]
    assert {heard.form["Source"] for heard in later} == {"SDK"}


async def test_what_goes_to_a_channel_is_followed_by_its_delivery(
    sandbox: Running, service: Service, control: Control, client: Client
) -> None:
    ch = (await control.inbound("Hello", "+15550100003", channel="whatsapp"))["conversation_sid"]
    await client.conversations.v1.conversations(ch).messages.create_async(body="Welcome")
    await settled(sandbox)
    deliveries = [heard.form for heard in service.heard if heard.event == "onDeliveryUpdated"]
    assert [form["Status"] for form in deliveries] == ["sent", "delivered"]
    assert {form["DeliveryReceiptSid"][:2] + form["ErrorCode"] for form in deliveries} == {"DY0"}


async def test_two_first_messages_at_once_make_one_conversation(
    sandbox: Running, service: Service, control: Control
) -> None:
    service.gates["onConversationAdd"] = asyncio.Event()
    both = asyncio.gather(control.inbound("one"), control.inbound("two"))
    await service.until("onConversationAdd")
    service.gates["onConversationAdd"].set()
    first, second = await both
    assert first["conversation_sid"] == second["conversation_sid"]
    assert service.events("/pre-event") == ["onConversationAdd", "onMessageAdd"]


async def test_a_conversation_that_closes_while_the_service_thinks_loses_no_message(
    sandbox: Running, service: Service, control: Control
) -> None:
    first = (await control.inbound("one"))["conversation_sid"]
    service.gates["onMessageAdd"] = asyncio.Event()
    second = asyncio.create_task(control.inbound("two"))
    await service.until("onMessageAdd")
    await control.call("POST", f"/sandbox/conversations/{first}/close")
    service.gates["onMessageAdd"].set()
    taken = await second
    assert taken["conversation_sid"] != first
    assert [m["body"] for m in (await control.whole(taken["conversation_sid"]))["messages"]] == ["two"]


async def test_post_action_webhooks_of_a_conversation_wait_for_one_another(
    sandbox: Running, service: Service, control: Control
) -> None:
    service.gates["onConversationAdded"] = asyncio.Event()
    await control.inbound("one", "+15550100001")
    await control.inbound("two", "+15550100002")
    await service.until("onConversationAdded", 2)
    assert "onParticipantAdded" not in service.events()
    service.gates["onConversationAdded"].set()
    await settled(sandbox)
    for address in ("+15550100001", "+15550100002"):
        own = [heard.event for heard in service.heard if of(address, heard) and heard.path == "/post-event"]
        assert own == ["onConversationAdded", "onParticipantAdded", "onMessageAdded"]


def of(address: str, heard: Heard) -> bool:
    return address in (heard.form.get("MessagingBinding.Address"), heard.form.get("Author"))


async def test_changes_of_workers_reach_the_event_callback(
    sandbox: Running, service: Service, control: Control, client: Client
) -> None:
    service.answers["/taskrouter-event"] = answered(204)
    worker = {"identity": "new@example.test", "available": False}
    assert (await control.call("POST", "/sandbox/workers", worker))[0] == 201
    assert (await control.call("POST", "/sandbox/workers", worker))[0] == 200
    changed = {"identity": "NEW@example.test", "available": True, "attributes": {"skills": ["cards"]}}
    _, shown = await control.call("POST", "/sandbox/workers", changed)
    workers = client.taskrouter.v1.workspaces(seeds.WORKSPACE_SID).workers
    await workers(shown["sid"]).update_async(attributes='{"lastAcceptedTaskTime":1}')
    await workers(shown["sid"]).update_async(friendly_name="Renamed@example.test")
    await workers(shown["sid"]).delete_async()
    await settled(sandbox)
    assert service.events("/taskrouter-event") == [
        "worker.created",
        "worker.activity.update",
        "worker.attributes.update",
        "worker.attributes.update",
        "worker.deleted",
    ]
    update = service.form("worker.activity.update")
    assert (update["WorkerName"], update["WorkerActivityName"]) == ("new@example.test", "Available")
    assert update["WorkerPreviousActivitySid"] == seeds.UNAVAILABLE_SID
    assert (update["WorkspaceSid"], update["ResourceType"]) == (seeds.WORKSPACE_SID, "worker")
    versions = [heard.form["WorkerVersion"] for heard in service.heard]
    assert versions == ["0", "2", "2", "3", "4"]


async def test_only_the_events_of_the_filter_are_told(
    sandbox: Running, service: Service, control: Control, client: Client
) -> None:
    workspace = client.taskrouter.v1.workspaces(seeds.WORKSPACE_SID)
    await workspace.update_async(events_filter="worker.created, worker.deleted")
    await control.call("POST", "/sandbox/workers", {"identity": "new@example.test", "available": False})
    await control.call("POST", "/sandbox/workers", {"identity": "new@example.test", "available": True})
    await settled(sandbox)
    assert service.events() == ["worker.created"]
    await workspace.update_async(event_callback_url="")
    await control.call("POST", "/sandbox/workers", {"identity": "other@example.test", "available": False})
    await settled(sandbox)
    assert service.events() == ["worker.created"]

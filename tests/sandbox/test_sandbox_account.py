"""What is set for an account and its services through the official client: webhooks, numbers, addresses."""

from typing import Any

from asking import PROXY, refused
from exchanges import RecordingHttpClient
from parties import Control, Service, settled
from twilio.rest import Client

from orchestrator.sandbox import seeds
from orchestrator.sandbox.server import Running


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
    for unwritable in ("http://x.example/a b", "http://x.example/é", "http://x.example/\n"):
        assert await refused(webhooks.update_async(pre_webhook_url=unwritable)) == (400, 50077)


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


async def test_a_conversations_webhook_lives_from_creation_to_deletion(
    api: Any, sandbox: Running, service: Service, control: Control
) -> None:
    ch = (await control.inbound("Hello"))["conversation_sid"]
    webhooks = api.conversations(ch).webhooks
    made = await webhooks.create_async(
        target="webhook",
        configuration_url=f"{service.url}/one",
        configuration_method="get",
        configuration_filters=["onMessageAdded"],
    )
    assert made.configuration == {"url": f"{service.url}/one", "method": "get", "filters": ["onMessageAdded"]}
    assert made.date_created is not None
    assert (await webhooks(made.sid).fetch_async()).configuration == made.configuration
    await control.inbound("by get")
    await webhooks(made.sid).update_async(configuration_url=f"{service.url}/two", configuration_method="post")
    await control.inbound("by post")
    await settled(sandbox)
    told = [(heard.method, heard.path, heard.form["Body"]) for heard in service.heard if heard.path in ("/one", "/two")]
    assert told == [("GET", "/one", "by get"), ("POST", "/two", "by post")]
    assert [found.sid for found in await webhooks.list_async(page_size=5)] == [made.sid]
    assert await refused(webhooks(made.sid).update_async()) == (400, 20161)
    assert await webhooks(made.sid).delete_async()
    assert await refused(webhooks(made.sid).fetch_async()) == (404, 20404)


async def test_a_conversations_webhook_is_refused(client: Client) -> None:
    webhooks = (await client.conversations.v1.conversations.create_async()).webhooks
    url = {"target": "webhook", "configuration_url": "http://127.0.0.1:9/x"}
    assert await refused(webhooks.create_async(**url)) == (400, 50370)
    assert await refused(webhooks.create_async(**url, configuration_filters=["onMessageAdd"])) == (400, 50365)
    made = await webhooks.create_async(**url, configuration_filters=["onMessageAdded"])
    assert await refused(webhooks(made.sid).update_async(configuration_filters=["onMessageSent"])) == (400, 50365)
    assert await refused(webhooks(made.sid).update_async(configuration_url="nowhere")) == (400, 20001)


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
    assert [it.sid for it in await client.conversations.v1.services.list_async()] == [seeds.CHAT_SERVICE_SID]
    assert (await client.conversations.v1.services(seeds.CHAT_SERVICE_SID).fetch_async()).sid == seeds.CHAT_SERVICE_SID
    assert await refused(client.conversations.v1.services("IS" + "0" * 32).fetch_async()) == (404, 20404)


async def test_the_role_everybody_has_is_read(api: Any) -> None:
    assert [role.sid for role in await api.roles.list_async()] == [seeds.ROLE_SID]
    assert "sendMessage" in (await api.roles(seeds.ROLE_SID).fetch_async()).permissions
    assert await refused(api.roles("RL" + "0" * 32).fetch_async()) == (404, 20404)


async def test_where_calls_to_the_number_go_is_set_and_cleared(sandbox: Running) -> None:
    async with RecordingHttpClient(sandbox.url) as http:
        numbers = Client(seeds.ACCOUNT_SID, seeds.AUTH_TOKEN, http_client=http).api.v2010.account.incoming_phone_numbers
        (number,) = await numbers.list_async(phone_number=PROXY)
        assert number.voice_url.endswith("/voice")
        wanted = {"voice_url": "https://hub.example.com/voice", "status_callback": "", "status_callback_method": "GET"}
        await numbers(number.sid).update_async(**wanted)
        (number,) = await numbers.list_async(phone_number=PROXY)
        assert {name: getattr(number, name) for name in wanted} == wanted
        assert number.voice_method == "POST"
        for bad in ({"voice_url": "nowhere"}, {"voice_method": "PUT"}, {}):
            status, _ = await refused(numbers(number.sid).update_async(**bad))
            assert status == 400
        assert (await refused(numbers("PN" + "0" * 32).update_async(voice_url="")))[0] == 404


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

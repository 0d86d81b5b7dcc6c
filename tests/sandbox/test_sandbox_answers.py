"""What the sandbox makes of the service's answers to its webhooks: a name, a change, a refusal, silence."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web
from asking import CUSTOMER
from parties import Control, Service, answered, settled
from twilio.rest import Client

from orchestrator.sandbox.server import Running


async def test_an_answer_may_name_the_conversation(service: Service, control: Control) -> None:
    service.answers["onConversationAdd"] = lambda: web.json_response(
        {"friendly_name": "Maria Sanchez", "attributes": '{"avatar":"x"}', "state": "closed"}
    )
    answer = await control.inbound()
    conversation = (await control.whole(answer["conversation_sid"]))["conversation"]
    assert conversation["friendly_name"] == "Maria Sanchez"
    assert (conversation["attributes"], conversation["state"]) == ('{"avatar":"x"}', "active")


async def test_an_answer_may_change_the_message(sandbox: Running, service: Service, control: Control) -> None:
    await control.inbound("Hello")
    service.answers["onMessageAdd"] = lambda: web.json_response(
        {"body": "****", "author": "system", "attributes": '{"masked":true}'}
    )
    answer = await control.inbound("my card is 4111")
    message = (await control.whole(answer["conversation_sid"]))["messages"][1]
    assert (message["body"], message["author"], message["attributes"]) == ("****", "system", '{"masked":true}')
    assert message["participant_sid"] is None
    await settled(sandbox)
    assert [heard.form["Body"] for heard in service.heard if heard.event == "onMessageAdded"] == ["Hello", "****"]


@pytest.mark.parametrize("status", [400, 403, 500, 503, 201, 204, 302])
async def test_a_refusal_throws_the_message_away(service: Service, control: Control, status: int) -> None:
    service.answers["onConversationAdd"] = answered(status)
    assert (await control.call("POST", "/sandbox/inbound", {"from": CUSTOMER, "body": "x"}))[0] == 409
    _, state = await control.call("GET", "/sandbox/state")
    assert state["conversations"] == []
    service.answers.clear()
    answer = await control.inbound("first")
    service.answers["onMessageAdd"] = answered(status)
    assert (await control.call("POST", "/sandbox/inbound", {"from": CUSTOMER, "body": "x"}))[0] == 409
    assert [m["body"] for m in (await control.whole(answer["conversation_sid"]))["messages"]] == ["first"]


@pytest.mark.parametrize("status", [201, 204, 302])
async def test_a_status_nobody_documents_is_flagged_in_the_ledger(
    service: Service, control: Control, status: int
) -> None:
    service.answers["onConversationAdd"] = answered(status)
    await control.call("POST", "/sandbox/inbound", {"from": CUSTOMER, "body": "x"})
    (entry,) = await control.ledger()
    assert entry["status"] == status
    assert "no such status" in entry["note"]


@pytest.mark.parametrize(
    ("body", "flagged"),
    [(b"", False), (b"{}", False), (b" ", False), (b"[]", False), (b"ok", True), (b"\xff", True), (b"{NaN", True)],
)
async def test_an_answer_that_changes_nothing_lets_the_message_pass(
    service: Service, control: Control, body: bytes, flagged: bool
) -> None:
    service.answers["onConversationAdd"] = answered(body=body)
    answer = await control.inbound("Hello")
    whole = await control.whole(answer["conversation_sid"])
    assert (whole["conversation"]["friendly_name"], whole["messages"][0]["body"]) == (None, "Hello")
    assert bool((await control.ledger())[0]["note"]) is flagged


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        ("onConversationAdd", {"friendly_name": "n" * 257}),
        ("onConversationAdd", {"friendly_name": 1}),
        ("onConversationAdd", {"attributes": {"an": "object"}}),
        ("onConversationAdd", {"attributes": "no json"}),
        ("onMessageAdd", {"body": "x" * 32769}),
        ("onMessageAdd", {"attributes": json.dumps("x" * 4096)}),
        ("onMessageAdd", {"author": ["a"]}),
    ],
)
async def test_an_answer_with_invalid_values_goes_back_to_the_sender(
    service: Service, control: Control, event: str, changes: dict[str, Any]
) -> None:
    service.answers[event] = lambda: web.json_response(changes)
    if event == "onMessageAdd":
        await control.inbound("first")
    status, answer = await control.call("POST", "/sandbox/inbound", {"from": CUSTOMER, "body": "second"})
    assert status == 409
    assert next(iter(changes)) in answer["error"]


async def test_silence_lets_the_message_pass_unchanged(sandbox: Running, service: Service, control: Control) -> None:
    sandbox.sandbox.webhooks.pre_limit_s = 0.05
    service.gates["onConversationAdd"] = asyncio.Event()
    answer = await control.inbound("Hello")
    assert (await control.whole(answer["conversation_sid"]))["messages"][0]["body"] == "Hello"
    entry = (await control.ledger())[0]
    assert (entry["status"], entry["note"]) == (0, "no answer in 0.05 s")


async def test_nobody_listening_lets_the_message_pass(
    sandbox: Running, control: Control, client: Client, unused_tcp_port: int
) -> None:
    await client.conversations.v1.configuration.webhooks().update_async(
        pre_webhook_url=f"http://127.0.0.1:{unused_tcp_port}/pre-event"
    )
    await control.inbound("Hello")
    entry = next(entry for entry in await control.ledger() if entry["kind"] == "webhook")
    assert entry["status"] == 0
    assert entry["note"].startswith("no connection")

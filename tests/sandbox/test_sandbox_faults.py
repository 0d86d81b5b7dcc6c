"""Every fault does what its switch says, to the Twilio API and the webhooks, and never to the control API."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import ClientError
from parties import Control, Service
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from orchestrator.sandbox.faults import Faults
from orchestrator.sandbox.server import Running


async def posted(client: Client, ch: str, count: int) -> list[int]:
    """The statuses with which `count` posted messages were answered."""
    statuses = []
    for number in range(count):
        try:
            await client.conversations.v1.conversations(ch).messages.create_async(body=f"no. {number}")
            statuses.append(201)
        except TwilioRestException as error:
            statuses.append(error.status)
    return statuses


async def conversation(client: Client) -> str:
    sid: str = (await client.conversations.v1.conversations.create_async()).sid
    return sid


async def test_errors_come_before_anything_is_done(control: Control, client: Client) -> None:
    ch = await conversation(client)
    await control.faults(errors={"429": 1})
    with pytest.raises(TwilioRestException) as caught:
        await client.conversations.v1.conversations(ch).messages.create_async(body="Hello")
    assert (caught.value.status, caught.value.code) == (429, 20429)
    with pytest.raises(TwilioRestException):
        await client.conversations.v1.conversations(ch).fetch_async()
    assert (await control.whole(ch))["messages"] == []
    entry = (await control.ledger())[-1]
    assert (entry["status"], entry["committed"], entry["form"]) == (429, False, {"Body": "Hello"})


@pytest.mark.parametrize("status", [401, 408, 418, 500, 503, 599])
async def test_any_status_can_be_an_error(control: Control, client: Client, status: int) -> None:
    ch = await conversation(client)
    await control.faults(errors={str(status): 1})
    assert await posted(client, ch, 1) == [status]


async def test_the_same_seed_meets_the_same_faults(control: Control, client: Client) -> None:
    ch = await conversation(client)
    seen = []
    for seed in (7, 7, 8):
        await control.faults(seed=seed, errors={"429": 0.3, "500": 0.3})
        seen.append(await posted(client, ch, 20))
    assert seen[0] == seen[1] != seen[2]
    assert set(seen[0]) == {201, 429, 500}


async def test_after_the_commit_an_error_hides_what_was_done(control: Control, client: Client) -> None:
    ch = await conversation(client)
    await control.faults(errors_after_commit=1)
    assert await posted(client, ch, 1) == [500]
    assert [m["body"] for m in (await control.whole(ch))["messages"]] == ["no. 0"]
    assert [m.body for m in await client.conversations.v1.conversations(ch).messages.list_async()] == ["no. 0"]
    entry = (await control.ledger())[-1]
    assert (entry["status"], entry["committed"]) == (500, True)


async def test_after_the_commit_the_connection_may_be_cut(control: Control, client: Client) -> None:
    ch = await conversation(client)
    await control.faults(cut_after_commit=1)
    with pytest.raises(ClientError):
        await client.conversations.v1.conversations(ch).messages.create_async(body="Hello")
    assert [m["body"] for m in (await control.whole(ch))["messages"]] == ["Hello"]
    entry = (await control.ledger())[-1]
    assert (entry["status"], entry["committed"]) == (0, True)


async def test_what_was_cut_may_be_carried_out_long_after(control: Control, client: Client) -> None:
    ch = await conversation(client)
    await control.faults(cut_after_commit=1, commit_delay_ms=[300, 300])
    with pytest.raises(ClientError):
        await client.conversations.v1.conversations(ch).messages.create_async(body="Hello")
    assert (await control.whole(ch))["messages"] == []
    await asyncio.sleep(0.5)
    assert [m["body"] for m in (await control.whole(ch))["messages"]] == ["Hello"]
    entry = (await control.ledger())[-1]
    assert (entry["status"], entry["committed"], entry["note"]) == (0, True, "cut before the commit")


async def test_what_was_to_be_carried_out_late_may_fail_then(control: Control, client: Client) -> None:
    ch = await conversation(client)
    await control.faults(cut_after_commit=1, commit_delay_ms=[0, 50])
    with pytest.raises(ClientError):
        await client.conversations.v1.conversations(ch).messages.create_async(body="")
    await asyncio.sleep(0.2)
    entry = (await control.ledger())[-1]
    assert (entry["status"], entry["committed"]) == (0, False)


async def test_a_reset_forgets_what_was_to_be_carried_out_late(control: Control, client: Client) -> None:
    ch = await conversation(client)
    await control.faults(cut_after_commit=1, commit_delay_ms=[100, 100])
    with pytest.raises(ClientError):
        await client.conversations.v1.conversations(ch).messages.create_async(body="Hello")
    await control.call("POST", "/sandbox/reset")
    await asyncio.sleep(0.2)
    assert await control.ledger() == []


async def test_a_reset_forgets_a_write_that_latency_holds_up(control: Control, client: Client) -> None:
    await control.faults(latency_ms=200)
    write = asyncio.create_task(conversation(client))
    await asyncio.sleep(0.1)
    await control.call("POST", "/sandbox/reset")
    with pytest.raises(ClientError):
        await write
    assert (await control.call("GET", "/sandbox/state"))[1]["conversations"] == []
    assert await control.ledger() == []


async def test_what_was_refused_is_neither_cut_nor_hidden(control: Control, client: Client) -> None:
    ch = await conversation(client)
    await control.faults(cut_after_commit=1, errors_after_commit=1)
    with pytest.raises(TwilioRestException) as caught:
        await client.conversations.v1.conversations(ch).messages.create_async(body="")
    assert caught.value.code == 50503


async def test_latency_slows_the_twilio_api_and_nothing_else(control: Control, client: Client) -> None:
    await control.faults(latency_ms=200)
    began = time.monotonic()
    await control.call("GET", "/sandbox/state")
    assert time.monotonic() - began < 0.2
    began = time.monotonic()
    await conversation(client)
    assert time.monotonic() - began >= 0.2


async def test_lists_lack_the_newest_messages_while_they_lag(control: Control, client: Client) -> None:
    ch = await conversation(client)
    messages = client.conversations.v1.conversations(ch).messages
    sent = await messages.create_async(body="Hello")
    await control.faults(list_lag_s=600)
    assert await messages.list_async() == []
    assert (await messages(sent.sid).fetch_async()).body == "Hello"
    await control.faults()
    assert len(await messages.list_async()) == 1


async def test_whatever_date_a_client_gives_lists_show_it_by_when_it_came(control: Control, client: Client) -> None:
    messages = client.conversations.v1.conversations(await conversation(client)).messages
    await messages.create_async(body="to come", date_created=datetime(2040, 1, 1, tzinfo=UTC))
    assert [m.body for m in await messages.list_async()] == ["to come"]
    await control.faults(list_lag_s=600)
    await messages.create_async(body="long ago", date_created=datetime(2020, 1, 1, tzinfo=UTC))
    assert await messages.list_async() == []


async def test_a_list_of_participants_lacks_the_newest_while_it_lags(control: Control, client: Client) -> None:
    ch = await conversation(client)
    participants = client.conversations.v1.conversations(ch).participants
    added = await participants.create_async(identity="someone")
    await control.faults(list_lag_s=600)
    assert await participants.list_async() == []
    assert (await participants(added.sid).fetch_async()).identity == "someone"
    await control.faults()
    assert len(await participants.list_async()) == 1


async def test_lists_of_conversations_lack_the_newest_while_they_lag(control: Control, client: Client) -> None:
    made = client.conversations.v1.conversations(await conversation(client))
    await made.participants.create_async(identity="someone")

    async def listed() -> list[int]:
        api = client.conversations.v1
        of_all, of_user = (
            await api.conversations.list_async(),
            await api.users("someone").user_conversations.list_async(),
        )
        of_participant = await api.participant_conversations.list_async(identity="someone")
        return [len(found) for found in (of_all, of_user, of_participant)]

    await control.faults(list_lag_s=600)
    assert await listed() == [0, 0, 0]
    assert (await made.fetch_async()).state == "active"
    await control.faults()
    assert await listed() == [1, 1, 1]


async def test_lost_webhooks_never_arrive_and_stop_nothing(
    sandbox: Running, service: Service, control: Control
) -> None:
    await control.faults(webhook_loss=1)
    answer = await control.inbound()
    await sandbox.sandbox.webhooks.settled()
    assert service.heard == []
    assert len((await control.whole(answer["conversation_sid"]))["messages"]) == 1
    assert {(entry["status"], entry["note"]) for entry in await control.ledger()} == {(0, "lost")}


async def test_repeated_webhooks_carry_the_same_token(sandbox: Running, service: Service, control: Control) -> None:
    await control.faults(webhook_duplicate=1)
    await control.inbound()
    await sandbox.sandbox.webhooks.settled()
    assert len(service.heard) == 10
    assert len({heard.headers["I-Twilio-Idempotency-Token"] for heard in service.heard}) == 5


async def test_delayed_webhooks_overtake_one_another(sandbox: Running, service: Service, control: Control) -> None:
    await control.faults(seed=3, webhook_delay_ms=[0, 100])
    for number in range(8):
        await control.inbound(f"no. {number}")
    await sandbox.sandbox.webhooks.settled()
    indexes = [int(heard.form["Index"]) for heard in service.heard if heard.event == "onMessageAdded"]
    assert sorted(indexes) == list(range(8))
    assert indexes != sorted(indexes)


async def test_faults_are_shown_replaced_and_cleared(control: Control) -> None:
    off = Faults().json()
    await control.faults(seed=1, errors={"429": 0.5}, webhook_delay_ms=[0, 300])
    _, shown = await control.call("GET", "/sandbox/faults")
    assert shown == off | {"seed": 1, "errors": {"429": 0.5}, "webhook_delay_ms": [0, 300]}
    await control.faults(latency_ms=5)
    _, shown = await control.call("GET", "/sandbox/faults")
    assert shown == off | {"latency_ms": 5}
    assert await control.call("PUT", "/sandbox/faults", json=shown) == (200, shown)
    await control.faults()
    assert (await control.call("GET", "/sandbox/faults"))[1] == off


@pytest.mark.parametrize(
    "faults",
    [
        {"seed": "x"},
        {"seed": 1.5},
        {"seed": True},
        {"latency_ms": -1},
        {"latency_ms": "5"},
        {"latency_ms": 1e300},
        {"errors": []},
        {"errors": {"429": 2}},
        {"errors": {"429": "often"}},
        {"errors": {"42": 1}},
        {"errors": {"600": 1}},
        {"errors": {"xyz": 1}},
        {"errors": {"²²²": 1}},
        {"errors_after_commit": 1.1},
        {"cut_after_commit": -0.1},
        {"list_lag_s": None},
        {"webhook_loss": True},
        {"webhook_duplicate": []},
        {"webhook_delay_ms": 100},
        {"webhook_delay_ms": [1]},
        {"webhook_delay_ms": [2, 1]},
        {"webhook_delay_ms": [0, -1]},
        {"webhook_delay": [0, 1]},
        [],
        "off",
        None,
    ],
)
async def test_a_bad_fault_is_refused_and_changes_nothing(control: Control, faults: Any) -> None:
    await control.faults(latency_ms=1)
    status, answer = await control.call("PUT", "/sandbox/faults", data=b"null" if faults is None else None, json=faults)
    assert status == 400
    assert answer["error"]
    assert (await control.call("GET", "/sandbox/faults"))[1]["latency_ms"] == 1


async def test_a_write_is_carried_out_although_its_client_has_gone(
    sandbox: Running, control: Control, client: Client
) -> None:
    ch = await conversation(client)
    await control.faults(latency_ms=100)
    with sandbox.sandbox.world.changes.watched() as watch:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.03):
                await client.conversations.v1.conversations(ch).messages.create_async(body="Hello")
        assert watch.empty()
        change = await watch.get()
    assert change is not None
    assert change.kind == "message"
    assert (await control.ledger())[-1]["committed"] is True

"""The control API: what it shows, what it refuses, and that nothing hostile is answered 500."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import encode_basic_auth
from exchanges import Exchange, complaints
from parties import Control, Service
from twilio.rest import Client

from orchestrator.sandbox import seeds
from orchestrator.sandbox.server import Running, start

CUSTOMER = "+15550100001"


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"from": CUSTOMER},
        {"body": "x"},
        {"from": "", "body": "x"},
        {"from": 1, "body": "x"},
        {"from": "maria", "body": "x"},
        {"from": "+1 555", "body": "x"},
        {"from": "+1\u0665\u0665\u06650100001", "body": "x"},
        {"from": f"sms:{CUSTOMER}", "body": "x"},
        {"from": "pigeon:7", "body": "x"},
        {"from": "+", "body": "x"},
        {"from": "+" + "1" * 400, "body": "x"},
        {"from": CUSTOMER, "body": ""},
        {"from": CUSTOMER, "body": None},
        {"from": CUSTOMER, "body": 5},
        {"from": CUSTOMER, "body": "x" * 32769},
        {"from": CUSTOMER, "body": "x", "to": CUSTOMER},
        {"from": CUSTOMER, "body": "x", "to": "nowhere"},
        {"from": CUSTOMER, "body": "x", "to": "whatsapp:+15550100999"},
        {"from": CUSTOMER, "body": "x", "channel": "pigeon"},
        {"from": CUSTOMER, "body": "x", "channel": 1},
        {"from": "nobody", "body": "x", "channel": "whatsapp"},
        {"from": "messenger:1", "body": "x", "to": "messenger:2", "channel": "sms"},
        {"from": "m" * 257, "body": "x", "channel": "chat"},
        {"from": "maria", "body": "x", "channel": "chat", "to": 5},
        {"from": CUSTOMER, "body": "x", "media": "boots.jpg"},
        {"from": CUSTOMER, "media": [1]},
        {"from": CUSTOMER, "media": ["ftp://example.test/x"]},
        {"from": CUSTOMER, "media": [{"sid": "ME1"}]},
        {"from": CUSTOMER, "media": [{"size": -1}]},
        {"from": CUSTOMER, "media": [{"content_type": "picture"}]},
        {"from": CUSTOMER, "media": [{"content_type": "image/png\r\nX-Other: 1"}]},
        {"from": CUSTOMER, "media": ["https://example.test/x"] * 11},
        {"from": CUSTOMER, "media": []},
        {"from": CUSTOMER, "body": "x", "colour": "red"},
        [],
        "hello",
        17,
    ],
)
async def test_a_message_that_cannot_be_is_refused(control: Control, message: Any) -> None:
    status, answer = await control.call("POST", "/sandbox/inbound", data=json.dumps(message))
    assert status == 400
    assert answer["error"]
    assert await control.ledger() == []


@pytest.mark.parametrize(
    ("message", "names"),
    [
        ({"from": "abc"}, ("from", "sms", "+15550100999")),
        ({"from": "abc", "channel": "whatsapp"}, ("from", "whatsapp", "whatsapp:+15550100999")),
        ({"from": CUSTOMER, "to": "whatsapp:+15550100999"}, ("to", "sms", "+15550100999")),
    ],
)
async def test_an_address_that_is_none_is_refused_by_its_name_with_an_example(
    control: Control, message: dict[str, str], names: tuple[str, str, str]
) -> None:
    status, answer = await control.call("POST", "/sandbox/inbound", {"body": "x", **message})
    name, channel, example = names
    expected = f"{name} is no address of {channel}: one like {example} is expected"
    assert (status, answer["error"]) == (400, expected)


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"from": ""},
        {"from": 1},
        {"from": CUSTOMER, "digits": "1"},
        {"from": CUSTOMER, "digits": [1]},
        {"from": CUSTOMER, "digits": [""]},
        {"from": CUSTOMER, "hang_up": "yes"},
        {"from": CUSTOMER, "dial": "ringing"},
        {"from": CUSTOMER, "duration": -1},
        {"from": CUSTOMER, "duration": True},
        {"from": CUSTOMER, "duration": "60"},
        {"from": CUSTOMER, "body": "x"},
    ],
)
async def test_a_call_that_cannot_be_is_refused(control: Control, wanted: Any) -> None:
    status, answer = await control.call("POST", "/sandbox/call", data=json.dumps(wanted))
    assert status == 400
    assert answer["error"]
    assert await control.ledger() == []


async def test_a_call_that_is_answered_with_no_document_is_an_error_tone(control: Control) -> None:
    status, heard = await control.call("POST", "/sandbox/call", {"from": CUSTOMER})
    assert (status, heard["said"]) == (201, [])
    assert "not with TwiML" in heard["error"]
    paths = [entry["path"] for entry in await control.ledger()]
    assert paths == ["/voice", "/voice/status"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"NaN", b"[" * 50_000, b'{"from":"\\ud800","body":"x"}', b"{" * 50_000, b"null", b"\x00"],
)
@pytest.mark.parametrize("path", ["inbound", "workers", "faults"])
async def test_a_body_that_is_no_json_object_is_refused(control: Control, path: str, body: bytes) -> None:
    method = "PUT" if path == "faults" else "POST"
    status, _ = await control.call(method, f"/sandbox/{path}", data=body)
    assert status == (200 if (path, body) == ("faults", b"") else 400)


async def test_a_body_too_large_is_refused(control: Control) -> None:
    assert (await control.call("POST", "/sandbox/inbound", {"from": CUSTOMER, "body": "x" * 300_000}))[0] == 413


@pytest.mark.parametrize(
    "worker",
    [
        {},
        {"identity": "new@example.test"},
        {"available": True},
        {"identity": "new@example.test", "available": "yes"},
        {"identity": "", "available": True},
        {"identity": 5, "available": True},
        {"identity": "w" * 65, "available": True},
        {"identity": "new@example.test", "available": True, "attributes": "{"},
        {"identity": "new@example.test", "available": True, "attributes": []},
        {"identity": "new@example.test", "available": True, "attributes": {"x": "y" * 17_000}},
        {"identity": "new@example.test", "available": True, "name": "x"},
    ],
)
async def test_a_worker_that_cannot_be_is_refused(control: Control, worker: dict[str, Any]) -> None:
    assert (await control.call("POST", "/sandbox/workers", worker))[0] == 400
    _, state = await control.call("GET", "/sandbox/state")
    assert len(state["workers"]) == 3


async def test_the_number_written_to_decides_the_conversation(control: Control) -> None:
    one = await control.inbound()
    other = await control.inbound(to="+15550100998")
    assert one["conversation_sid"] != other["conversation_sid"]
    (participant,) = (await control.whole(other["conversation_sid"]))["participants"]
    assert participant["messaging_binding"]["proxy_address"] == "+15550100998"


async def test_an_address_that_has_its_prefix_gets_no_other(control: Control) -> None:
    one = await control.inbound("x", "whatsapp:+15550100003", channel="whatsapp")
    two = await control.inbound("x", "+15550100003", channel="whatsapp", to="+15550100999")
    three = await control.inbound("x", "whatsapp:+15550100003")
    assert one["conversation_sid"] == two["conversation_sid"] == three["conversation_sid"]


async def test_a_worker_who_writes_first_in_chat_begins_a_conversation_of_his_own(control: Control) -> None:
    theirs = await control.inbound("Hello", "maria", channel="chat")
    join = f"/sandbox/conversations/{theirs['conversation_sid']}/join"
    await control.call("POST", join, {"identity": "ada@example.test"})
    his = await control.inbound("Good morning", "ada@example.test", channel="chat")
    assert his["conversation_sid"] != theirs["conversation_sid"]


async def test_a_conversation_is_shown_as_rest_shows_it(control: Control, client: Client) -> None:
    ch = (await control.inbound("one"))["conversation_sid"]
    await client.conversations.v1.conversations(ch).messages.create_async(body="two")
    whole = await control.whole(ch)
    assert [(m["index"], m["body"]) for m in whole["messages"]] == [(0, "one"), (1, "two")]
    assert (await control.call("GET", "/sandbox/conversations/CH" + "0" * 32))[0] == 404
    for name, shown in (("", whole["conversation"]), ("Messages", whole["messages"][0])):
        url = f"https://conversations.twilio.com/v1/Conversations/{ch}"
        url += f"/{name}/{shown['sid']}" if name else ""
        assert complaints(Exchange("GET", url, [], 200, json.dumps(shown))) == []


async def test_the_state_holds_what_the_page_shows(service: Service, control: Control) -> None:
    first = (await control.inbound("one"))["conversation_sid"]
    second = (await control.inbound("two", "maria", channel="chat"))["conversation_sid"]
    _, state = await control.call("GET", "/sandbox/state")
    assert (state["account_sid"], state["service_url"]) == (seeds.ACCOUNT_SID, service.url)
    assert state["numbers"] == seeds.NUMBERS
    assert [worker["identity"] for worker in state["workers"]] == [identity for identity, _ in seeds.WORKERS]
    assert [(c["sid"], c["address"]) for c in state["conversations"]] == [(second, None), (first, CUSTOMER)]
    assert state["conversations"][1]["messages"][0]["body"] == "one"
    assert state["faults"]["errors"] == {}


async def test_the_ledger_tells_writes_and_webhooks_in_order_and_from_a_point_on(
    sandbox: Running, control: Control, client: Client
) -> None:
    ch = (await control.inbound("one"))["conversation_sid"]
    await client.conversations.v1.conversations(ch).messages.create_async(body="two", attributes='{"k":"CH1/1/0"}')
    await client.conversations.v1.conversations(ch).messages.list_async()
    await sandbox.sandbox.webhooks.settled()
    entries = await control.ledger()
    (write,) = [entry for entry in entries if entry["kind"] == "rest"]
    assert (write["method"], write["path"], write["status"]) == ("POST", f"/v1/Conversations/{ch}/Messages", 201)
    assert write["form"] == {"Body": "two", "Attributes": '{"k":"CH1/1/0"}'}
    assert entries[0]["path"] == "/pre-event"
    assert entries[0]["form"]["EventType"] == "onConversationAdd"
    sequence = [entry["seq"] for entry in entries]
    assert sequence == sorted(set(sequence))
    assert [entry["seq"] for entry in await control.ledger(since=sequence[2])] == sequence[3:]
    assert await control.ledger(since=sequence[-1]) == []


async def test_a_question_is_no_write_and_not_in_the_ledger(control: Control) -> None:
    credentials = {"Authorization": encode_basic_auth(seeds.ACCOUNT_SID, seeds.AUTH_TOKEN)}
    for method in ("GET", "HEAD", "OPTIONS"):
        await control.call(method, "/v1/Nothing", headers=credentials)
    assert await control.ledger() == []


@pytest.mark.parametrize("since", ["x", "-1", "1.5", "9" * 30, "²"])
async def test_a_bad_point_is_refused(control: Control, since: str) -> None:
    assert (await control.call("GET", f"/sandbox/ledger?since={since}"))[0] == 400


async def test_a_reset_leaves_an_empty_account_with_new_workers(
    sandbox: Running, control: Control, client: Client
) -> None:
    ch = (await control.inbound())["conversation_sid"]
    await control.faults(latency_ms=10)
    await control.call("POST", "/sandbox/workers", {"identity": "new@example.test", "available": True})
    await client.conversations.v1.configuration.webhooks().update_async(filters=["onMessageAdd"])
    _, before = await control.call("GET", "/sandbox/state")
    last = (await control.ledger())[-1]["seq"]
    assert (await control.call("POST", "/sandbox/reset", {}))[0] == 204
    _, after = await control.call("GET", "/sandbox/state")
    assert (after["conversations"], after["faults"]["latency_ms"]) == ([], 0)
    assert [(w["identity"], w["available"]) for w in after["workers"]] == list(seeds.WORKERS)
    assert not {w["sid"] for w in before["workers"]} & {w["sid"] for w in after["workers"]}
    assert (await control.call("GET", f"/sandbox/conversations/{ch}"))[0] == 404
    assert await control.ledger() == []
    fresh = await control.inbound()
    assert fresh["conversation_sid"] != ch
    await sandbox.sandbox.webhooks.settled()
    entries = await control.ledger()
    assert len(entries) == 5
    assert entries[0]["seq"] > last


async def test_a_reset_stops_what_was_on_its_way(sandbox: Running, service: Service, control: Control) -> None:
    service.gates["onConversationAdded"] = asyncio.Event()
    await control.inbound()
    await service.until("onConversationAdded")
    await control.call("POST", "/sandbox/reset")
    await sandbox.sandbox.webhooks.settled()
    assert service.events() == ["onConversationAdd", "onConversationAdded"]


async def test_a_reset_takes_back_what_the_service_was_being_asked(
    sandbox: Running, service: Service, control: Control
) -> None:
    service.gates["onConversationAdd"] = asyncio.Event()
    message = {"from": CUSTOMER, "body": "x"}
    waiting = [asyncio.create_task(control.call("POST", "/sandbox/inbound", message)) for _ in range(2)]
    await service.until("onConversationAdd")
    await control.call("POST", "/sandbox/reset")
    for status, answer in await asyncio.gather(*waiting):
        assert (status, "reset" in answer["error"]) == (409, True)
    assert service.events() == ["onConversationAdd"]
    assert (await control.call("GET", "/sandbox/state"))[1]["conversations"] == []
    assert await control.ledger() == []


async def test_changes_are_streamed_to_the_page(sandbox: Running, control: Control) -> None:
    async with control.session.get("/sandbox/events") as stream:
        assert stream.content_type == "text/event-stream"
        ch = (await control.inbound())["conversation_sid"]
        await control.faults(latency_ms=0)
        kinds = []
        while "faults" not in kinds:
            line = (await stream.content.readline()).decode().strip()
            if line.startswith("data:"):
                change = json.loads(line.removeprefix("data:"))
                kinds.append(change["kind"])
                assert change["sid"] in (ch, None)
            elif line:
                assert line == "event: change"
        assert kinds == ["conversation", "participant", "message", "faults"]
        await asyncio.wait_for(sandbox.stop(), 5)
        rest = await stream.content.read()
        assert b"data" not in rest


async def test_a_page_of_another_site_may_not_use_it(control: Control) -> None:
    message = {"from": CUSTOMER, "body": "x"}
    foreign, own = {"Origin": "http://evil.example"}, {"Origin": str(control.session._base_url).rstrip("/")}
    assert (await control.call("POST", "/sandbox/inbound", message, headers=foreign))[0] == 403
    assert (await control.call("POST", "/sandbox/inbound", message, headers={"Origin": "null"}))[0] == 403
    assert (await control.call("POST", "/sandbox/inbound", message, headers={"Origin": "http://["}))[0] == 403
    assert (await control.call("POST", "/sandbox/inbound", message, headers=own))[0] == 201


@pytest.mark.parametrize("path", ["/sandbox/nothing", "/sandbox/conversations/x", "/sandbox/conversations/%00%ff"])
async def test_what_is_not_there_is_not_found_in_json(control: Control, path: str) -> None:
    status, answer = await control.call("GET", path)
    assert status == 404
    assert answer["error"]


async def test_another_method_is_refused_and_told_which_there_are(control: Control) -> None:
    async with control.session.post("/sandbox/faults", json={}) as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET,PUT")
        assert (await response.json())["error"]


async def test_the_switches_are_shown_and_set(control: Control) -> None:
    assert (await control.call("GET", "/sandbox/switches"))[1] == {
        "worker_etags": False,
        "listed_worker_attributes": True,
    }
    status, shown = await control.call("PUT", "/sandbox/switches", {"listed_worker_attributes": False})
    assert (status, shown["listed_worker_attributes"]) == (200, False)
    assert (await control.call("PUT", "/sandbox/switches", {"other": True}))[0] == 400
    assert (await control.call("PUT", "/sandbox/switches", {"worker_etags": 1}))[0] == 400


async def test_a_taken_port_is_an_error_and_leaves_nothing_open(sandbox: Running) -> None:
    port = int(sandbox.url.rpartition(":")[2])
    with pytest.raises(OSError, match="address already in use"):
        await start("127.0.0.1", port, "http://127.0.0.1:9")


async def test_the_exchange_checker_sees_what_is_amiss(control: Control) -> None:
    ch = (await control.inbound())["conversation_sid"]
    shown = (await control.whole(ch))["conversation"]
    url = f"https://conversations.twilio.com/v1/Conversations/{ch}"
    assert complaints(Exchange("GET", url, [], 200, json.dumps(shown))) == []
    assert complaints(Exchange("GET", url, [], 200, json.dumps(shown | {"state": "asleep"})))
    assert complaints(Exchange("GET", url, [], 200, json.dumps(shown | {"extra": 1})))
    assert complaints(Exchange("GET", url, [], 200, json.dumps({k: v for k, v in shown.items() if k != "url"})))
    assert complaints(Exchange("GET", url + "?Pagesize=5", [], 200, json.dumps(shown)))
    assert complaints(Exchange("POST", url, [("friendlyName", "x")], 200, json.dumps(shown)))
    assert complaints(Exchange("GET", url + "/Nothing", [], 200, "{}"))


@pytest.mark.parametrize("path", ["/sandbox/inbound", "/v1/Conversations"])
async def test_a_body_that_cannot_be_unpacked_is_refused(control: Control, path: str) -> None:
    headers = {
        "Content-Encoding": "gzip",
        "Content-Type": "application/x-www-form-urlencoded",
        "Authorization": encode_basic_auth(seeds.ACCOUNT_SID, seeds.AUTH_TOKEN),
    }
    status, answer = await control.call("POST", path, data=b"not gzip at all", headers=headers, compress=False)
    assert status == 400
    assert answer


async def test_a_first_message_to_a_sender_without_autocreation_is_added_nowhere(
    control: Control, sandbox: Running
) -> None:
    configuration = sandbox.sandbox.addresses.of(seeds.NUMBERS["sms"])
    assert configuration is not None
    configuration.auto_creation.enabled = False
    status, _ = await control.call("POST", "/sandbox/inbound", json={"from": CUSTOMER, "body": "Hello"})
    assert status == 409
    assert sandbox.sandbox.world.conversations == {}

"""The routes Twilio calls, to the letter: what is refused, in which order, and what is answered when the store is not
there; each fact once, in the order of Index, whoever tells it and however often."""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import Any

import pytest
from aiohttp import web

from orchestrator.bodies import split_form
from orchestrator.sandbox import seeds
from tests.e2e.conftest import ARTICLE_FILTERS, House
from tests.e2e.doors import CREDENTIALS, PROXY, gate, knock, locked, read, rows, serving, signature

MARIA = "+15550100001"
FORM = "application/x-www-form-urlencoded"


def sid(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


CH, IM, MB = sid("CH"), sid("IM"), sid("MB")
MESSAGE = {
    "EventType": "onMessageAdded",
    "ConversationSid": CH,
    "MessageSid": IM,
    "Index": "0",
    "Author": MARIA,
    "Body": "Hello",
    "ParticipantSid": MB,
}
GOOD = {
    "/pre-event": {"EventType": "onMessageAdd", "ConversationSid": CH, "Author": MARIA, "Body": "Hello"},
    "/post-event": MESSAGE,
    "/routing": {"ConversationSid": CH},
    "/taskrouter-event": {"EventType": "worker.activity.update"},
    "/crm": {"Location": "GetCustomersList", "Worker": "ada@example.test"},
    "/outbound": {
        "Location": "GetProxyAddress",
        "Worker": "ada@example.test",
        "CustomerId": "1",
        "ChannelType": "sms",
        "ChannelValue": MARIA,
    },
    "/templates": {"Location": "GetTemplatesByCustomerId", "Worker": "ada@example.test", "CustomerId": "1"},
}
ROUTES = list(GOOD)


@pytest.mark.parametrize("path", ROUTES)
async def test_a_good_request_is_taken(house: House, path: str) -> None:
    reply = await knock(house, path, GOOD[path])
    assert reply.status == (204 if path == "/taskrouter-event" else 200)
    if path == "/pre-event":
        assert reply.json == {}


@pytest.mark.parametrize("path", ROUTES)
async def test_another_accounts_sid_is_403_and_none_or_an_empty_one_is_fine(house: House, path: str) -> None:
    before = rows(house)
    assert (await knock(house, path, GOOD[path] | {"AccountSid": sid("AC")})).status == 403
    assert (await knock(house, path, GOOD[path] | {"AccountSid": "AC1"})).status == 403
    assert rows(house) == before
    assert (await knock(house, path, GOOD[path] | {"AccountSid": ""})).status < 300
    assert (await knock(house, path, GOOD[path] | {"AccountSid": seeds.ACCOUNT_SID})).status < 300


@pytest.mark.parametrize("path", ROUTES)
async def test_a_wrong_or_missing_signature_is_403_and_leaves_nothing(house: House, path: str) -> None:
    before = rows(house)
    good = signature(house.url + path, GOOD[path])
    altered = ("B" if good[0] == "A" else "A") + good[1:]
    for given in (None, "", "x", altered, good[:-1], "é" * 9):
        headers = {} if given is None else {"X-Twilio-Signature": given}
        async with house.session.post(house.url + path, data=GOOD[path], headers=headers) as response:
            assert response.status == 403, given
    assert (await knock(house, path, GOOD[path], token="0" * 32)).status == 403
    signed_elsewhere = signature(f"{house.url}/elsewhere", GOOD[path])
    assert (await knock(house, path, GOOD[path], **{"X-Twilio-Signature": signed_elsewhere})).status == 403
    assert rows(house) == before


@pytest.mark.parametrize("path", ROUTES)
async def test_the_host_header_and_forwarded_ones_have_no_say(house: House, path: str) -> None:
    forged = {"Host": "evil.example.test", "X-Forwarded-Host": "evil.example.test", "X-Forwarded-Proto": "https"}
    assert (await knock(house, path, GOOD[path], **forged)).status < 300


@pytest.mark.parametrize("path", ROUTES)
async def test_a_big_body_is_413_before_anything_else_is_looked_at(house: House, path: str) -> None:
    before = rows(house)
    big = "Body=" + "x" * 256 * 1024
    async with house.session.post(house.url + path, data=big, headers={"Content-Type": FORM}) as response:
        assert response.status == 413
    full = GOOD[path] | {"Filler": "x" * (256 * 1024 - 2048)}
    assert (await knock(house, path, full)).status < 300
    if path not in ("/pre-event", "/post-event", "/routing"):
        assert rows(house) == before


async def test_a_big_body_without_a_length_is_413(house: House) -> None:
    async def chunks() -> Any:
        for _ in range(30):
            yield b"x" * 10_000

    async with house.session.post(house.url + "/post-event", data=chunks(), headers={"Content-Type": FORM}) as answer:
        assert answer.status == 413


async def test_a_slow_body_is_408_signed_or_not(house: House) -> None:
    before = rows(house)
    for line, seconds in await asyncio.gather(*(drip(house, path) for path in ROUTES)):
        assert b" 408 " in line
        assert 2.5 < seconds < 4.5
    assert rows(house) == before


async def drip(house: House, path: str) -> tuple[bytes, float]:
    """Begin a body and never end it; the status line, and how many seconds it took."""
    host, port = house.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    started = time.monotonic()
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: 50\r\n\r\nA=".encode())
    line = await asyncio.wait_for(reader.readline(), 6)
    writer.close()
    await writer.wait_closed()
    return line, time.monotonic() - started


@pytest.mark.parametrize("path", ["/pre-event", "/post-event"])
async def test_a_get_is_not_a_webhook(house: House, path: str) -> None:
    async with house.session.get(house.url + path) as response:
        assert response.status == 405


BAD = [
    ("/pre-event", {}),
    ("/pre-event", {"EventType": ""}),
    ("/pre-event", GOOD["/pre-event"] | {"ConversationSid": ""}),
    ("/pre-event", GOOD["/pre-event"] | {"ConversationSid": "CH1"}),
    ("/pre-event", GOOD["/pre-event"] | {"ConversationSid": CH[:-1] + "g"}),
    ("/pre-event", GOOD["/pre-event"] | {"ConversationSid": CH + "0"}),
    ("/pre-event", GOOD["/pre-event"] | {"ConversationSid": "1" + CH[1:]}),
    ("/pre-event", GOOD["/pre-event"] | {"ConversationSid": CH + "\n"}),
    ("/pre-event", GOOD["/pre-event"] | {"Author": ""}),
    ("/pre-event", GOOD["/pre-event"] | {"ChatServiceSid": "nonsense"}),
    ("/post-event", {}),
    *(("/post-event", MESSAGE | {name: ""}) for name in ("ConversationSid", "MessageSid", "Index", "Author")),
    *(("/post-event", MESSAGE | {name: "XX"}) for name in ("ConversationSid", "MessageSid", "Index", "ParticipantSid")),
    ("/post-event", MESSAGE | {"Index": "-1"}),
    ("/post-event", MESSAGE | {"Index": "1.5"}),
    ("/post-event", MESSAGE | {"Index": "9" * 400}),
    ("/post-event", MESSAGE | {"Index": "٣"}),
    ("/post-event", MESSAGE | {"Body": "a\0b"}),
    ("/post-event", {"EventType": "onParticipantAdded", "ConversationSid": CH, "Identity": "a"}),
    ("/post-event", {"EventType": "onParticipantAdded", "ParticipantSid": MB, "Identity": "a"}),
    ("/post-event", {"EventType": "onParticipantRemoved", "ConversationSid": CH}),
    ("/post-event", {"EventType": "onConversationAdded"}),
    ("/post-event", {"EventType": "onConversationRemoved", "ConversationSid": "CHx"}),
    ("/post-event", {"EventType": "onConversationStateUpdated", "ConversationSid": CH}),
    ("/post-event", {"EventType": "onConversationStateUpdated", "StateTo": "closed"}),
    ("/post-event", {"EventType": "onDeliveryUpdated", "MessageSid": IM, "Status": "sent"}),
    ("/routing", {"EventType": "x"}),
    ("/routing", {"ConversationSid": "x"}),
    ("/taskrouter-event", {"Sid": "EV1"}),
    ("/crm", {"Worker": "ada@example.test"}),
    ("/crm", {"Location": "GetCustomersList"}),
    ("/crm", {"Location": "GetCustomerDetailsByCustomerId", "Worker": "ada@example.test"}),
    ("/outbound", GOOD["/outbound"] | {"ChannelValue": ""}),
    ("/outbound", GOOD["/outbound"] | {"CustomerId": ""}),
    ("/templates", GOOD["/templates"] | {"CustomerId": ""}),
]


async def test_what_lacks_something_or_is_malformed_is_400_and_leaves_nothing(house: House) -> None:
    before = rows(house)
    for path, form in BAD:
        assert (await knock(house, path, form)).status == 400, (path, form)
        async with house.session.post(house.url + path, data=form) as unsigned:
            assert unsigned.status == 403, (path, form)
    assert rows(house) == before


@pytest.mark.parametrize("body", [b"A=%ff", b"A=%zz", b"A=%00", b"&" * 2000], ids=["utf-8", "escape", "nul", "fields"])
async def test_a_body_that_cannot_be_parsed_is_400_when_signed_and_403_when_not(house: House, body: bytes) -> None:
    before = rows(house)
    fields = b"".join(name + value for name, value in sorted(set(split_form(body))))
    for path in ROUTES:
        url = house.url + path
        digest = hmac.digest(seeds.AUTH_TOKEN.encode(), url.encode() + fields, "sha1")
        for given, status in ((base64.b64encode(digest).decode(), 400), ("x", 403)):
            headers = {"Content-Type": FORM, "X-Twilio-Signature": given}
            async with house.session.post(url, data=body, headers=headers) as response:
                assert response.status == status, path
    assert rows(house) == before


FINE: list[tuple[str, dict[str, str]]] = [
    ("/pre-event", {"EventType": "onSomethingNew", "ConversationSid": "whatever"}),
    ("/pre-event", GOOD["/pre-event"] | {"Novel": "x", "ParticipantSid": "unused", "MessageSid": "unused"}),
    ("/pre-event", {"EventType": "onConversationAdd"}),
    ("/pre-event", {"EventType": "onConversationAdd", "MessagingBinding.Address": MARIA}),
    ("/post-event", {"EventType": "onSomethingNew", "ConversationSid": "whatever"}),
    ("/post-event", {"EventType": "onUserAdded"}),
    ("/post-event", MESSAGE | {"Novel": "x", "RoleSid": "unused", "MessagingServiceSid": "unused"}),
    ("/post-event", MESSAGE | {"Body": "", "Media": '[{"Sid": "ME1"}]'}),
    ("/post-event", MESSAGE | {"Media": "not JSON"}),
    ("/post-event", MESSAGE | {"ParticipantSid": "", "ChatServiceSid": ""}),
    ("/routing", {"ConversationSid": CH, "Novel": "x"}),
    ("/taskrouter-event", {"EventType": "task.created", "WorkerSid": "unused"}),
]


async def test_unknown_fields_and_types_and_empty_values_are_fine(house: House) -> None:
    for path, form in FINE:
        assert (await knock(house, path, form)).status < 300, (path, form)


async def post_json(house: House, path: str, body: bytes, claimed: bytes | None = None) -> int:
    digest = hashlib.sha256(body if claimed is None else claimed).hexdigest()
    target = f"{path}?bodySHA256={digest}"
    headers = {"Content-Type": "application/json", "X-Twilio-Signature": signature(house.url + target, {})}
    async with house.session.post(house.url + target, data=body, headers=headers) as response:
        return (await read(response)).status


async def test_json_is_signed_by_its_hash(house: House) -> None:
    body = json.dumps(MESSAGE | {"Index": 0}).encode()
    before = rows(house)
    assert await post_json(house, "/post-event", body, claimed=b"other") == 403
    assert await post_json(house, "/post-event", b"[1]") == 400
    assert await post_json(house, "/post-event", b"{") == 400
    assert await post_json(house, "/post-event", b"{}") == 400
    assert await post_json(house, "/post-event", json.dumps({**MESSAGE, "AccountSid": sid("AC")}).encode()) == 403
    assert rows(house) == before
    assert await post_json(house, "/post-event", body) == 200
    assert rows(house)["inbox"] == before["inbox"] + 1


async def test_both_tokens_are_good_while_they_rotate(bare_house: House) -> None:
    await bare_house.start(TWILIO_API_URL=bare_house.sandbox.url, TWILIO_AUTH_TOKEN_SECONDARY="1f" * 16, **CREDENTIALS)
    for token, status in ((seeds.AUTH_TOKEN, 200), ("1f" * 16, 200), ("2f" * 16, 403)):
        assert (await knock(bare_house, "/post-event", MESSAGE, token)).status == status


# Each fact once, in order.


async def told(house: House, path: str = "/post-event") -> list[dict[str, str]]:
    """The webhooks the sandbox sent to a path, as forms."""
    return [e["form"] for e in await house.ledger() if e["kind"] == "webhook" and e["path"] == path]


async def test_every_webhook_sent_again_changes_nothing(house: House) -> None:
    ch = await house.say(MARIA, "agent")
    await house.state(ch, "with_worker")
    await house.quiet(ch)
    await house.post(f"/sandbox/conversations/{ch}/leave", {"identity": "ada@example.test"})
    await house.state(ch, "awaiting_choice")
    await house.say(MARIA, "Hello")
    await house.until(lambda: last_is_ours(house, ch))
    await house.post(f"/sandbox/conversations/{ch}/close", {})
    await house.state(ch, "closed")
    await house.quiet(ch)
    before, said = await house.dump(ch), await house.said(ch)
    for form in await told(house):
        for _ in range(2):
            assert (await knock(house, "/post-event", form)).status == 200
    for form in await told(house, "/routing"):
        assert (await knock(house, "/routing", form)).status == 200
    after = await house.quiet(ch)
    assert after["history"] == before["history"]
    assert after["effects"] == before["effects"]
    assert await house.said(ch) == said


async def last_is_ours(house: House, ch: str) -> bool:
    return (await house.said(ch))[-1][0] == "system"


async def test_duplicated_webhooks_at_the_same_time_are_one_transition(house: House) -> None:
    await house.post("/sandbox/faults", {"webhook_duplicate": 1}, "PUT")
    ch = await house.say(MARIA, "one")
    await house.say(MARIA, "two")
    await house.until(lambda: answered(house, ch, 2))
    dump = await house.quiet(ch)
    received = [r["event"]["body"] for r in dump["history"] if r["trigger"] == "message_received"]
    assert received == ["one", "two"]
    assert len(await house.said(ch)) == 5


async def answered(house: House, ch: str, count: int) -> bool:
    return sum(1 for row in (await house.dump(ch))["history"] if row["trigger"] == "bot_replied") >= count


@pytest.mark.parametrize("order", [(3, 2, 1), (2, 3, 1), (3, 1, 2)])
async def test_messages_told_out_of_order_are_answered_in_the_order_of_index(
    house: House, order: tuple[int, ...]
) -> None:
    ch = await house.say(MARIA, "0")
    await house.until(lambda: answered(house, ch, 1))
    await house.quiet(ch)
    await house.post("/sandbox/faults", {"webhook_loss": 1}, "PUT")
    for text in "123":
        await house.say(MARIA, text)
    record = await house.record(ch)
    forms = {m["body"]: form_of(ch, m) for m in record["messages"] if m["author"] == MARIA}
    for number in order:
        assert (await knock(house, "/post-event", forms[str(number)])).status == 200
        await asyncio.sleep(0.12)
    await house.until(lambda: answered(house, ch, 4))
    dump = await house.quiet(ch)
    assert [r["event"]["body"] for r in dump["history"] if r["trigger"] == "message_received"] == list("0123")
    asked = [r["event"]["message_sid"] for r in dump["history"] if r["trigger"] == "bot_replied"]
    assert asked == [m["sid"] for m in record["messages"] if m["author"] == MARIA]


def form_of(ch: str, message: dict[str, Any]) -> dict[str, str]:
    return {
        "EventType": "onMessageAdded",
        "ConversationSid": ch,
        "MessageSid": message["sid"],
        "Index": str(message["index"]),
        "Author": message["author"],
        "Body": message["body"],
        "ParticipantSid": message["participant_sid"],
    }


async def test_webhooks_delayed_at_random_are_answered_once_each_in_order(house: House) -> None:
    await house.post("/sandbox/faults", {"webhook_delay_ms": [0, 300], "seed": 4}, "PUT")
    ch = await house.say(MARIA, "0")
    for text in "1234":
        await house.say(MARIA, text)
    await house.until(lambda: answered(house, ch, 5))
    dump = await house.quiet(ch)
    assert [r["event"]["body"] for r in dump["history"] if r["trigger"] == "message_received"] == list("01234")
    assert len(await house.said(ch)) == 11
    await answers_follow(house, ch)


async def answers_follow(house: House, ch: str) -> None:
    """No answer stands before the message it answers: at no point more answers than messages, the welcome aside."""
    balance = 1
    for author, _body in await house.said(ch):
        balance += -1 if author == "system" else 1
        assert balance >= 0


@pytest.mark.parametrize("filters", ["recommended", "article"])
async def test_the_answer_never_stands_before_its_message(house: House, filters: str) -> None:
    if filters == "article":
        await house.filters(ARTICLE_FILTERS)
    ch = await house.say(MARIA, "0")
    for n in range(1, 4):
        await house.say(MARIA, str(n))
        await asyncio.sleep(0.2)
    await house.until(lambda: answered(house, ch, 4), 20)
    await house.quiet(ch)
    assert len(await house.said(ch)) == 9
    await answers_follow(house, ch)


async def test_an_ordinary_message_costs_no_read_with_the_recommended_filters(bare_house: House) -> None:
    async with gate(bare_house) as counted:
        await bare_house.start(TWILIO_API_URL=counted.url, PUBLISH_GRACE_S="5")
        await asyncio.sleep(0.5)
        counted.calls.clear()
        ch = await bare_house.say(MARIA, "one")
        await bare_house.until(lambda: answered(bare_house, ch, 1))
        await bare_house.quiet(ch)
        await bare_house.say(MARIA, "two")
        await bare_house.until(lambda: answered(bare_house, ch, 2))
        await bare_house.quiet(ch)
        assert rows(bare_house)["look"] == 0
        # the participant is read once, to keep his other attributes
        assert [path for path in counted.reads() if "/Participants/MB" not in path] == []
        await bare_house.stop()


async def test_a_message_costs_one_look_with_the_articles_filters(bare_house: House) -> None:
    await bare_house.filters(ARTICLE_FILTERS)
    async with gate(bare_house) as counted:
        await bare_house.start(TWILIO_API_URL=counted.url)
        ch = await bare_house.say(MARIA, "one")
        await bare_house.until(lambda: answered(bare_house, ch, 1))
        await bare_house.quiet(ch)
        counted.calls.clear()
        await bare_house.say(MARIA, "two")
        await bare_house.until(lambda: answered(bare_house, ch, 2))
        await bare_house.quiet(ch)
        await asyncio.sleep(2)
        assert [path.rsplit("/", 1)[1] for path in counted.reads()] == ["Messages"]
        assert rows(bare_house)["look"] == 0
        await bare_house.stop()


# What waits, and for whom.


async def test_a_crm_that_hangs_costs_a_second_once_and_then_nobody_anything(bare_house: House) -> None:
    released = asyncio.Event()

    async def hang(_request: web.Request) -> web.Response:
        await released.wait()
        return web.json_response([{"id": 1, "name": "Maria Sanchez"}])

    async with serving(hang) as url:
        await bare_house.start(CRM="strapi", STRAPI_URL=url, STRAPI_TOKEN="t" * 32)
        waits = [await announced(bare_house, n) for n in range(3)]
        assert 0.8 < waits[0] < 1.6
        assert max(waits[1:]) < 0.4
        ch = await bare_house.say("+15550100002", "Hello")
        await bare_house.until(lambda: answered(bare_house, ch, 1), 4)
        released.set()
        await bare_house.stop()


async def announced(house: House, n: int) -> float:
    """How long the pre-action webhook of a new conversation took, in seconds."""
    form = {
        "EventType": "onConversationAdd",
        "MessagingBinding.Address": f"+1555040{n:04d}",
        "MessagingBinding.ProxyAddress": PROXY,
    }
    started = time.monotonic()
    reply = await knock(house, "/pre-event", form)
    assert (reply.status, reply.json) == (200, {})
    return time.monotonic() - started


async def test_the_name_of_a_new_conversation_is_in_the_answer(house: House) -> None:
    form = {"EventType": "onConversationAdd", "MessagingBinding.Address": MARIA, "MessageBody": "Hello"}
    reply = await knock(house, "/pre-event", form | {"MessagingBinding.ProxyAddress": PROXY})
    assert (reply.status, reply.json) == (200, {"friendly_name": "Maria Sanchez"})


async def test_a_store_that_cannot_commit_refuses_no_message_and_acknowledges_no_fact(house: House) -> None:
    ch = await house.say(MARIA, "Hello")
    await house.quiet(ch)
    await house.sandbox.sandbox.webhooks.settled()
    before = rows(house)
    async with locked(house):
        started = time.monotonic()
        pre = await knock(house, "/pre-event", GOOD["/pre-event"] | {"ConversationSid": ch})
        assert (pre.status, pre.json) == (200, {})
        assert time.monotonic() - started < 2
        opening = {"EventType": "onConversationAdd", "MessagingBinding.Address": MARIA}
        started = time.monotonic()
        pre = await knock(house, "/pre-event", opening | {"MessagingBinding.ProxyAddress": PROXY})
        assert (pre.status, pre.json) == (200, {})
        assert time.monotonic() - started < 2
        started = time.monotonic()
        posts = await asyncio.gather(
            knock(house, "/post-event", MESSAGE | {"ConversationSid": ch}),
            knock(house, "/routing", {"ConversationSid": sid("CH")}),
        )
        assert [post.status for post in posts] == [503, 503]
        assert time.monotonic() - started < 4.5
        assert rows(house) == before


async def test_what_came_while_the_store_was_away_is_caught_up_with(bare_house: House) -> None:
    await bare_house.start(RECONCILE_S="1")
    ch = await bare_house.say(MARIA, "one")
    await bare_house.until(lambda: answered(bare_house, ch, 1))
    await bare_house.quiet(ch)
    async with locked(bare_house):
        await bare_house.say(MARIA, "two")
        other = await bare_house.say("+15550100002", "three")
        await asyncio.sleep(5)
    await bare_house.until(lambda: answered(bare_house, ch, 2), 20)
    await bare_house.until(lambda: answered(bare_house, other, 1), 20)
    await bare_house.quiet(ch)
    await bare_house.quiet(other)
    assert len(await bare_house.said(ch)) == 5
    assert len(await bare_house.said(other)) == 3
    async with bare_house.session.get(bare_house.url + "/readyz") as response:
        assert response.status == 200


@pytest.mark.parametrize("turns", range(4))
async def test_the_service_stops_even_while_it_is_being_told_something(house: House, turns: int) -> None:
    """In Python 3.11 `asyncio.wait_for` swallows a cancellation that comes just as what it waits for is done."""
    service = house.service
    await asyncio.sleep(0.5)
    for hint in (
        service.directory.stale.set,
        service.waiting_room.hint,
        service.dispatcher.wake,
        service.intake.on_due,
    ):
        hint()
    for _ in range(turns):
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await service.drain()


async def test_a_name_that_could_not_be_given_in_time_is_given_later(house: House) -> None:
    """With the article's filters nothing but our own answer says how the conversation is called."""
    await house.filters(ARTICLE_FILTERS)
    async with locked(house):
        saying = asyncio.create_task(house.say(MARIA, "Hello"))
        await asyncio.sleep(2.4)
    ch = await saying
    await house.until(lambda: answered(house, ch, 1))
    await house.quiet(ch)
    assert (await house.record(ch))["conversation"]["friendly_name"] == "Maria Sanchez"

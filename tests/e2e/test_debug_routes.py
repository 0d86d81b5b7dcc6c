"""The routes for people and programs: the dump as it is promised, lists, who may ask, health, metrics, the machine."""

import re
from typing import Any

import pytest

from states.table import STATES
from tests.e2e.conftest import House
from tests.e2e.doors import Reply, knock, read

MARIA = "+15550100001"
ADA = "ada@example.test"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
STATUSES = {"pending", "running", "done", "retrying", "ambiguous", "rejected", "parked", "skipped"}
TRIGGERS = {
    "message_received",
    "worker_left",
    "conversation_closed",
}
GUARDED = ["/debug/conversations", "/debug/conversations/CH" + "0" * 32, "/debug/machine", "/metrics"]


async def get(house: House, path: str, **headers: str) -> Reply:
    async with house.session.get(house.url + path, headers=headers) as response:
        return await read(response)


def is_time(value: object) -> bool:
    return isinstance(value, str) and TIME.fullmatch(value) is not None


def check_summary(dump: dict[str, Any]) -> None:
    assert re.fullmatch(r"CH[0-9a-f]{32}", dump["conversation_sid"])
    assert dump["state"] in STATES
    assert type(dump["version"]) is int
    assert is_time(dump["created_at"])
    assert is_time(dump["updated_at"])
    assert dump["updated_at"] >= dump["created_at"]


def check_dump(dump: dict[str, Any]) -> None:
    check_summary(dump)
    history, sid = dump["history"], dump["conversation_sid"]
    assert dump["version"] == len(history)
    assert [row["version"] for row in history] == list(range(1, len(history) + 1))
    state = "greeting"
    keys = []
    for row in history:
        assert row["source"] == state
        state = row["dest"]
        assert row["event"]["kind"] == row["trigger"]
        assert is_time(row["at"])
        keys += row["effects"]
    assert state == dump["state"]
    assert sorted(keys) == sorted(effect["key"] for effect in dump["effects"])
    for effect in dump["effects"]:
        check_effect(sid, effect)


def check_effect(sid: str, effect: dict[str, Any]) -> None:
    assert re.fullmatch(rf"{sid}/[0-9]+/[0-9]+", effect["key"])
    assert effect["status"] in STATUSES
    assert type(effect["attempts"]) is int
    assert is_time(effect["due_at"])
    assert (effect["done_at"] is None) == (effect["status"] in ("pending", "running", "retrying", "ambiguous"))
    assert effect["done_at"] is None or is_time(effect["done_at"])
    assert {"kind", "result_sid", "last_error"} <= effect.keys()
    if effect["kind"] == "send_message" and effect["status"] == "done":
        assert effect["result_sid"].startswith("IM")


async def test_the_dump_is_as_it_is_promised(house: House) -> None:
    sid = await house.say(MARIA, "agent")
    await house.state(sid, "with_worker")
    dump = await house.quiet(sid)
    check_dump(dump)
    assert dump["address"] == MARIA
    assert dump["proxy_address"] == "+15550100999"
    assert dump["customer"] == {
        "customer_id": "1",
        "display_name": "Maria Sanchez",
        "avatar": "https://example.test/avatars/1.png",
    }
    assert dump["worker"] == {"identity": ADA}
    assert set(dump["available_triggers"]) >= TRIGGERS
    received = next(row for row in dump["history"] if row["trigger"] == "message_received")
    assert received["source"] == "greeting"
    assert received["event"]["message_sid"].startswith("IM")
    kinds = {effect["kind"] for effect in dump["effects"]}
    assert kinds >= {"send_message", "ask_bot", "add_participant", "set_friendly_name", "find_longest_idle"}
    await house.post(f"/sandbox/conversations/{sid}/leave", {"identity": ADA})
    left = await house.state(sid, "awaiting_choice")
    assert left["worker"] is None
    assert left["updated_at"] > dump["updated_at"]
    await house.post(f"/sandbox/conversations/{sid}/close", {})
    check_dump(await house.state(sid, "closed"))


async def test_what_is_not_known_is_null(house: House) -> None:
    sid = await house.say("+15550190001", "Hello")
    await house.state(sid, "awaiting_choice")
    dump = await house.quiet(sid)
    check_dump(dump)
    assert (dump["customer"], dump["worker"]) == (None, None)


async def test_a_summary_is_the_dump_without_triggers_history_and_effects(house: House) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.state(sid, "awaiting_choice")
    dump = await house.quiet(sid)
    reply = (await get(house, "/debug/conversations")).json
    assert reply["next"] is None
    (summary,) = reply["conversations"]
    assert summary == {name: dump[name] for name in dump.keys() - {"available_triggers", "history", "effects"}}


async def test_a_summary_tells_what_is_undecided_too(house: House) -> None:
    sid = await house.say(MARIA, "Hello")
    await house.quiet(sid)
    # The look for what is missing before it takes so long.
    await house.post("/sandbox/faults", {"latency_ms": 5000}, "PUT")
    ahead = {"EventType": "onMessageAdded", "ConversationSid": sid, "MessageSid": "IM" + "a" * 32, "Index": "9"}
    await knock(house, "/post-event", ahead | {"Author": MARIA, "Body": "Too early"})
    (summary,) = (await get(house, "/debug/conversations")).json["conversations"]
    assert [each["key"] for each in summary["undecided"]] == ["onMessageAdded/IM" + "a" * 32]


async def test_the_list_is_cut_into_pages_and_chosen_by_state(house: House) -> None:
    sids = [await house.say(f"+1555050{n:04d}", "Hello") for n in range(7)]
    for sid in sids:
        await house.state(sid, "awaiting_choice")
        await house.quiet(sid)
    await house.post(f"/sandbox/conversations/{sids[0]}/close", {})
    await house.state(sids[0], "closed")
    found: list[str] = []
    query = "?limit=3"
    while True:
        page = (await get(house, "/debug/conversations" + query)).json
        assert len(page["conversations"]) <= 3
        found += [one["conversation_sid"] for one in page["conversations"]]
        if page["next"] is None:
            break
        query = f"?limit=3&after={page['next']}"
    assert sorted(found) == sorted(sids)
    assert len(found) == 7
    closed = (await get(house, "/debug/conversations?state=closed")).json
    assert [one["conversation_sid"] for one in closed["conversations"]] == [sids[0]]
    assert (await get(house, "/debug/conversations?state=routing")).json == {"conversations": [], "next": None}
    exact = (await get(house, "/debug/conversations?limit=7")).json
    assert exact["next"] is None


@pytest.mark.parametrize(
    "query",
    [
        "state=asleep",
        "limit=0",
        "limit=-1",
        "limit=x",
        "limit=1.5",
        "limit=100000",
        "limit=0000000099999",
        "limit=" + "9" * 5000,
        "limit=%D9%A3",
        "after=x",
        "after=-1",
        "after=" + "9" * 30,
    ],
)
async def test_a_bad_question_is_400(house: House, query: str) -> None:
    assert (await get(house, f"/debug/conversations?{query}")).status == 400


@pytest.mark.parametrize("sid", ["CH" + "0" * 32, "CH1", "x", "%00", "CH" + "0" * 31 + "%0A", "é" * 40])
async def test_an_unknown_conversation_is_404(house: House, sid: str) -> None:
    assert (await get(house, f"/debug/conversations/{sid}")).status == 404


@pytest.mark.parametrize("path", GUARDED)
async def test_without_a_token_only_loopback_asks_and_through_no_proxy(house: House, path: str) -> None:
    assert (await get(house, path)).status in (200, 404)
    for name in ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "x-forwarded-proto", "X-Forwarded-Anything"):
        reply = await get(house, path, **{name: "127.0.0.1"})
        assert (reply.status, reply.text) == (401, ""), name


@pytest.mark.parametrize("path", GUARDED)
async def test_without_a_token_nobody_asks_where_the_public_url_is_not_loopback(bare_house: House, path: str) -> None:
    await bare_house.start(PUBLIC_URL="https://hub.example.test")
    reply = await get(bare_house, path)
    assert (reply.status, reply.text) == (401, "")
    assert (await get(bare_house, "/healthz")).status == 200
    assert (await get(bare_house, "/readyz")).status == 200


@pytest.mark.parametrize("path", GUARDED)
async def test_with_a_token_its_bearer_asks_and_nobody_else(bare_house: House, path: str) -> None:
    await bare_house.start(ADMIN_TOKEN="correct-horse-battery", PUBLIC_URL="https://hub.example.test")
    good = {"Authorization": "Bearer correct-horse-battery"}
    assert (await get(bare_house, path, **good)).status in (200, 404)
    assert (await get(bare_house, path, **good, **{"X-Forwarded-For": "192.0.2.1"})).status in (200, 404)
    for given in ("", "Bearer", "Bearer ", "Bearer wrong", "correct-horse-battery", "Basic correct-horse-battery"):
        reply = await get(bare_house, path, **({"Authorization": given} if given else {}))
        assert (reply.status, reply.text) == (401, ""), given


async def test_health_is_open_to_all_and_says_no_detail(bare_house: House) -> None:
    await bare_house.start(ADMIN_TOKEN="correct-horse-battery", PUBLIC_URL="https://hub.example.test")
    forwarded = {"X-Forwarded-For": "192.0.2.1"}
    assert (await get(bare_house, "/healthz", **forwarded)).status == 200
    ready = await get(bare_house, "/readyz", **forwarded)
    assert (ready.status, ready.json) == (200, None)
    detailed = await get(bare_house, "/readyz", Authorization="Bearer correct-horse-battery")
    assert (detailed.status, detailed.json["ready"]) == (200, True)


async def test_a_service_that_stops_is_not_ready_but_alive(house: House) -> None:
    await house.service.drain()
    assert (await get(house, "/readyz")).status == 503
    assert (await get(house, "/healthz")).status == 200


async def test_the_metrics_are_prometheus_text(house: House) -> None:
    await house.state(await house.say(MARIA, "Hello"), "awaiting_choice")
    async with house.session.get(house.url + "/metrics") as response:
        assert response.status == 200
        assert response.content_type == "text/plain"
        text = await response.text()
    assert re.search(r'^\w+\{state="awaiting_choice"\} 1(\.0)?$', text, re.MULTILINE)
    assert MARIA not in text


async def test_the_machine_is_the_table(house: House) -> None:
    machine = (await get(house, "/debug/machine")).json
    assert machine["states"] == ["greeting", "awaiting_choice", "routing", "with_worker", "closed"]
    assert machine["initial"] == "greeting"
    for row in machine["transitions"]:
        assert {"trigger", "source", "dest", "guards", "effects"} <= row.keys()
        assert isinstance(row["source"], str)
        assert row["source"] in STATES
        assert row["dest"] is None or row["dest"] in STATES
        assert row["dest"] != row["source"]
    moves = {(row["source"], row["dest"]) for row in machine["transitions"]}
    assert {("greeting", "awaiting_choice"), ("awaiting_choice", "routing"), ("routing", "with_worker")} <= moves
    assert not [row for row in machine["transitions"] if row["source"] == "closed" and row["dest"]]


async def test_the_machine_is_drawn(house: House) -> None:
    mermaid = await get(house, "/debug/machine?format=mermaid")
    assert mermaid.text.startswith("stateDiagram-v2")
    async with house.session.get(house.url + "/debug/machine?format=svg") as response:
        assert response.content_type == "image/svg+xml"
        assert "<svg" in await response.text()
    assert (await get(house, "/debug/machine?format=gif")).status == 400

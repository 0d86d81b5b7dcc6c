"""The service is killed again and again while customers text: nobody is forgotten, nobody is told anything twice."""

import asyncio
import json
import random
from collections import Counter
from typing import Any

from tests.process.conftest import Place, until

KILLS = 6
TALKERS = [f"+155501001{n:02d}" for n in range(6)]
ROUTED = [f"+155501002{n:02d}" for n in range(4)]
ADDRESSED = [f"+155501003{n:02d}" for n in range(2)]
TEXTS = (
    {sender: ["Hello", "What?", "Who are you?", "I see"] for sender in TALKERS}
    | {sender: ["Hello", "agent"] for sender in ROUTED}
    | {sender: ["Hello, grace@example.test please"] for sender in ADDRESSED}
)
EXPERT = "grace@example.test"


async def test_power_cuts_lose_nothing_and_double_nothing(place: Place) -> None:
    chance = random.Random(20)
    place.sandbox()
    # Calls take their time, so that many a power cut meets one under way.
    await place.control("/sandbox/faults", {"latency_ms": 150}, "PUT")
    service = place.serve("--no-sandbox")
    sids: dict[str, str] = {}
    for n, rest in enumerate(batches(chance)):
        if n % 4:  # every fourth is cut off while it starts
            await asyncio.to_thread(service.wait_for, place.url)
        texting = asyncio.gather(*(text_at_times(place, sender, text, chance) for sender, text in rest))
        await asyncio.sleep(chance.uniform(0.05, 0.9))
        service.process.kill()
        service.ended()
        sids |= dict(await texting)
        service = place.start("serve", "--no-sandbox")
    await asyncio.to_thread(service.wait_for, place.url)
    await until(lambda: all_taken_in(place, list(sids.values())), 30)
    for sender, sid in sids.items():
        record = await place.get(f"{place.sandbox_url}/sandbox/conversations/{sid}")
        dump = await place.dump(sid)
        nothing_doubled(record, dump)
        if sender in TALKERS:
            assert dump["state"] == "awaiting_choice"
            everything_answered_once(record, sender)
        else:
            assert dump["state"] == "with_worker"
            assert [who["identity"] for who in record["participants"] if who["identity"]] == [
                dump["worker"]["identity"]
            ]
            assert dump["worker"]["identity"] == EXPERT or sender in ROUTED


def batches(chance: random.Random) -> list[list[tuple[str, str]]]:
    """What is written before each power cut: everybody's texts in his order, never two of one at a time."""
    batches: list[list[tuple[str, str]]] = [[] for _ in range(KILLS)]
    for sender, texts in TEXTS.items():
        for n, text in zip(sorted(chance.sample(range(KILLS), len(texts))), texts, strict=True):
            batches[n].append((sender, text))
    return batches


async def text_at_times(place: Place, sender: str, text: str, chance: random.Random) -> tuple[str, str]:
    """A customer writes, before or after the power fails; he and his conversation."""
    await asyncio.sleep(chance.uniform(0, 0.6))
    return sender, await place.say(sender, text)


async def all_taken_in(place: Place, sids: list[str]) -> bool:
    """Whether the service knows every customer's message and has nothing left to do."""
    for sid in sids:
        record = await place.get(f"{place.sandbox_url}/sandbox/conversations/{sid}")
        dump = await place.dump(sid)
        if dump is None or dump["undecided"] or any(e["done_at"] is None for e in dump["effects"]):
            return False
        decided = {row["event"].get("message_sid") for row in dump["history"] if row["trigger"] == "message_received"}
        if {message["sid"] for message in record["messages"] if message["author"] != "system"} - decided:
            return False
    return True


def nothing_doubled(record: Any, dump: Any) -> None:
    """Each message of ours is one effect's, and each effect's message is there."""
    ours = {message["sid"]: message for message in record["messages"] if message["author"] == "system"}
    tags = Counter(json.loads(message["attributes"])["expert_hub"]["key"] for message in ours.values())
    sent = {effect["key"]: effect for effect in dump["effects"] if effect["kind"] == "send_message"}
    assert tags == Counter(sent.keys()), record["messages"]
    assert {effect["result_sid"] for effect in sent.values()} == set(ours)
    assert {effect["status"] for effect in dump["effects"]} == {"done"}


def everything_answered_once(record: Any, sender: str) -> None:
    """One welcome, and one answer for each message of the customer, none before what it answers."""
    authors = [message["author"] for message in record["messages"]]
    assert authors.count("system") == authors.count(sender) + 1
    for n, author in enumerate(authors):
        heard, answered = authors[:n].count(sender), authors[:n].count("system")
        assert author == sender or answered <= heard, authors

"""A month later: what is done is gone, what happened is still told, and no captured webhook makes it happen again."""

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

from twilio.request_validator import RequestValidator

from orchestrator.sandbox import seeds
from orchestrator.verifying import Stores, verify
from storage.opening import read
from storage.pruning import DAY_MS, over_before
from tests.e2e.conftest import House

KEPT_MS = 30 * DAY_MS
AGO_MS = 31 * DAY_MS
TIMES = {
    "conversation": ("created_at", "updated_at"),
    "history": ("at",),
    "inbox": ("received_at",),
    "outbox": ("created_at", "done_at"),
}


def aged(house: House) -> None:
    """Everything happened a month earlier."""
    with closing(sqlite3.connect(house.data / "hub.db")) as connection, connection:
        for table, columns in TIMES.items():
            changes = ", ".join(f"{column} = {column} - {AGO_MS}" for column in columns)
            connection.execute(f"UPDATE {table} SET {changes}")


def old_rows(house: House) -> int:
    """How many rows are left of what was done then."""
    with closing(sqlite3.connect(house.data / "hub.db")) as connection:
        before = house.service.writer.now() - KEPT_MS
        keys = connection.execute("SELECT count(*) FROM inbox WHERE received_at < ?", [before]).fetchone()[0]
        effects = connection.execute("SELECT count(*) FROM outbox WHERE done_at < ?", [before]).fetchone()[0]
        return int(keys + effects)


def aged_entry(entry: dict[str, Any]) -> dict[str, Any]:
    """A line of the ledger as it would have been a month earlier."""
    return entry | {"at": (datetime.fromisoformat(entry["at"]) - timedelta(milliseconds=AGO_MS)).isoformat()}


async def told_again(house: House, entry: dict[str, Any]) -> int:
    """A captured webhook, under the signature it had; what it is answered."""
    url = f"{house.url}{entry['path']}"
    signature = RequestValidator(seeds.AUTH_TOKEN).compute_signature(url, entry["form"])
    async with house.session.post(url, data=entry["form"], headers={"X-Twilio-Signature": signature}) as answer:
        return answer.status


async def test_a_month_later_all_is_told_and_nothing_happens_again(house: House) -> None:
    sid = await house.say("+15550100001", "hello")
    await house.quiet(sid)
    await house.say("+15550100001", "agent please")
    await house.state(sid, "with_worker")
    before = await house.quiet(sid)
    ledger = await house.ledger()
    await house.stop()
    aged(house)
    await house.start()

    async def is_pruned() -> bool:
        return old_rows(house) == 0

    await house.until(is_pruned)
    captured = [entry for entry in ledger if entry["kind"] == "webhook" and entry["path"].endswith("/post-event")]
    assert len(captured) >= 4
    assert [await told_again(house, entry) for entry in captured] == [200] * len(captured)
    after = await house.quiet(sid)
    assert (after["version"], after["state"], after["effects"]) == (before["version"], "with_worker", [])
    assert [row["effects"] for row in after["history"]] == [row["effects"] for row in before["history"]]
    now = house.service.writer.now()
    found = read(
        house.settings().database_url,
        lambda connection: verify(
            Stores(connection, now, [aged_entry(entry) for entry in ledger], over_before(now, KEPT_MS))
        ),
    )
    assert {name: broken for name, broken in found.items() if broken} == {}
    assert len(rest_calls(await house.ledger())) == len(rest_calls(ledger))


def rest_calls(ledger: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry for entry in ledger if entry["kind"] == "rest"]

"""The workbench as its people use it: who they are, what they ask, what they do."""

import json
import secrets
from typing import Any

from tests.e2e.conftest import House
from tests.visitors import Answer, Visitor

MARIA, ROBERT = "+15550100001", "+15550100002"
ADA, GRACE, ALAN = "ada@example.test", "grace@example.test", "alan@example.test"
SUPERVISOR, DEVELOPER, ADMIN = "supervisor@example.test", "developer@example.test", "admin@example.test"


async def twin(visitor: Visitor, path: str) -> Any:
    """A page's JSON."""
    answer = await visitor.get(path)
    assert answer.status == 200, answer.text
    return json.loads(answer.text)


async def act(visitor: Visitor, sid: str, name: str, reason: str = "Because", **fields: str) -> Answer:
    """Step in as the page's form does."""
    form = {"act": name, "reason": reason, "token": secrets.token_urlsafe(16)} | fields
    return await visitor.post(f"/console/c/{sid}/act", **form)


async def repair(visitor: Visitor, sid: str, name: str, key: str, reason: str = "Looked at it") -> Answer:
    return await visitor.post(f"/console/c/{sid}/repair", act=name, key=key, reason=reason)


async def with_grace(house: House) -> str:
    """Maria asked for Grace, who is with her; nothing is under way."""
    sid = await house.say(MARIA, f"{GRACE}, please")
    await house.state(sid, "with_worker")
    await house.quiet(sid)
    return sid


def listed(board: Any) -> list[str]:
    return [each["conversation_sid"] for each in board["conversations"]]


async def audit_of(boss: Visitor, sid: str) -> list[tuple[str, str, str, str]]:
    found = (await twin(boss, f"/console/audit.json?conversation={sid}"))["audit"]
    return [(each["who"], each["act"], each["reason"], each["outcome"]) for each in found]

"""The app as its workers use it over HTTP: their customers, and what they ask and find."""

import json
import re
from typing import Any

from tests.e2e.conftest import House
from tests.visitors import Answer, Visitor

ADA, GRACE, ALAN = "ada@example.test", "grace@example.test", "alan@example.test"
MARIA, ROBERT, SUSAN = "+15550100001", "+15550100002", "whatsapp:+15550100003"
NOBODYS = "CH" + "0" * 32


async def with_grace(house: House, sender: str = MARIA, body: str = f"{GRACE} please") -> str:
    """A conversation that Grace has joined, with nothing under way any more."""
    sid = await house.say(sender, body)
    await house.state(sid, "with_worker")
    await house.quiet(sid)
    return sid


def token(answer: Answer) -> str:
    """The token of the act that a page offers."""
    found = re.search(r'name="token" value="([^"]+)"', answer.text)
    assert found is not None
    return found[1]


async def found(visitor: Visitor, path: str) -> Any:
    answer = await visitor.get(path)
    assert answer.status == 200, answer.text
    return json.loads(answer.text)

"""Customers who text in a steady stream, made up by dice, and the workers who leave them again."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

import aiohttp

from orchestrator.sandbox.sandbox import Sandbox

TEXTS_A_CUSTOMER = 8
IN_A_ROW = 4
# Ten seconds: on a slow machine replicas are killed faster than they start, and for a while there may be none.
TRIES, AGAIN_S = 20, 0.5
PLAIN = ("Hello", "What is this?", "I see", "Do you deliver on Sundays?", "Thanks", "❤️ it")
ROUTING = ("AGENT", "ada@example.test", "Grace@Example.test please", "nobody@example.test")


class Customers:
    """Some who only talk, some who want a person sooner or later; each writes when he likes, twice in a row too."""

    def __init__(self, session: aiohttp.ClientSession, sandbox_url: str, texts: int, seed: int) -> None:
        self._session = session
        self._sandbox_url = sandbox_url
        self._chance = random.Random(f"{seed}/customers")
        self._left = texts
        self._people = [f"+1555{n:07d}" for n in range(1, max(2, texts // TEXTS_A_CUSTOMER) + 1)]
        self._said: dict[str, int] = defaultdict(int)
        self._writer, self._in_a_row = 0, 0
        self.refused: list[str] = []

    def write(self, share: float, within_s: float) -> list["asyncio.Task[None]"]:
        """Let `share` of the texts that are left be written within the next seconds."""
        count = round(self._left * share)
        self._left -= count
        return [
            asyncio.create_task(self._later(self._chance.uniform(0, within_s), *self._next())) for _ in range(count)
        ]

    def _next(self) -> tuple[str, str]:
        if self._in_a_row == 0:
            self._writer, self._in_a_row = self._chance.randrange(len(self._people)), self._chance.randint(1, IN_A_ROW)
        self._in_a_row -= 1
        n, sender = self._writer, self._people[self._writer]
        self._said[sender] += 1
        wants_somebody = n % 3 == 0 and self._said[sender] % 4 == n % 4
        return sender, self._chance.choice(ROUTING if wants_somebody else PLAIN)

    async def _later(self, after_s: float, sender: str, body: str) -> None:
        await asyncio.sleep(after_s)
        await self.say(sender, body)

    async def say(self, sender: str, body: str) -> None:
        """Write. What was refused before it was published is written again: Twilio tells the sender that it failed."""
        for _ in range(TRIES):
            if await self._post("/sandbox/inbound", {"from": sender, "body": body}):
                return
            await asyncio.sleep(AGAIN_S)
        self.refused.append(f"{body!r} was refused {TRIES} times")

    def departures(self, sandbox: Sandbox, stays_s: float, joined: Collection[str]) -> Iterable["asyncio.Task[None]"]:
        """Let a worker leave who has been with his customer for so long, if there is one. `joined`: the participants of
        whom the service knows; one whose adding was cut off and who left unseen would be added again, and rightly."""
        for it in sandbox.world.conversations.values():
            for who in it.participants.values():
                has_stayed = (sandbox.world.now() - who.created).total_seconds() > stays_s
                if who.identity and has_stayed and who.sid in joined:
                    yield asyncio.create_task(self.leave(it.sid, who.identity))
                    return

    async def leave(self, sid: str, identity: str) -> None:
        """A worker has done what he could."""
        if not await self._post(f"/sandbox/conversations/{sid}/leave", {"identity": identity}):
            self.refused.append(f"{identity} could not leave {sid}")

    async def _post(self, path: str, body: Any) -> bool:
        async with self._session.post(self._sandbox_url + path, json=body) as answer:
            return answer.status in (201, 204)

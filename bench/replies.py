"""How long a customer waits for what follows from his message, where each call of Twilio's takes 50 ms.

The sandbox runs in this process, so that the moments are its own records' to the microsecond: from a customer's message
published, which is when its webhook is sent, to our message or our participant created. The floor is a bare call, timed
the same way beside each message.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import aiohttp

from bench.figures import Figure, Found, progress
from bench.pressing import Plan
from bench.processes import service
from orchestrator.running import any_port
from orchestrator.sandbox import acts, seeds
from orchestrator.sandbox.acts import Inbound
from orchestrator.sandbox.drafts import Opening
from orchestrator.sandbox.faults import Faults
from orchestrator.sandbox.records import Binding, Conversation, Message
from orchestrator.sandbox.sandbox import Sandbox
from orchestrator.sandbox.server import start

CALL_MS = 50
GRACE_S = 1.0
ARTICLES_FILTERS = ("onConversationAdd", "onMessageAdd", "onParticipantAdded")
LIMIT_S = 15.0
# What follows behind a reply: receipts, names, a worker's time. Nobody's wait is measured while it is under way.
SETTLING_S = 0.35

Moment = Callable[[Conversation, Message], datetime | None]


@dataclass(slots=True)
class Street:
    """The sandbox with its customers, each of whom has written nothing yet. `call_ms`: what bare calls took."""

    sandbox: Sandbox
    url: str
    session: aiohttp.ClientSession
    call_ms: list[float]
    numbers: "count[int]"

    async def says(self, who: str, text: str, moment: Moment) -> float:
        """A customer writes; milliseconds from his message to the moment that follows."""
        await self._bare_call()
        binding = Binding("sms", who, seeds.NUMBERS["sms"])
        conversation, message = await acts.receive(self.sandbox, Inbound(who, text, binding=binding))
        async with asyncio.timeout(LIMIT_S):
            while (at := moment(conversation, message)) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await self._settle()
        return (at - message.created).total_seconds() * 1e3

    def stranger(self) -> str:
        """The number of somebody who is in no book."""
        return f"+1666{next(self.numbers):07d}"

    async def _settle(self) -> None:
        await self.sandbox.webhooks.settled()
        await asyncio.sleep(SETTLING_S)
        await self.sandbox.webhooks.settled()

    async def _bare_call(self) -> None:
        """The floor: one message created over a kept connection, in a conversation that no webhook tells of."""
        conversation = next(iter(self.sandbox.world.conversations.values()))
        began = self.sandbox.world.now()
        fields = {"Author": "system", "Body": "A bare call."}
        url = f"{self.url}/v1/Conversations/{conversation.sid}/Messages"
        async with self.session.post(url, data=fields) as answer:
            assert answer.status == 201, await answer.text()
        created = list(conversation.messages.values())[-1].created
        self.call_ms.append((created - began).total_seconds() * 1e3)


async def measure(plan: Plan) -> Found:
    """Customers write one at a time: with the recommended filters, then a few with those of the original article."""
    async with _street() as street:
        first, second = await _replies(street, plan.messages)
        joined = [await _asks_for_anyone(street) for _ in range(max(1, plan.messages // 4))]
    call_ms = median(street.call_ms)
    async with _street(ARTICLES_FILTERS) as slow:
        _, sparse = await _replies(slow, max(1, plan.messages // 8))
    beyond = {"reach": "5", "goal": "2", "unit": "ms"}
    what = "customer message to reply accepted by Twilio, beyond one round trip"
    after_grace = [waited - GRACE_S * 1e3 - call_ms for waited in sparse]
    return Found(
        [
            Figure(what, [waited - call_ms for waited in second], **beyond),
            Figure("the same, a conversation's first message and the welcome", [w - call_ms for w in first], **beyond),
            Figure("the same with the article's filters, beyond PUBLISH_GRACE_S too", after_grace, "", "", "ms"),
            Figure("AGENT to worker joined: dependent round trips", [w / call_ms for w in joined], "3", "2"),
        ],
        [
            f"Replies: {CALL_MS} ms for each call; a bare call, timed beside each message, took {call_ms:.1f} ms "
            f"({min(street.call_ms):.1f} to {max(street.call_ms):.1f}), and is the round trip taken off. The menu bot, "
            f"one customer at a time. With the article's filters a message is looked up, which is a round trip more.",
        ],
    )


async def _replies(street: Street, messages: int) -> tuple[list[float], list[float]]:
    """The waits for the welcome, and for the bot's answer to the second message, which asks nobody but the bot."""
    first, second = [], []
    for _ in range(messages):
        who = street.stranger()
        first.append(await street.says(who, "Hello", _replied))
        second.append(await street.says(who, "What are your opening hours?", _replied))
        progress(f"replies after {first[-1]:.1f} and {second[-1]:.1f} ms, a bare call takes {street.call_ms[-1]:.1f}")
    return first, second


async def _asks_for_anyone(street: Street) -> float:
    who = street.stranger()
    await street.says(who, "Hello", _replied)
    waited = await street.says(who, "AGENT", _joined)
    progress(f"joined after {waited:.1f} ms")
    return waited


def _replied(conversation: Conversation, to: Message) -> datetime | None:
    later = (it for it in conversation.messages.values() if it.index > to.index and it.author == "system")
    return next((it.created for it in later), None)


def _joined(conversation: Conversation, _to: Message) -> datetime | None:
    workers = (it for it in conversation.participants.values() if it.identity is not None)
    return next((it.created for it in workers), None)


@asynccontextmanager
async def _street(filters: tuple[str, ...] | None = None) -> AsyncIterator[Street]:
    """The service and a sandbox whose calls take their time. One customer has written already, as a warm-up."""
    port = any_port(0)
    running = await start("127.0.0.1", 0, f"http://127.0.0.1:{port}")
    credentials = aiohttp.BasicAuth(seeds.ACCOUNT_SID, seeds.AUTH_TOKEN)
    variables = {"TWILIO_API_URL": running.url, "PUBLISH_GRACE_S": str(GRACE_S)}
    try:
        with TemporaryDirectory(prefix="bench-") as folder:
            url = f"sqlite+aiosqlite:///{Path(folder, 'hub.db')}"
            async with service(url, variables, port=port), aiohttp.ClientSession(auth=credentials) as session:
                if filters is not None:
                    targets = running.sandbox.webhooks.targets
                    running.sandbox.webhooks.targets = replace(targets, filters=filters)
                street = Street(running.sandbox, running.url, session, [], count())
                running.sandbox.set_faults(Faults(latency_ms=CALL_MS))
                running.sandbox.world.open_conversation(Opening())
                await street.says(street.stranger(), "Hello", _replied)
                street.call_ms.clear()
                yield street
    finally:
        await running.stop()

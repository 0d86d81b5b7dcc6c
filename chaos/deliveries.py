"""Every webhook arrives one to five times, up to three copies at the same moment, and makes one transition.

Between the sandbox and the service stands a network that copies: Twilio signs for its address, which is the service's
public one, and hears the answer to the first copy.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterable
from typing import Any

import aiohttp
from aiohttp import web
from sqlalchemy import Connection, func, select

from chaos import transcripts
from chaos.frame import Figure, Scale
from chaos.house import House, house, serving
from orchestrator.running import any_port
from orchestrator.sandbox import acts
from orchestrator.sandbox.delivery import Targets
from orchestrator.sandbox.records import Conversation
from orchestrator.sandbox.sandbox import Sandbox
from storage.opening import reading
from storage.schema import history

HASTE = {"PUBLISH_GRACE_S": "0.3", "QUIET_PERIOD_S": "1", "DISPATCH_POLL_S": "0.5", "RECONCILE_S": "300"}
COPIES, AT_ONCE, LATER_S = 5, 3, 2.0
WRITERS = 16
WEBHOOKS_A_TEXT = 3.5
TEXTS_A_CUSTOMER = 8
TEXTS = ("Hello", "What is this?", "I see", "Thanks", "AGENT", "grace@example.test")
_SIDS = {
    "onMessageAdded": ("message_received", "MessageSid"),
    "onConversationAdded": ("conversation_started", "ConversationSid"),
    "onParticipantAdded": ("customer_joined", "ParticipantSid"),
    "onParticipantRemoved": ("worker_left", "ParticipantSid"),
    "onConversationStateUpdated": ("conversation_closed", "ConversationSid"),
}


async def deliveries(scale: Scale) -> Figure:
    """10,000 webhooks, each delivered 1 to 5 times, up to 3 at once."""
    port = any_port(0)
    network_url = f"http://127.0.0.1:{port}"
    async with house(**HASTE, PUBLIC_URL=network_url) as it, aiohttp.ClientSession() as session:
        network = _Network(session, it.url, scale.seed)
        it.sandbox.webhooks.targets = Targets.at(network_url)
        it.sandbox.world.workforce.settings.event_callback_url = f"{network_url}/taskrouter-event"
        async with serving(network.app(), port):
            await _talk(it, round(scale.of(10_000) / WEBHOOKS_A_TEXT), random.Random(f"{scale.seed}/texts"))
            await network.delivered()
            await _say_goodbye(it)
            await network.delivered()
            return _figure(it, network)


class _Network:
    """Hands each request on one to five times. `service_url`: the service's own address."""

    def __init__(self, session: aiohttp.ClientSession, service_url: str, seed: int) -> None:
        self.webhooks = 0
        self.answers: Counter[int] = Counter()
        self._session = session
        self._service_url = service_url
        self._chance = random.Random(f"{seed}/network")
        self._late: set[asyncio.Task[Any]] = set()

    def app(self) -> web.Application:
        """What listens at the public address."""
        app = web.Application()
        app.router.add_post("/{tail:.*}", self.hand_on)
        return app

    async def hand_on(self, request: web.Request) -> web.Response:
        """Deliver a webhook, up to three copies at once; the others follow within two seconds."""
        body = await request.read()
        copies = self._chance.randint(1, COPIES)
        self.webhooks += 1
        for _ in range(copies - AT_ONCE):
            task = asyncio.create_task(self._deliver(request, body, self._chance.uniform(0, LATER_S)))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        at_once = (self._deliver(request, body, 0) for _ in range(min(copies, AT_ONCE)))
        status, content = (await asyncio.gather(*at_once))[0]
        return web.Response(status=status, body=content, content_type="application/json")

    async def _deliver(self, request: web.Request, body: bytes, after_s: float) -> tuple[int, bytes]:
        await asyncio.sleep(after_s)
        headers = {name: request.headers[name] for name in ("X-Twilio-Signature", "Content-Type")}
        async with self._session.post(self._service_url + request.path_qs, data=body, headers=headers) as answer:
            self.answers[answer.status] += 1
            return answer.status, await answer.read()

    async def delivered(self) -> None:
        """Wait until no copy is under way."""
        while self._late:
            await asyncio.wait(set(self._late))


async def _talk(it: House, texts: int, chance: random.Random) -> None:
    """Let `texts` messages be written, sixteen at a time, and wait for the answers."""
    people = [f"+1555{n:07d}" for n in range(1, 2 + texts // TEXTS_A_CUSTOMER)]
    letters = iter([(chance.choice(people), chance.choice(TEXTS)) for _ in range(texts)])

    async def write() -> None:
        for sender, body in letters:
            await it.say(sender, body)

    await asyncio.gather(*(write() for _ in range(WRITERS)))
    await it.rest()


async def _say_goodbye(it: House) -> None:
    """Every worker leaves, and every other conversation is closed."""
    for n, conversation in enumerate(it.conversations):
        for identity in [who.identity for who in conversation.participants.values() if who.identity]:
            await acts.leave(it.sandbox, conversation, identity)
        if n % 2:
            acts.close(it.sandbox, conversation)
    await it.rest()


def _figure(it: House, network: _Network) -> Figure:
    found = it.violations()
    facts = told(it.conversations, it.sandbox)
    with reading(it.settings.database_url) as connection:
        found += untold(facts, triggers(connection))
    found += [f"{count} copies were answered {status}" for status, count in network.answers.items() if status >= 300]
    return Figure(
        fault=f"{network.webhooks} webhooks delivered 1 to {COPIES} times, up to {AT_ONCE} at once",
        did=f"{network.answers.total()} deliveries of {facts.total()} facts; {counted(facts)}",
        violations=found,
        notes=["shortened: " + ", ".join(f"{name}={value}" for name, value in HASTE.items())],
    )


def triggers(connection: Connection) -> Counter[str]:
    """How many transitions each trigger made."""
    rows = connection.execute(select(history.c.trigger, func.count()).group_by(history.c.trigger))
    return Counter({str(trigger): int(count) for trigger, count in rows})


def told(world: Iterable[Conversation], sandbox: Sandbox) -> Counter[str]:
    """How many facts of each kind the webhooks told that move the machine."""
    customers = transcripts.written(world)
    facts = set()
    for form in (entry.form for entry in sandbox.ledger.since(0) if entry.kind == "webhook"):
        trigger, name = _SIDS.get(form.get("EventType", ""), ("", ""))
        of_customer = trigger != "message_received" or form["MessageSid"] in customers
        closing = trigger != "conversation_closed" or form["StateTo"] == "closed"
        if trigger and of_customer and closing:
            facts.add((trigger, form[name]))
    return Counter(trigger for trigger, _sid in facts)


def untold(facts: Counter[str], made: Counter[str]) -> list[str]:
    """Where the transitions are not as many as the facts that were told."""
    return [f"{name}: {facts[name]} told, {made[name]} transitions" for name in facts if facts[name] != made[name]]


def counted(facts: Counter[str]) -> str:
    """The facts, in words."""
    return ", ".join(f"{name} {count}" for name, count in sorted(facts.items()))

"""A stage for one story at a time: the sandbox in this process, the service in one that may die and is started again.

Whatever traps are laid in its first lives, the service is started anew when it ends, as an operator's supervisor would;
the last life has none.
"""

import asyncio
import shutil
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from chaos import transcripts
from chaos.lives import Life, Lives
from chaos.traps import Trap
from orchestrator.customer_book import seed
from orchestrator.running import any_port
from orchestrator.sandbox import seeds
from orchestrator.sandbox.faults import Faults
from orchestrator.sandbox.records import Conversation
from orchestrator.sandbox.sandbox import Sandbox
from orchestrator.sandbox.server import start as start_sandbox
from storage.codec import decode_conversation
from storage.errors import StorageError
from storage.opening import reading, upgrade
from storage.schema import OPEN_STATUSES, conversation, history, inbox, outbox

HASTE = {
    "PUBLISH_GRACE_S": "0.2",
    "RETRY_BASE_S": "0.1",
    "RETRY_CAP_S": "0.4",
    "EFFECT_TIMEOUT_S": "0.5",
    "QUIET_PERIOD_S": "0.4",
    "DISPATCH_POLL_S": "0.2",
    "RECONCILE_S": "0.5",
}
PATIENCE_S = 20.0
ASK_EVERY_S = 0.03


class Stuck(Exception):
    """What should have come about did not."""


@cache
def template() -> bytes:
    """A database with its schema and the seeded customers; the migrations run once for all who ask."""
    with TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{folder}/hub.db"
        upgrade(url)
        seed(url)
        return Path(folder, "hub.db").read_bytes()


class Stage:
    """Where stories are played. `folder` holds the database, and what traps note."""

    def __init__(self, folder: Path, sandbox: Sandbox, sandbox_url: str, lives: Lives, url: str) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self._sandbox_url = sandbox_url
        self._lives = lives
        self._url = url
        self._session = aiohttp.ClientSession()
        self._life: Life | None = None
        self._over = False

    @property
    def database(self) -> str:
        """Its URL."""
        return f"sqlite+aiosqlite:///{self.folder}/hub.db"

    async def play(self, story: "Story", traps: Sequence[Trap] = ()) -> list[str]:
        """Play a story from the beginning, a trap laid in each of the first lives; the violations."""
        for path in self.folder.glob("hub.db*"):
            path.unlink()
        (self.folder / "hub.db").write_bytes(template())
        await self.sandbox.reset()
        self._over = False
        keeper = asyncio.create_task(self._keep_alive(deque(traps)))
        found = []
        try:
            await self._ready()
            await story(self)
            await self.until(self.is_quiet)
        except Stuck as stuck:
            found = [str(stuck)]
        finally:
            self._over = True
            if self._life is not None:
                await self._life.end()
            await keeper
            await self.sandbox.webhooks.forget()
        return found + self._violations()

    async def _keep_alive(self, traps: deque[Trap]) -> None:
        while not self._over:
            self._life = await self._lives.begin(trap=traps.popleft() if traps else None)
            if self._over:
                await self._life.end()
            await self._life.ended()

    async def _ready(self) -> None:
        async def ready() -> bool:
            try:
                async with self._session.get(f"{self._url}/readyz") as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        await self.until(ready)

    async def close(self) -> None:
        """Let go of everything."""
        await self._session.close()

    def _world(self) -> list[Conversation]:
        return list(self.sandbox.world.conversations.values())

    def _violations(self) -> list[str]:
        ledger = [entry.json() for entry in self.sandbox.ledger.since(0)]
        with reading(self.database) as connection:
            return transcripts.violations(connection, self._world(), ledger)

    # What a story does

    async def say(self, sender: str, body: str) -> None:
        """A customer writes. A message that a pre-hook refused is written again: Twilio tells him that it failed."""
        for _ in range(3):
            if await self._post("/sandbox/inbound", {"from": sender, "body": body}) == 201:
                return
        raise Stuck(f"the message {body!r} was refused three times")

    async def say_unheard(self, sender: str, body: str) -> None:
        """A customer writes, and no webhook tells of it: only a look can find it."""
        self.sandbox.set_faults(Faults.read({"webhook_loss": 1}))
        await self.say(sender, body)
        self.sandbox.set_faults(Faults())

    async def worker(self, identity: str, available: bool) -> None:
        """Make a worker available, or not."""
        await self._post("/sandbox/workers", {"identity": identity, "available": available})

    async def everyone_away(self) -> None:
        """Make every worker unavailable."""
        for identity, _available in seeds.WORKERS:
            await self.worker(identity, False)

    async def close_conversation(self, sender: str) -> None:
        """Somebody closes the customer's conversation."""
        await self._post(f"/sandbox/conversations/{self.of(sender)[-1].sid}/close", {})

    async def in_flex(self, path: str, body: object, method: str = "POST") -> None:
        """Something happens in Flex, the other account."""
        status = await self._post(f"/sandbox/flex/{path}", body, method)
        if status >= 400:
            raise Stuck(f"/sandbox/flex/{path} was answered {status}")

    async def _post(self, path: str, body: object, method: str = "POST") -> int:
        async with self._session.request(method, self._sandbox_url + path, json=body) as answer:
            return answer.status

    # What a story waits for

    async def until(self, what: Callable[[], Any]) -> None:
        """Ask until the answer is true. Raises Stuck."""
        deadline = time.monotonic() + PATIENCE_S
        while not await what():
            if time.monotonic() > deadline:
                raise Stuck(f"not within {PATIENCE_S:g} s: {what.__qualname__}; {self._sketch()}")
            await asyncio.sleep(ASK_EVERY_S)

    def of(self, sender: str) -> list[Conversation]:
        """The customer's conversations, oldest first."""
        return [
            it
            for it in self._world()
            if any(who.binding and who.binding.address == sender for who in it.channel_participants())
        ]

    def said(self, sender: str) -> Counter[str]:
        """What the program said to a customer, in all his conversations, be it under an agent's name."""
        return Counter(
            message.body or ""
            for it in self.of(sender)
            for message in it.messages.values()
            if transcripts.is_ours(message)
        )

    async def hears(self, sender: str, body: str, times: int = 1) -> None:
        """Wait until the customer has been told something."""

        async def heard() -> bool:
            return self.said(sender)[body] >= times

        await self.until(heard)

    async def reaches(self, sender: str, state: str) -> None:
        """Wait until the customer's last conversation is in a state."""

        async def reached() -> bool:
            return bool(self.of(sender)) and self._states().get(self.of(sender)[-1].sid) == state

        await self.until(reached)

    async def reaches_flex(self, sender: str) -> str:
        """Wait until Flex has the customer; the conversation's SID there."""

        async def joined() -> bool:
            return bool(self.of(sender)) and self._stay(self.of(sender)[-1].sid) is not None

        await self.until(joined)
        return str(self._stay(self.of(sender)[-1].sid))

    def _stay(self, sid: str) -> str | None:
        """The SID of the conversation in Flex that has this one's customer."""
        try:
            with reading(self.database) as connection:
                rows = connection.execute(select(conversation).where(conversation.c.sid == sid))
                stays = [decode_conversation(row).flex for row in rows]
        except (StorageError, SQLAlchemyError):
            return None
        return next((stay.sid for stay in stays if stay is not None and stay.joined), None)

    def _states(self) -> dict[str, str]:
        try:
            with reading(self.database) as connection:
                rows = connection.execute(select(conversation.c.sid, conversation.c.state))
                return {row.sid: row.state for row in rows}
        except (StorageError, SQLAlchemyError):
            # Between two lives nobody may be there to bring the file in order for a reader.
            return {}

    async def is_quiet(self) -> bool:
        """Whether nothing is under way and everything written has been heard."""
        under_way = (
            select(func.count()).select_from(outbox).where(outbox.c.status.in_(OPEN_STATUSES)),
            select(func.count()).select_from(inbox).where(inbox.c.status == "waiting"),
        )
        told = select(func.count()).where(history.c.trigger == "message_received")
        try:
            with reading(self.database) as connection:
                busy = any(connection.execute(query).scalar_one() for query in under_way)
                unheard = connection.execute(told).scalar_one() < len(transcripts.written(self._world()))
        except (StorageError, SQLAlchemyError):
            return False
        return not busy and not unheard

    def _sketch(self) -> str:
        try:
            with reading(self.database) as connection:
                rows = connection.execute(select(outbox.c.kind, outbox.c.status).where(outbox.c.status != "done"))
                return f"states {sorted(self._states().values())}, effects {[tuple(row) for row in rows]}"
        except (StorageError, SQLAlchemyError) as error:
            return str(error)


Story = Callable[[Stage], Any]


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """A stage with a folder, two ports and a zygote of its own."""
    with TemporaryDirectory(prefix="chaos-") as name:
        folder = Path(name)
        port = any_port(0)
        url = f"http://127.0.0.1:{port}"
        running = await start_sandbox("127.0.0.1", 0, url)
        variables = HASTE | {
            "PORT": str(port),
            "SANDBOX_PORT": running.url.rpartition(":")[2],
            "DATABASE_URL": f"sqlite+aiosqlite:///{folder}/hub.db",
        }
        try:
            async with Lives(variables, folder / "service.log", url) as lives:
                on_stage = Stage(folder, running.sandbox, running.url, lives, url)
                try:
                    yield on_stage
                finally:
                    await on_stage.close()
        finally:
            await running.stop()
            shutil.rmtree(folder, ignore_errors=True)

"""The two who deal with the sandbox in its tests: the service its webhooks go to, and whoever works its controls."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession, web

from orchestrator.sandbox.server import Running


@dataclass(frozen=True)
class Heard:
    """A webhook as it arrived."""

    method: str
    path: str
    url: str
    form: dict[str, str]
    headers: dict[str, str]

    @property
    def event(self) -> str:
        return self.form.get("EventType", self.path)


@dataclass
class Service:
    """A stand-in for the service. `answers` says what an event, or a path, is answered; all else gets 200 `{}`."""

    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    answers: dict[str, Callable[[], web.Response]] = field(default_factory=dict)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def hear(self, request: web.Request) -> web.Response:
        pairs = await request.post() if request.method == "POST" else request.query
        form = {name: str(value) for name, value in pairs.items()}
        heard = Heard(request.method, request.path, str(request.url), form, dict(request.headers))
        async with self.news:
            self.heard.append(heard)
            self.news.notify_all()
        if heard.event in self.gates:
            await self.gates[heard.event].wait()
        answer = self.answers.get(heard.event) or self.answers.get(heard.path)
        return answer() if answer else web.json_response({})

    async def until(self, event: str, count: int = 1) -> None:
        """Wait until this event has been heard so many times."""
        async with self.news:
            await self.news.wait_for(lambda: self.events().count(event) >= count)

    def events(self, path: str | None = None) -> list[str]:
        """The events heard, in order, those at one path only if it is given."""
        return [heard.event for heard in self.heard if path in (None, heard.path)]

    def form(self, event: str) -> dict[str, str]:
        """The form of the one webhook of this event."""
        (found,) = [heard.form for heard in self.heard if heard.event == event]
        return found


@dataclass
class Control:
    """The control API: each call gives the status and the JSON, None without any."""

    session: ClientSession

    async def call(self, method: str, path: str, json: Any = None, **options: Any) -> tuple[int, Any]:
        if json is not None:
            options["json"] = json
        async with self.session.request(method, path, **options) as response:
            return response.status, await response.json() if response.content_type == "application/json" else None

    async def inbound(self, body: str | None = "Hello", sender: str = "+15550100001", **more: Any) -> Any:
        """What a customer's message is answered; it must be taken in."""
        status, answer = await self.call("POST", "/sandbox/inbound", {"from": sender, "body": body, **more})
        assert status == 201, answer
        return answer

    async def whole(self, conversation_sid: str) -> Any:
        status, answer = await self.call("GET", f"/sandbox/conversations/{conversation_sid}")
        assert status == 200, answer
        return answer

    async def ledger(self, since: int = 0) -> list[dict[str, Any]]:
        _, answer = await self.call("GET", f"/sandbox/ledger?since={since}")
        entries: list[dict[str, Any]] = answer["entries"]
        return entries

    async def faults(self, **faults: Any) -> None:
        status, answer = await self.call("PUT", "/sandbox/faults", faults)
        assert status == 200, answer


def answered(status: int = 200, **options: Any) -> Any:
    """An answer for `Service.answers`."""
    return lambda: web.Response(status=status, **options)


async def settled(sandbox: Running) -> None:
    """Every webhook was told, or given up."""
    await sandbox.sandbox.webhooks.settled()

"""The doors a test knocks at by hand: signed webhooks, Twilio's REST API beside the service, the database file."""

import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from twilio.request_validator import RequestValidator

from orchestrator.sandbox import seeds
from tests.e2e.conftest import House

TABLES = ("conversation", "history", "inbox", "look", "outbox", "reservation")
PROXY = seeds.NUMBERS["sms"]
WORKSPACE = {"TASKROUTER_WORKSPACE_SID": seeds.WORKSPACE_SID, "TASKROUTER_QUEUE_SID": seeds.TASK_QUEUE_SID}
CREDENTIALS = {"TWILIO_ACCOUNT_SID": seeds.ACCOUNT_SID, "TWILIO_AUTH_TOKEN": seeds.AUTH_TOKEN}


def real_account(house: House, **more: str) -> dict[str, str]:
    """The variables of a real account, which is the sandbox's; `more` beside and over them."""
    usual = {
        "TWILIO_API_URL": house.sandbox.url,
        "TASKROUTER_WORKSPACE_SID": seeds.WORKSPACE_SID,
        "TASKROUTER_QUEUE_SID": seeds.TASK_QUEUE_SID,
        "MESSAGING_SERVICE_SID": seeds.MESSAGING_SERVICE_SID,
        "PROXY_NUMBERS": f"+={seeds.NUMBERS['sms']},whatsapp:={seeds.NUMBERS['whatsapp']}",
        "EFFECT_TIMEOUT_S": "3",
    }
    return CREDENTIALS | usual | more


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read."""

    status: int
    text: str
    json: Any


def signature(url: str, form: Mapping[str, str], token: str = seeds.AUTH_TOKEN) -> str:
    """What the official library signs a form posted to `url` with."""
    return str(RequestValidator(token).compute_signature(url, dict(form)))


async def knock(
    house: House, path: str, form: Mapping[str, str], token: str = seeds.AUTH_TOKEN, **headers: str
) -> Reply:
    """Post a signed form to the service; `headers` beside the signature."""
    signed = {"X-Twilio-Signature": signature(house.url + path, form, token)} | headers
    async with house.session.post(house.url + path, data=dict(form), headers=signed) as response:
        return await read(response)


async def read(response: aiohttp.ClientResponse) -> Reply:
    """The answer with its body, as JSON too where it is some."""
    text = await response.text()
    is_json = response.content_type == "application/json" and text
    return Reply(response.status, text, await response.json() if is_json else None)


async def rest(house: House, method: str, path: str, told: bool = False, **form: str) -> Any:
    """A write to Twilio's REST API by somebody else; `told`: with webhooks. Dots in names are written `__`."""
    async with house.session.request(
        method,
        f"{house.sandbox.url}/v1{path}",
        data={name.replace("__", "."): value for name, value in form.items()},
        headers={
            "Authorization": aiohttp.encode_basic_auth(seeds.ACCOUNT_SID, seeds.AUTH_TOKEN),
            "X-Twilio-Webhook-Enabled": "true" if told else "false",
        },
    ) as response:
        assert response.status < 300, (response.status, await response.text())
        return await response.json() if response.status != 204 else None


async def outgoing(house: House, identity: str, address: str, told: bool = False) -> str:
    """A conversation that a worker starts: he is in it before the customer; its SID."""
    sid = str((await rest(house, "POST", "/Conversations", told))["sid"])
    path = f"/Conversations/{sid}/Participants"
    await rest(house, "POST", path, told, Identity=identity)
    binding = {"MessagingBinding__Address": address, "MessagingBinding__ProxyAddress": PROXY}
    await rest(house, "POST", path, told, **binding)
    return sid


def rows(house: House) -> dict[str, int]:
    """How many rows each table has."""
    connection = sqlite3.connect(f"file:{house.data}/hub.db?mode=ro", uri=True)
    try:
        return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in TABLES}
    finally:
        connection.close()


@asynccontextmanager
async def locked(house: House) -> AsyncIterator[None]:
    """Another program holds the database's write lock."""
    connection = sqlite3.connect(house.data / "hub.db", isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


@dataclass(slots=True)
class Gate:
    """A pass-through in front of the sandbox that counts what the service asks of it."""

    url: str
    calls: list[tuple[str, str]] = field(default_factory=list)

    def reads(self) -> list[str]:
        """The paths of the GETs of messages and participants, in order."""
        return [path for method, path in self.calls if method == "GET" and "onversations" in path]


@asynccontextmanager
async def serving(handler: Any) -> AsyncIterator[str]:
    """A server of our own on a free port; its URL."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def gate(house: House) -> AsyncIterator[Gate]:
    """A gate for `TWILIO_API_URL`."""
    counted = Gate("")

    async def passing(request: web.Request) -> web.Response:
        counted.calls.append((request.method, request.path))
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in ("host",)}
        async with house.session.request(
            request.method, house.sandbox.url + request.path_qs, data=body, headers=headers
        ) as answer:
            content = await answer.read()
            return web.Response(status=answer.status, body=content, content_type=answer.content_type)

    async with serving(passing) as url:
        counted.url = url
        yield counted

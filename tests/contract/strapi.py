"""A Strapi on the loopback address that answers as the recordings of the real v3, v4 and v5 do."""

import asyncio
import json
import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

from aiohttp import web

RECORDINGS = Path(__file__).parents[1] / "data" / "strapi"
VERSIONS = {"v3": "strapi-3.6.11.json", "v4": "strapi-4.26.2.json", "v5": "strapi-5.54.0.json"}
CREDENTIALS = {"identifier": "frontline_app", "password": "test-only-password"}


class Strapi:
    """One Strapi: its customers, log-ins and refusals as recorded; the test may add customers, owners and faults."""

    def __init__(self, version: str) -> None:
        exchanges = json.loads((RECORDINGS / VERSIONS[version]).read_text())["exchanges"]
        self.version = version
        self.recorded = {exchange["name"]: exchange for exchange in exchanges}
        self.prefix = "" if version == "v3" else "/api"
        listed = deepcopy(self.recorded["list" if version == "v3" else "list, with channels"]["answer"])
        self.records: list[dict[str, Any]] = listed if version == "v3" else listed["data"]
        self.jwt = "JWT"
        self.api_token = "a static token"
        self.logins = 0
        self.requests: list[str] = []
        self.fault: Callable[[], web.Response] | None = None
        self.hold: asyncio.Event | None = None
        self.held = asyncio.Event()
        self.url = ""

    def add(self, **fields: Any) -> None:
        number = len(self.records) + 1
        inner = {"display_name": f"Customer {number}", "customer_id": 1000 + number, "channels": [], **fields}
        self.records.append({"id": number, "attributes": inner} if self.version == "v4" else {"id": number, **inner})

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append(f"{request.method} {request.path}")
        if self.hold:
            self.held.set()
            await self.hold.wait()
        if self.fault is not None:
            return self.fault()
        if request.path == f"{self.prefix}/auth/local":
            return await self.log_in(request)
        if request.path == f"{self.prefix}/customers":
            return self.listing(request)
        return self.answer("login at the other generation's path" if request.method == "POST" else "one, missing")

    def answer(self, name: str, **changes: Any) -> web.Response:
        exchange = self.recorded[name]
        if isinstance(exchange["answer"], str):
            return web.Response(text=exchange["answer"], status=exchange["status"])
        return web.json_response({**exchange["answer"], **changes}, status=exchange["status"])

    async def log_in(self, request: web.Request) -> web.Response:
        try:
            given = json.loads(await request.text())
        except ValueError:
            return self.answer("login, not JSON")
        self.logins += 1
        if self.logins > 10:
            return self.answer("login, too often")
        if "password" not in given:
            return self.answer("login, no password")
        return self.answer("login", jwt=self.jwt) if given == CREDENTIALS else self.answer("login, wrong password")

    def listing(self, request: web.Request) -> web.Response:
        bearer = request.headers.get("Authorization")
        if bearer is None:
            return self.answer("list, no token")
        if bearer not in (f"Bearer {self.jwt}", f"Bearer {self.api_token}"):
            return self.answer("list, bad token")
        return self.list_v3(dict(request.query)) if self.version == "v3" else self.list_v4(dict(request.query))

    def list_v3(self, query: dict[str, str]) -> web.Response:
        found = self.records
        limit, start = int(query.pop("_limit", "100")), int(query.pop("_start", "0"))
        query.pop("_sort", None)
        if (wanted := query.pop("customer_id", None)) is not None:
            if not wanted.isdecimal():
                return web.json_response({"statusCode": 500, "error": "Internal Server Error"}, status=500)
            found = [record for record in found if record["customer_id"] == int(wanted)]
        if query:
            return self.answer("list, by phone" if "channels.value" in query else "list, unknown filter")
        return web.json_response(found[start:] if limit < 0 else found[start : start + limit])

    def list_v4(self, query: dict[str, str]) -> web.Response:
        found = self.records
        page, size = int(query.pop("pagination[page]", "1")), int(query.pop("pagination[pageSize]", "25"))
        populate, _ = query.pop("populate", None), query.pop("sort", None)
        for name, wanted in query.items():
            if name == "filters[customer_id][$eq]":
                if not wanted.isdecimal():
                    return web.json_response({"data": None, "error": {"status": 500}}, status=500)
                found = [record for record in found if fields(record)["customer_id"] == int(wanted)]
            elif operator := re.fullmatch(r"filters\[channels\]\[value\]\[(\$\w+)\]", name):
                found = [record for record in found if any_channel(record, operator[1], wanted)]
            else:
                return self.answer("list, unknown filter")
        size = min(size, 100)
        meta = {"page": page, "pageSize": size, "pageCount": -(-len(found) // size), "total": len(found)}
        shown = [shape(record, populate == "channels") for record in found[(page - 1) * size : page * size]]
        return web.json_response({"data": shown, "meta": {"pagination": meta}})


def fields(record: dict[str, Any]) -> dict[str, Any]:
    inner: dict[str, Any] = record.get("attributes", record)
    return inner


def any_channel(record: dict[str, Any], operator: str, wanted: str) -> bool:
    wanted = wanted.lower() if operator == "$eqi" else wanted
    values = [str(channel["value"]) for channel in fields(record)["channels"] or []]
    if operator == "$endsWith":
        return any(value.endswith(wanted) for value in values)
    return wanted in (values if operator == "$eq" else [value.lower() for value in values])


def shape(record: dict[str, Any], with_channels: bool) -> dict[str, Any]:
    copy = deepcopy(record)
    if not with_channels:
        fields(copy).pop("channels")
    return copy

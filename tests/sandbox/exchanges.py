"""Real exchanges of the official Twilio client with the sandbox, held against Twilio's OpenAPI documents.

openapi-core judges types and values. It overlooks form fields it does not know and response fields that are not there,
so the names are compared as well: what is sent must be listed, what comes back must be exactly what is listed.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from aiohttp import encode_basic_auth
from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from yarl import URL

_DOCUMENTS = Path(__file__).parents[1] / "data" / "openapi"
_FORM = "application/x-www-form-urlencoded"
_FILES = {
    "conversations.twilio.com": "twilio_conversations_v1.json",
    "taskrouter.twilio.com": "twilio_taskrouter_v1.json",
}


@dataclass(frozen=True)
class Exchange:
    """One request as the client made it, and its answer; `url` has the host it has at Twilio."""

    method: str
    url: str
    form: list[tuple[str, str]]
    status: int
    body: str

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.url).query, keep_blank_values=True)


class RecordingHttpClient(AsyncTwilioHttpClient):
    """The official client's transport, sent to the sandbox; `exchanges` keeps what went over it."""

    def __init__(self, origin: str) -> None:
        super().__init__()
        self._origin = URL(origin)
        self.exchanges: list[Exchange] = []

    async def request(
        self,
        method: str,
        url: str,
        params: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """One call. The credentials go as a header: aiohttp finds the client's own way of giving them outdated."""
        target = URL(url).extend_query({name: str(value) for name, value in (params or {}).items()})
        local = str(self._origin.join(target.relative()))
        sent = {**(headers or {}), **({"Authorization": encode_basic_auth(*auth)} if auth else {})}
        response = await super().request(method, local, None, data, sent, None, 10.0, allow_redirects)
        form = parse_qsl(urlencode(data or {}, doseq=True), keep_blank_values=True)
        self.exchanges.append(Exchange(method, _at_twilio(target), form, response.status_code, response.text))
        return response


def _at_twilio(url: URL) -> str:
    """The URL with Twilio's host, which the sandbox's own page URLs do not have."""
    product = "taskrouter" if url.path.startswith("/v1/Workspaces") else "conversations"
    return str(url.with_scheme("https").with_host(f"{product}.twilio.com").with_port(None))


@cache
def _document(host: str) -> tuple[dict[str, Any], OpenAPI]:
    file = _DOCUMENTS / _FILES[host]
    assert file.is_file(), f"{file.name} is missing from tests/data/openapi; without it nothing is proved"
    data = json.loads(file.read_text())
    return data, OpenAPI.from_dict(data)


def complaints(exchange: Exchange) -> list[str]:
    """What Twilio's documents say against an exchange: nothing, when it could have been Twilio's."""
    operation = _operation(exchange)
    if operation is None:
        return [f"no operation {exchange.method} {exchange.path}"]
    return [*_schema_complaints(exchange), *_request_names(exchange, operation), *_response_names(exchange, operation)]


def _operation(exchange: Exchange) -> dict[str, Any] | None:
    document, _ = _document(exchange.host)
    for template, item in document["paths"].items():
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, exchange.path) and exchange.method.lower() in item:
            found: dict[str, Any] = item[exchange.method.lower()]
            return found
    return None


def _schema_complaints(exchange: Exchange) -> list[str]:
    _, api = _document(exchange.host)
    posted = exchange.method == "POST"
    request = MockRequest(
        f"https://{exchange.host}",
        exchange.method.lower(),
        exchange.path,
        args=dict(exchange.query),
        headers={"Authorization": "Basic eDp5"},
        data=urlencode(exchange.form).encode() if posted else None,
        content_type=_FORM if posted else "",
    )
    answer = MockResponse(exchange.body.encode(), status_code=exchange.status, content_type="application/json")
    found = []
    for validate in (lambda: api.validate_request(request), lambda: api.validate_response(request, answer)):
        try:
            validate()
        except OpenAPIError as error:
            found.append(f"{error!r} because of {error.__cause__!r}")
    return found


def _request_names(exchange: Exchange, operation: dict[str, Any]) -> list[str]:
    content = operation.get("requestBody", {}).get("content", {})
    fields = content.get(_FORM, {}).get("schema", {}).get("properties", {})
    queries = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"}
    return [f"unknown form field {name}" for name, _ in exchange.form if name not in fields] + [
        f"unknown query parameter {name}" for name, _ in exchange.query if name not in queries
    ]


def _response_names(exchange: Exchange, operation: dict[str, Any]) -> list[str]:
    answer = operation["responses"].get(str(exchange.status), {}).get("content", {}).get("application/json")
    if answer is None:
        return []
    shape, schema = json.loads(exchange.body), _resolved(exchange, answer["schema"])
    found = _names_differ("answer", shape, schema)
    key = shape.get("meta", {}).get("key")
    if key:
        item = _resolved(exchange, schema["properties"][key]["items"])
        found += [complaint for each in shape[key] for complaint in _names_differ(key, each, item)]
    return found


def _resolved(exchange: Exchange, schema: dict[str, Any]) -> dict[str, Any]:
    document, _ = _document(exchange.host)
    reference = schema.get("$ref")
    return document["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema


def _names_differ(where: str, shape: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    listed = set(schema["properties"])
    return [f"{where} lacks {name}" for name in sorted(listed - set(shape))] + [
        f"{where} has unknown {name}" for name in sorted(set(shape) - listed)
    ]

"""The outside of the Twilio REST API: credentials, forms, faults, error JSON and the ledger, around plain handlers.

A handler is given a `Call` and returns a `Reply`, or raises `TwilioError`; it never waits.
"""

import asyncio
import base64
import hmac
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TypeVar

from aiohttp import web

from orchestrator.sandbox import forms, seeds
from orchestrator.sandbox.errors import TwilioError, bad_parameter, not_found
from orchestrator.sandbox.faults import Faults
from orchestrator.sandbox.forms import Form, Pairs
from orchestrator.sandbox.ledger import NO_ANSWER
from orchestrator.sandbox.paging import PAGE_NAMES
from orchestrator.sandbox.records import Conversation, Message, Participant
from orchestrator.sandbox.sandbox import FLEX, SANDBOX, Sandbox
from orchestrator.sandbox.shapes import Place, Shape

Record = TypeVar("Record", Conversation, Message, Participant)


@dataclass(frozen=True, slots=True)
class Reply:
    """A handler's success; without a shape the answer has no body."""

    status: int
    shape: Shape | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read and let in. `content`: the body where it is no form."""

    request: web.Request
    sandbox: Sandbox
    pairs: Pairs
    content: bytes = b""

    @property
    def place(self) -> Place:
        """Where the client found us, for the URLs of the answer."""
        return Place(
            f"{self.request.scheme}://{self.request.host}",
            "service" in self.request.match_info,
            self.sandbox.account.sid,
        )

    @property
    def url(self) -> str:
        """The URL that was asked, without its query."""
        return f"{self.request.scheme}://{self.request.host}{self.request.rel_url.raw_path}"

    @property
    def told(self) -> bool:
        """Whether this write fires webhooks: only when the client asks for them."""
        value = self.request.headers.get("X-Twilio-Webhook-Enabled", "false").lower()
        if value not in ("true", "false"):
            raise bad_parameter("X-Twilio-Webhook-Enabled must be true or false")
        return value == "true"

    def listed(self, records: Iterable[Record]) -> list[Record]:
        """What a list shows of these: the fault `list_lag_s` hides the newest."""
        newest = self.newest_listed
        return [record for record in records if record.entered <= newest]

    @property
    def newest_listed(self) -> datetime:
        """When what came last had come of which lists know."""
        return self.sandbox.world.now() - timedelta(seconds=self.sandbox.faults.list_lag_s)

    def named(self, name: str) -> str:
        """A part of the path."""
        return self.request.match_info[name]

    def form(self, *names: str, arrays: Collection[str] = ()) -> Form:
        """The body's parameters."""
        return Form(self.pairs, names, arrays)

    def query(self, *names: str) -> Form:
        """The query's parameters; those of paging are always welcome."""
        return Form(list(self.request.query.items()), (*names, *PAGE_NAMES))


Handler = Callable[[Call], Reply]
_QUESTIONS = ("GET", "HEAD", "OPTIONS")
# Twilio Docs, "Conversations Limits": media in a chat.
UPLOAD_MAX_BYTES = 150 * 1024 * 1024
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


def add_route(
    app: web.Application, method: str, path: str, handler: Handler, *, scoped: bool = True, takes_bytes: bool = False
) -> None:
    """Serve `handler` at `path`, and when `scoped` again below `/v1/Services/{IS}`. `takes_bytes`: the body is what is
    uploaded, and no form."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return await _answer(request, handler, takes_bytes)

    app.router.add_route(method, path, answer)
    if scoped:
        app.router.add_route(method, path.replace("/v1/", "/v1/Services/{service}/", 1), answer)


def unknown_resource(call: Call) -> Reply:
    """What every path answers that the sandbox does not serve."""
    raise not_found(call.request.path)


async def _answer(request: web.Request, handler: Handler, takes_bytes: bool) -> web.StreamResponse:
    sandbox = _account_of(request)
    pairs: Pairs = []
    content = b""
    try:
        if takes_bytes:
            content = await _read_bytes(request)
            pairs = [("ContentType", request.content_type), ("Size", str(len(content)))]
        else:
            pairs = await _read_form(request)
        _authenticate(request, sandbox)
        resets = sandbox.resets
        await asyncio.sleep(sandbox.faults.latency_ms / 1000)
        _fail_before(sandbox.faults)
        _check_service(request)
        call = Call(request, sandbox, pairs, content)
        if request.method in _QUESTIONS:
            return _response(handler(call))
        if sandbox.resets != resets:
            return _cut(request)
    except TwilioError as error:
        return _refuse(request, sandbox, pairs, error)
    delay_s = sandbox.faults.commits_late_s()
    if delay_s is not None:
        sandbox.later(delay_s, lambda: _carry_out_late(call, handler))
        return _cut(request)
    reply, committed = _carried_out(call, handler)
    return _settle(request, sandbox, pairs, reply, committed)


def _refuse(request: web.Request, sandbox: Sandbox, pairs: Pairs, error: TwilioError) -> web.Response:
    if request.method not in _QUESTIONS:
        sandbox.ledger.rest(request.method, request.path, pairs, error.status, False)
    return _response(Reply(error.status, error.json()))


def _carried_out(call: Call, handler: Handler) -> tuple[Reply, bool]:
    """The answer to a write, and whether it was carried out."""
    try:
        return handler(call), True
    except TwilioError as error:
        return Reply(error.status, error.json()), False


def _carry_out_late(call: Call, handler: Handler) -> None:
    """Carry out a write whose client was cut off a while ago."""
    _, committed = _carried_out(call, handler)
    request = call.request
    call.sandbox.ledger.rest(request.method, request.path, call.pairs, NO_ANSWER, committed, "cut before the commit")


def _settle(request: web.Request, sandbox: Sandbox, pairs: Pairs, reply: Reply, committed: bool) -> web.StreamResponse:
    """Answer a write, as far as the faults let the answer out, and enter it in the ledger."""
    note = None
    if committed and sandbox.faults.cuts_after():
        sandbox.ledger.rest(request.method, request.path, pairs, NO_ANSWER, True, "cut after the commit")
        return _cut(request)
    if committed and sandbox.faults.fails_after():
        error = TwilioError(20500, "Internal server error", 500)
        reply, note = Reply(error.status, error.json()), "failed after the commit"
    sandbox.ledger.rest(request.method, request.path, pairs, reply.status, committed, note)
    return _response(reply)


def _cut(request: web.Request) -> web.StreamResponse:
    """Close the connection instead of answering."""
    if request.transport:
        request.transport.abort()
    return web.Response()


def _response(reply: Reply) -> web.Response:
    if reply.shape is None:
        return web.Response(status=reply.status, headers=reply.headers)
    return web.json_response(reply.shape, status=reply.status, headers=reply.headers)


def _account_of(request: web.Request) -> Sandbox:
    """The account whose name the credentials give; ours, unless it is the other one's."""
    flex = request.app[FLEX]
    try:
        named = base64.b64decode(request.headers.get("Authorization", "").partition(" ")[2]).partition(b":")[0]
    except ValueError:
        named = b""
    return flex if named == flex.account.sid.encode() else request.app[SANDBOX]


def _authenticate(request: web.Request, sandbox: Sandbox) -> None:
    expected = base64.b64encode(f"{sandbox.account.sid}:{sandbox.account.token}".encode())
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    right = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), expected)
    if scheme.lower() != "basic" or not right:
        raise TwilioError(20003, "Authenticate")


def _fail_before(faults: Faults) -> None:
    status = faults.error_before()
    if status is not None:
        code = 20003 if status in (401, 403) else 20000 + status
        raise TwilioError(code, _PHRASES.get(status, "Fault"), status)


def _check_service(request: web.Request) -> None:
    service = request.match_info.get("service", seeds.CHAT_SERVICE_SID)
    if service != seeds.CHAT_SERVICE_SID:
        raise not_found(f"/Services/{service}")


async def _read_bytes(request: web.Request) -> bytes:
    """The body of an upload, which may be larger than a form."""
    content = bytearray()
    async for chunk in request.content.iter_chunked(65_536):
        content += chunk
        if len(content) > UPLOAD_MAX_BYTES:
            raise TwilioError(50512, "Media is too large", 413)
    return bytes(content)


async def _read_form(request: web.Request) -> Pairs:
    """The form of a request, empty when it has no body."""
    try:
        body = await request.read()
    except web.HTTPException as error:
        raise TwilioError(20001, error.reason, error.status) from error
    except web.RequestPayloadError as error:
        raise bad_parameter("The body cannot be read") from error
    if body and request.content_type != forms.FORM_TYPE:
        raise bad_parameter(f"The body must be {forms.FORM_TYPE}")
    return forms.parse(body)

"""Forged mutations of genuine webhooks, replays, shifted borders, bodies nobody can read: none of it moves anything.

Between the sandbox and the service stands a wire that keeps every genuine webhook. They are changed in ways an attacker
could who saw them; whatever Twilio's own validator would still accept is no forgery and is drawn again.
"""

import asyncio
import hmac
import random
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlencode

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, MultiDict
from sqlalchemy import func, select
from twilio.request_validator import RequestValidator

from chaos.corpus import SIGNATURE, Letter, dripping, unreadable
from chaos.frame import Figure, Scale
from chaos.house import House, house, serving, waits
from orchestrator.bodies import BODY_MAX_BYTES, split_form
from orchestrator.running import any_port
from orchestrator.sandbox import seeds
from orchestrator.sandbox.delivery import Targets
from storage.opening import reading
from storage.schema import conversation, history, outbox

AT_ONCE = 32
PEOPLE = 6
TEXTS = ("Hello", "What is this?", "AGENT", "Thanks")
PATHS = ("/pre-event", "/post-event", "/taskrouter-event", "/routing", "/crm", "/outbound", "/templates")
CALLBACKS = {
    "/crm": {"Location": "GetCustomersList", "Worker": "ada@example.test", "PageSize": "10"},
    "/templates": {"Location": "GetTemplatesByCustomerId", "Worker": "ada@example.test", "CustomerId": "1"},
    "/outbound": {"Location": "GetProxyAddress", "CustomerId": "1", "ChannelType": "sms", "ChannelValue": "+1555"},
}
Fields = list[tuple[str, str]]


async def forgeries(scale: Scale) -> Figure:
    """20,000 forged mutations, 1,000 replays, 10,000 shifted borders, and the corpus of bad bodies at every route."""
    chance = random.Random(f"{scale.seed}/forgeries")
    port = any_port(0)
    url = f"http://127.0.0.1:{port}"
    connector = aiohttp.TCPConnector(force_close=True)
    async with house(PUBLIC_URL=url, **waits(0.05)) as it, aiohttp.ClientSession(connector=connector) as session:
        wire = _Wire(session, it.url, url)
        it.sandbox.webhooks.targets = Targets.at(url)
        it.sandbox.world.workforce.settings.event_callback_url = f"{url}/taskrouter-event"
        async with serving(wire.app(), port):
            await _talk(it)
        before = _rows(it)
        genuine = wire.heard + [signed(url, path, list(fields.items())) for path, fields in CALLBACKS.items()]
        forged = [_forge(url, genuine, chance) for _ in range(scale.of(20_000))]
        replays = chance.choices(wire.heard, k=scale.of(1_000))
        shifted = [chance.choice(_shifts(chance.choice(wire.heard))) for _ in range(scale.of(10_000))]
        bad = [letter for path in PATHS for letter in unreadable(path, lambda it: signature(url, it))]
        answers = {
            "forged": await wire.post_all(forged),
            "unreadable": await wire.post_all(bad),
            "dripping": await wire.post_all([dripping(path) for path in PATHS]),
            "replayed": await wire.post_all(replays),
            "shifted": await wire.post_all(shifted),
        }
        await it.rest()
        return _figure(answers, before, _rows(it), it.violations())


def signature(url: str, letter: Letter) -> str:
    """What this letter would be signed with, be its fields text or not
    (https://www.twilio.com/docs/usage/security#validating-requests)."""
    covered = (url + letter.path).encode() + split_form(letter.body).covered
    return b64encode(hmac.digest(seeds.AUTH_TOKEN.encode(), covered, "sha1")).decode()


def signed(url: str, path: str, fields: Fields) -> Letter:
    """A genuine letter."""
    letter = Letter(path, urlencode(fields).encode())
    return letter.with_headers({SIGNATURE: signature(url, letter)})


class _Wire:
    """Hands every request on, and keeps it."""

    def __init__(self, session: aiohttp.ClientSession, service_url: str, public_url: str) -> None:
        self.heard: list[Letter] = []
        self.public_url = public_url
        self._session = session
        self._service_url = service_url

    def app(self) -> web.Application:
        """What listens at the public address."""
        app = web.Application()
        app.router.add_post("/{tail:.*}", self._hand_on)
        return app

    async def _hand_on(self, request: web.Request) -> web.Response:
        kept = {name: request.headers[name] for name in (SIGNATURE, "Content-Type")}
        letter = Letter(request.path_qs, await request.read(), CIMultiDict(kept))
        self.heard.append(letter)
        async with self._session.post(
            self._service_url + letter.path, data=letter.content(), headers=letter.headers
        ) as answer:
            return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")

    async def post_all(self, letters: Iterable[Letter]) -> Counter[int]:
        """Send them to the service itself, some at once; how often each status was answered. 0: hung up on."""
        answers: Counter[int] = Counter()
        waiting = iter(letters)

        async def post() -> None:
            for letter in waiting:
                answers[await self._status(letter)] += 1

        await asyncio.gather(*(post() for _ in range(AT_ONCE)))
        return answers

    async def _status(self, letter: Letter) -> int:
        try:
            async with self._session.post(
                self._service_url + letter.path, data=letter.content(), headers=letter.headers
            ) as answer:
                return answer.status
        except aiohttp.ClientConnectionError:
            if len(letter.body) <= BODY_MAX_BYTES and not letter.drips:
                raise
            # It was refused before it was read to its end, and the connection closed.
            return 0


async def _talk(it: House) -> None:
    for number in range(1, PEOPLE + 1):
        for text in TEXTS:
            await it.say(f"+1555{number:07d}", text)
    await it.rest()


def _rows(it: House) -> dict[str, int]:
    with reading(it.settings.database_url) as connection:
        tables = (conversation, history, outbox)
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables
        }


def _figure(
    answers: dict[str, Counter[int]], before: dict[str, int], after: dict[str, int], lines: list[str]
) -> Figure:
    broken = [
        f"{count} {kind} answered {status}"
        for kind, statuses in answers.items()
        for status, count in statuses.items()
        if status >= 500 or (status and status < 400 and kind not in ("replayed", "shifted"))
    ]
    moved = [
        f"{name}: {before[name]} rows before, {after[name]} after" for name in before if before[name] != after[name]
    ]
    told = "; ".join(
        f"{statuses.total()} {kind} ("
        + ", ".join(f"{n} × {status or 'hung up'}" for status, n in sorted(statuses.items()))
        + ")"
        for kind, statuses in answers.items()
    )
    return Figure("forged mutations, replays and bodies nobody can read", told, broken + moved + lines)


# What an attacker changes


def _forge(url: str, genuine: Sequence[Letter], chance: random.Random) -> Letter:
    """One letter that Twilio's own validator does not accept."""
    while True:
        forged = chance.choice(FORGERIES)(_Draft(url, chance.choice(genuine), chance))
        if not _is_genuine(url, forged):
            return forged


def _is_genuine(url: str, letter: Letter) -> bool:
    signatures = letter.headers.getall(SIGNATURE, [])
    try:
        fields = MultiDict(parse_qsl(letter.body.decode(), keep_blank_values=True))
        made = RequestValidator(seeds.AUTH_TOKEN).compute_signature(url + letter.path, fields)
    except ValueError:
        # It raises at what is no text or no URL.
        return False
    return signatures == [made]


@dataclass(frozen=True, slots=True)
class _Draft:
    """A genuine letter about to be changed."""

    url: str
    letter: Letter
    chance: random.Random

    @property
    def fields(self) -> Fields:
        return parse_qsl(self.letter.body.decode(), keep_blank_values=True)

    def filled(self, fields: Fields) -> Letter:
        """The letter with other fields and its old signature."""
        return replace(self.letter, body=urlencode(fields).encode())

    def some(self) -> int:
        """The place of a field."""
        return self.chance.randrange(len(self.fields))


def _other_byte(draft: _Draft) -> Letter:
    body = bytearray(draft.letter.body)
    body[draft.chance.randrange(len(body))] ^= 1 << draft.chance.randrange(8)
    return replace(draft.letter, body=bytes(body))


def _other_value(draft: _Draft) -> Letter:
    fields, at = draft.fields, draft.some()
    fields[at] = (fields[at][0], draft.chance.choice(("grace@example.test", "AGENT", "", "\u202e", fields[at][1] * 2)))
    return draft.filled(fields)


def _other_name(draft: _Draft) -> Letter:
    fields, at = draft.fields, draft.some()
    fields[at] = (draft.chance.choice(("Body", "Author", "EventType", "")), fields[at][1])
    return draft.filled(fields)


def _field_less(draft: _Draft) -> Letter:
    fields = draft.fields
    del fields[draft.some()]
    return draft.filled(fields)


def _field_more(draft: _Draft) -> Letter:
    return draft.filled([*draft.fields, (draft.chance.choice(("Body", "Author", "Extra")), "AGENT")])


def _other_path(draft: _Draft) -> Letter:
    path = draft.chance.choice(PATHS) + draft.chance.choice(("", "?EventType=onMessageAdded", "/", ";x"))
    return replace(draft.letter, path=path)


def _other_signature(draft: _Draft) -> Letter:
    old = draft.letter.headers[SIGNATURE]
    at = draft.chance.randrange(len(old))
    kinds = ("", old[:at], old[:at] + draft.chance.choice("Ab9+/=\xe9") + old[at + 1 :], old + "=", old.swapcase())
    return draft.letter.with_headers({SIGNATURE: draft.chance.choice(kinds)})


def _no_signature(draft: _Draft) -> Letter:
    headers = draft.letter.headers.copy()
    del headers[SIGNATURE]
    return replace(draft.letter, headers=headers)


def _two_signatures(draft: _Draft) -> Letter:
    headers = draft.letter.headers.copy()
    headers.add(SIGNATURE, headers[SIGNATURE])
    return replace(draft.letter, headers=headers)


def _other_token(draft: _Draft) -> Letter:
    made = RequestValidator("0" * 32).compute_signature(draft.url + draft.letter.path, MultiDict(draft.fields))
    return draft.letter.with_headers({SIGNATURE: str(made)})


def _other_account(draft: _Draft) -> Letter:
    """Signed by another account's owner, with his own token, for his own account."""
    fields = [(name, "AC" + "f" * 32 if name == "AccountSid" else value) for name, value in draft.fields]
    return _other_token(replace(draft, letter=draft.filled(fields)))


def _other_media_type(draft: _Draft) -> Letter:
    kinds = ("application/json", "text/plain", "multipart/form-data; boundary=x")
    changed = draft.letter.with_headers({"Content-Type": draft.chance.choice(kinds)})
    return replace(changed, body=changed.body + b"&x=")


FORGERIES: tuple[Callable[[_Draft], Letter], ...] = (
    _other_byte,
    _other_value,
    _other_name,
    _field_less,
    _field_more,
    _other_path,
    _other_signature,
    _no_signature,
    _two_signatures,
    _other_token,
    _other_account,
    _other_media_type,
)


def _shifts(letter: Letter) -> list[Letter]:
    """The letter with a border moved, which its signature does not cover: `a=1&b=2` against `a=1b2`."""
    fields = sorted(parse_qsl(letter.body.decode(), keep_blank_values=True))
    return [
        replace(
            letter,
            body=urlencode(
                [*fields[:at], (fields[at][0], "".join((fields[at][1], *fields[at + 1]))), *fields[at + 2 :]]
            ).encode(),
        )
        for at in range(len(fields) - 1)
    ]

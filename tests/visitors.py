"""People at the service's door, each with a browser's cookies: they sign in, ask and send forms over real sockets."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from argon2 import PasswordHasher
from yarl import URL

from orchestrator.people.sessions import FORM, SESSION, form_token
from orchestrator.service import Service
from storage import people
from storage.unit import Unit

SECRET = "correct horse battery"
# Of other parameters than the service's own: quick to make, and renewed at the first sign-in.
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a visitor is told, but for a stream, of which he hears the beginning. `leads_to`: where a redirect leads, as
    it is written."""

    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def leads_to(self) -> str | None:
        return self.headers.get("Location")

    @property
    def plain(self) -> str:
        """The text without its token, which is another in each page."""
        return re.sub(r'(name="csrf" (?:value|content)=)"[^"]*"', r'\1""', self.text)

    @property
    def problem(self) -> str | None:
        """What the sign-in page says went wrong."""
        found = re.search(r'role="alert">(.*?)</p>', self.text)
        return None if found is None else found[1]


class Visitor:
    """Somebody with cookies of his own. Redirects are not followed."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.session = session

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies he sends, by name."""
        return {name: morsel.value for name, morsel in self.session.cookie_jar.filter_cookies(URL(self.url)).items()}

    @property
    def csrf(self) -> str:
        """The token that pages carry for him: those of his session, or before one the sign-in."""
        return form_token(self.cookies.get(SESSION) or self.cookies.get(FORM) or "")

    async def ask(self, method: str, path: str, form: Mapping[str, str] | None = None, **headers: str) -> Answer:
        """Send a request as it stands."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = URL(self.url + path, encoded=True)
        async with self.session.request(method, url, data=form, headers=named, allow_redirects=False) as response:
            goes_on = response.content_type == "text/event-stream"
            return Answer(response.status, "" if goes_on else await response.text(), response.headers)

    async def get(self, path: str, **headers: str) -> Answer:
        """Open a page."""
        return await self.ask("GET", path, **headers)

    async def post(self, path: str, **fields: str) -> Answer:
        """Send a form as a page of ours does."""
        return await self.ask("POST", path, {"csrf": self.csrf} | fields, Origin=self.url)

    async def tap(self, login: str) -> Answer:
        """Come in by a button of the sandbox."""
        await self.get("/signin")
        return await self._send_form(**{"as": login})

    async def sign_in(self, login: str, password: str = SECRET, going_to: str = "") -> Answer:
        """Come in by a password."""
        await self.get("/signin")
        return await self._send_form(login=login, password=password, next=going_to)

    async def _send_form(self, **fields: str) -> Answer:
        return await self.post("/signin", csrf=form_token(self.cookies.get(FORM, "")), **fields)


@asynccontextmanager
async def visiting(url: str) -> AsyncIterator[Visitor]:
    """A visitor without a past."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Visitor(url, session)


async def add_person(service: Service, login: str, role: str = "worker", password: str | None = SECRET) -> int:
    """Add a person to a running service's database; his number."""
    hashed = None if password is None else QUICK.hash(password)

    def work(unit: Unit) -> int:
        identity = login if role == "worker" else None
        return people.add(unit.connection, login, login, role, identity, hashed, unit.now)

    return await service.writer.run(work)

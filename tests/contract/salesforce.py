"""A Salesforce on the loopback address, as far as contacts go: it reads SOQL as the reference has it, and answers in
the shape of tests/data/salesforce."""

import json
import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

from aiohttp import web

RECORDED = json.loads((Path(__file__).parents[1] / "data" / "salesforce" / "contacts.json").read_text())
CLIENT_ID, CLIENT_SECRET = "a-consumer-key", "a-consumer-secret"
BATCH = 200  # records of an answer; Salesforce gives 2,000, and fewer of wide rows
_WORD = re.compile(r"\s*('(?:[^'\\]|\\.)*'|[\w.]+|[(),=>])", re.DOTALL)

Test = Callable[[dict[str, Any]], bool]


class Malformed(Exception):
    """What is no SOQL, or more of it than we speak."""


class Salesforce:
    """Its contacts, sign-ins and refusals."""

    def __init__(self) -> None:
        self.contacts: list[dict[str, Any]] = []
        self.token = RECORDED["token"]["access_token"]
        self.sign_ins = 0
        self.requests: list[str] = []
        self.batch = BATCH
        self.searchable = True
        self._rest: dict[str, list[dict[str, Any]]] = {}
        self.fault: Callable[[], web.Response] | None = None

    def add(self, **fields: Any) -> str:
        """One more contact; its id."""
        contact = deepcopy(RECORDED["query"]["records"][0])
        contact |= dict.fromkeys(("Email", "MobilePhone", "Phone", "HomePhone", "OtherPhone", "Title"))
        contact["Id"] = f"003xx{len(self.contacts) + 1:010}AAA"
        contact |= {name: value for name, value in fields.items() if name != "owner"}
        contact["Owner"]["Email"] = fields.get("owner", "nobody@example.test")
        self.contacts.append(contact)
        return str(contact["Id"])

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append(f"{request.method} {request.path}")
        if self.fault is not None:
            return self.fault()
        if request.path == "/services/oauth2/token":
            return self._sign_in(dict(await request.post()))
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response(RECORDED["session ended"], status=401)
        if request.path == "/services/data/v66.0/parameterizedSearch" and request.method == "POST":
            return self._search(await request.json())
        if request.path == "/services/data/v66.0/query":
            return self._query(request.query["q"])
        if (rest := self._rest.pop(request.path, None)) is not None:
            return self._page(rest)
        return web.json_response([{"errorCode": "NOT_FOUND", "message": "no such resource"}], status=404)

    def _sign_in(self, form: dict[str, Any]) -> web.Response:
        self.sign_ins += 1
        if form != {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}:
            return web.json_response(RECORDED["token, wrong secret"], status=400)
        return web.json_response({**RECORDED["token"], "access_token": self.token})

    def _search(self, body: dict[str, Any]) -> web.Response:
        """As the help has it: by the last digits of a number, however it is written."""
        assert body["in"] == "PHONE"
        phones = ("MobilePhone", "Phone", "HomePhone", "OtherPhone")
        found = [
            {"attributes": contact["attributes"], "Id": contact["Id"]}
            for contact in self.contacts
            if self.searchable
            and any(re.sub(r"\D", "", contact[phone] or "").endswith(body["q"]) for phone in phones if contact[phone])
        ]
        return web.json_response({"searchRecords": found})

    def _query(self, soql: str) -> web.Response:
        try:
            test, limit = Soql(soql).read()
        except Malformed:
            return web.json_response(RECORDED["malformed query"], status=400)
        found = sorted((contact for contact in self.contacts if test(contact)), key=lambda contact: contact["Id"])
        return self._page(found[:limit])

    def _page(self, found: list[dict[str, Any]]) -> web.Response:
        page, rest = found[: self.batch], found[self.batch :]
        answer = {"totalSize": len(found), "done": not rest, "records": page}
        if rest:
            answer["nextRecordsUrl"] = f"/services/data/v66.0/query/01gxx{len(self._rest):09}-{len(page)}"
            self._rest[str(answer["nextRecordsUrl"])] = rest
        return web.json_response(answer)


class Soql:
    """A query over contacts, read word by word: a text that breaks out of its quotes is malformed, or finds all."""

    def __init__(self, soql: str) -> None:
        self._words: list[str] = []
        at = 0
        while at < len(soql.rstrip()):
            word = _WORD.match(soql, at)
            if word is None:
                raise Malformed(soql[at:])
            self._words.append(word[1])
            at = word.end()

    def read(self) -> tuple[Test, int]:
        """What it looks for, and how many at most."""
        self._expect("SELECT")
        fields = [self._next()]
        while self._take(","):
            fields.append(self._next())
        for word in ("FROM", "Contact", "WHERE"):
            self._expect(word)
        test = self._any()
        for word in ("ORDER", "BY", "Id", "LIMIT"):
            self._expect(word)
        limit = int(self._next())
        if self._words:
            raise Malformed(self._words)
        return test, limit

    def _any(self) -> Test:
        tests = [self._all()]
        while self._take("OR"):
            tests.append(self._all())
        return lambda contact: any(test(contact) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._take("AND"):
            tests.append(self._one())
        return lambda contact: all(test(contact) for test in tests)

    def _one(self) -> Test:
        if self._take("("):
            test = self._any()
            self._expect(")")
            return test
        field, operator = self._next(), self._next()
        if operator == "IN":
            self._expect("(")
            values = [_folded(_text(self._next()))]
            while self._take(","):
                values.append(_folded(_text(self._next())))
            self._expect(")")
            return lambda contact: _folded(_field(contact, field)) in values
        quoted = self._next()
        if operator == "LIKE":
            like = _like(quoted)
            return lambda contact: like.fullmatch(_field(contact, field)) is not None
        value = _text(quoted)
        if operator == ">":
            return lambda contact: _field(contact, field) > value
        if operator != "=":
            raise Malformed(operator)
        return lambda contact: _folded(_field(contact, field)) == _folded(value)

    def _next(self) -> str:
        if not self._words:
            raise Malformed("it ends too soon")
        return self._words.pop(0)

    def _take(self, word: str) -> bool:
        return bool(self._words) and self._words[0] == word and bool(self._words.pop(0))

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise Malformed(f"{word} is missing")


def _field(contact: dict[str, Any], name: str) -> str:
    value: Any = contact
    for part in name.split("."):
        value = value[part]
    return value or ""


def _folded(text: str) -> str:
    return text.lower()


def _text(quoted: str) -> str:
    if not quoted.startswith("'"):
        raise Malformed(quoted)
    return re.sub(r"\\(.)", r"\1", quoted[1:-1], flags=re.DOTALL)


def _like(quoted: str) -> re.Pattern[str]:
    if not quoted.startswith("'"):
        raise Malformed(quoted)
    parts = re.findall(r"\\.|.", quoted[1:-1], flags=re.DOTALL)
    wild = {"%": ".*", "_": "."}
    return re.compile("".join(wild.get(part) or re.escape(part[-1]) for part in parts), re.IGNORECASE | re.DOTALL)

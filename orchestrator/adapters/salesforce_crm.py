"""The Crm port over Salesforce's contacts: SOQL through the REST API, signed in by OAuth 2's client credentials.

Every question asks for what it wants and no more. A number is first looked for as people spell it, which the database
compares letter by letter, then by its last digits in the search index, which knows any spelling but lags behind by a
while; what comes back is compared once more. Who owns a contact is its owner's email address.
Sources: developer.salesforce.com, "REST API Developer Guide" (Query, Parameterized Search), "SOQL and SOSL Reference"
(Quoted String Escape Sequences), help.salesforce.com, "OAuth 2.0 Client Credentials Flow". docs/customers.md says what
of it was not tried against a real one.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp

from orchestrator.adapters.rest import Answer, Rest
from orchestrator.addresses import channel_key, in_country, is_phone, national_number, normalise, written_numbers
from orchestrator.errors import CrmUnavailable
from states.customers import Channel, Customer, Link

API = "/services/data/v66.0"
SIGN_IN_PAUSE_S = 60.0  # before credentials that were refused are tried again
QUERY_MAX = 120  # characters; a name has at most 121, an email address 80
SAME_NUMBER_MAX = 50  # contacts that share the last digits of a number
PHONES = ("MobilePhone", "Phone", "HomePhone", "OtherPhone")
FIELDS = ("Id", "Name", "Email", *PHONES, "Title", "Owner.Email")
_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?", re.ASCII)
_NUMBER_PART = re.compile(r"[+\d\s().\-/]*", re.ASCII)
_ERROR_CODE = re.compile(r"[A-Z_]{1,64}", re.ASCII)


def literal(text: str) -> str:
    """A text as SOQL quotes it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def pattern(text: str) -> str:
    """A LIKE pattern of what contains the text: its own wildcards are letters."""
    inner = text.replace("\\", "\\\\").replace("'", "\\'").replace("%", "\\%").replace("_", "\\_")
    return f"'%{inner}%'"


class SalesforceCrm:
    """The contacts of the organisation at `url`, its My Domain. `country`: of numbers without a country code."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        client_id: str,
        client_secret: str,
        country: str | None,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rest = Rest(session, "Salesforce", url, timeout_s, clock)
        self._credentials = {"client_id": client_id, "client_secret": client_secret}
        self._country = country
        self._token: str | None = None
        self._sign_in_after = clock()
        self._one_at_a_time = asyncio.Lock()

    async def find_by_address(self, address: str) -> Customer | None:
        """The customer with this number or email address, whatever its spelling or prefix."""
        key = normalise(address)
        async with self._rest.in_time():
            if is_phone(key):
                return await self._by_number(key)
            if "@" in key:
                return _having(key, await self._contacts(f"Email = {literal(key)}", SAME_NUMBER_MAX))
        return None  # Salesforce knows no other addresses

    async def find(self, customer_id: str) -> Customer | None:
        """The customer with this id, of 18 characters."""
        if not _ID.fullmatch(customer_id):
            return None
        async with self._rest.in_time():
            found = await self._contacts(f"Id = {literal(customer_id)}", 1)
        return next((contact for contact in found if contact.customer_id == customer_id), None)

    async def customers(self, worker: str, page_size: int, after: str | None, query: str | None) -> Sequence[Customer]:
        """See the port: in the order of their ids, those whose owner's email address is the worker's identity."""
        conditions = [f"Owner.Email = {literal(worker)}"]
        if after is not None:
            if not _ID.fullmatch(after):
                return []
            conditions.append(f"Id > {literal(after)}")
        text = (query or "").strip()
        if len(text) > QUERY_MAX:
            return []
        if text:
            conditions.append(f"({' OR '.join(_containing(text))})")
        async with self._rest.in_time():
            return await self._contacts(" AND ".join(conditions), page_size)

    async def _by_number(self, key: str) -> Customer | None:
        spelled = ", ".join(map(literal, written_numbers(key)))
        found = await self._contacts(" OR ".join(f"{phone} IN ({spelled})" for phone in PHONES), SAME_NUMBER_MAX)
        customer = _having(key, found)
        if customer is None and (ids := await self._search_numbers(national_number(key))):
            customer = _having(key, await self._contacts(f"Id IN ({', '.join(map(literal, ids))})", len(ids)))
        return customer

    async def _search_numbers(self, digits: str) -> list[str]:
        wanted = {"name": "Contact", "fields": ["Id"], "limit": SAME_NUMBER_MAX}
        body = {"q": digits, "in": "PHONE", "sobjects": [wanted]}
        answer = await self._ask("POST", f"{API}/parameterizedSearch", json=body)
        ids = [record.get("Id") for record in _records(answer, "searchRecords")]
        return [one for one in ids if isinstance(one, str) and _ID.fullmatch(one)]

    async def _contacts(self, where: str, limit: int) -> list[Customer]:
        soql = f"SELECT {', '.join(FIELDS)} FROM Contact WHERE {where} ORDER BY Id LIMIT {limit}"  # noqa: S608 quoted
        path: str | None = f"{API}/query?{urlencode({'q': soql}, quote_via=quote)}"
        contacts: list[Customer] = []
        while path is not None and len(contacts) < limit:
            answer = await self._ask("GET", path)
            found = (self._customer(record) for record in _records(answer, "records"))
            contacts += [contact for contact in found if contact is not None]
            path = _next_path(answer.json)
        return contacts

    async def _ask(self, method: str, path: str, **content: Any) -> Answer:
        token = await self._signed_in()
        answer = await self._rest.ask(method, path, token, **content)
        if answer.status == 401:  # the session has ended
            answer = await self._rest.ask(method, path, await self._signed_in(refused=token), **content)
        if answer.status != 200:
            raise CrmUnavailable(f"Salesforce answered {answer.status} {_error_code(answer.json)}".rstrip())
        return answer

    async def _signed_in(self, refused: str | None = None) -> str:
        async with self._one_at_a_time:
            if self._token is None or self._token == refused:
                self._token = None
                self._token = await self._sign_in()
            return self._token

    async def _sign_in(self) -> str:
        if self._rest.clock() < self._sign_in_after:
            raise CrmUnavailable("Salesforce refused our credentials less than a minute ago")
        form = {"grant_type": "client_credentials", **self._credentials}
        answer = await self._rest.ask("POST", "/services/oauth2/token", data=form)
        if answer.status != 200:
            self._sign_in_after = self._rest.clock() + SIGN_IN_PAUSE_S
            raise CrmUnavailable(f"Salesforce answered {answer.status} to the sign-in")
        token = answer.json.get("access_token") if isinstance(answer.json, dict) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise CrmUnavailable("Salesforce's sign-in gave no token")
        return token

    def _customer(self, record: Mapping[str, Any]) -> Customer | None:
        contact_id, name = _text(record, "Id"), _text(record, "Name")
        if contact_id is None or name is None:
            return None
        numbers = dict.fromkeys(in_country(number, self._country) for number in _texts(record, PHONES))
        channels = [Channel("sms", number) for number in numbers]
        channels += [Channel("email", address) for address in _texts(record, ("Email",))]
        owner, title = record.get("Owner"), _text(record, "Title")
        return Customer(
            contact_id,
            name,
            channels=tuple(channels),
            links=(Link("Profile", f"{self._rest.url}/lightning/r/Contact/{contact_id}/view", "Salesforce"),),
            details={"title": "Title", "content": title} if title else {},
            worker=_text(owner, "Email") if isinstance(owner, dict) else None,
        )


def _containing(text: str) -> list[str]:
    """What a worker's query is looked for in. Between the digits of a number there may be anything."""
    conditions = [f"{field} LIKE {pattern(text)}" for field in ("Name", "Email")]
    digits = re.sub(r"\D", "", text)
    if len(digits) > 1 and _NUMBER_PART.fullmatch(text):
        conditions += [f"{phone} LIKE '%{'%'.join(digits)}%'" for phone in PHONES]
    return conditions


def _having(key: str, found: Iterable[Customer]) -> Customer | None:
    return next((one for one in found if key in [channel_key(c.type, c.value) for c in one.channels]), None)


def _records(answer: Answer, name: str) -> list[dict[str, Any]]:
    found = answer.json.get(name) if isinstance(answer.json, dict) else None
    if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
        raise CrmUnavailable("Salesforce answered something that is no list of records")
    return found


def _next_path(page: Mapping[str, Any]) -> str | None:
    path = page.get("nextRecordsUrl") if page.get("done") is False else None
    return path if isinstance(path, str) and path.startswith(f"{API}/query/") else None


def _error_code(errors: Any) -> str:
    code = errors[0].get("errorCode") if isinstance(errors, list) and errors and isinstance(errors[0], dict) else None
    return code if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else ""


def _text(record: Mapping[str, Any], name: str) -> str | None:
    value = record.get(name)
    return value.strip() or None if isinstance(value, str) else None


def _texts(record: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    return [text for text in (_text(record, name) for name in names) if text is not None]

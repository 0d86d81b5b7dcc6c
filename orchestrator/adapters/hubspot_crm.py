"""The Crm port over HubSpot's contacts: its CRM search and owners API, with the token of a private app.

Every question asks for what it wants and no more. Pages follow one another by the record id, so there is no end at
HubSpot's ten thousandth result. Who owns a contact is the email address of its HubSpot owner; the owners, who are users
and few, are read once in five minutes.
Sources: developers.hubspot.com, "CRM search" (operators, limits, phone numbers), "Contacts", "Owners", "API usage
guidelines". docs/customers.md says what of it was not tried against a real one.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import aiohttp

from orchestrator.adapters.rest import Answer, Rest
from orchestrator.addresses import channel_key, in_country, is_phone, national_number, normalise
from orchestrator.errors import CrmUnavailable
from states.customers import Channel, Customer, folded, language_tag

URL = "https://api.hubapi.com"
SEARCH, CONTACTS, OWNERS = "/crm/v3/objects/contacts/search", "/crm/v3/objects/contacts", "/crm/v3/owners"
KEEP_S = 300.0
QUERY_MAX = 1000  # characters; HubSpot takes 3,000
SAME_NUMBER_MAX = 100  # contacts that share the last digits of a number
OWNERS_PAGE = "100"
# What they are called, and which channel they are; HubSpot keeps each once more without its country code.
_SMS = ("mobilephone", "phone")
_WHATSAPP = "hs_whatsapp_phone_number"
_MORE_EMAILS = "hs_additional_emails"  # separated by semicolons
_SEARCHABLE = ("hs_searchable_calculated_phone_number", "hs_searchable_calculated_mobile_number")
_WITH_COUNTRY = (
    "hs_searchable_calculated_international_phone_number",
    "hs_searchable_calculated_international_mobile_number",
)
PROPERTIES = (
    "firstname", "lastname", "email", _MORE_EMAILS, *_SMS, _WHATSAPP, "jobtitle", "hs_language", "hubspot_owner_id",
)  # fmt: skip
_ID = re.compile(r"[1-9]\d{0,18}", re.ASCII)
_NUMBER_PART = re.compile(r"[+\d\s().\-/]*", re.ASCII)

Filter = dict[str, str]


def _filter(name: str, operator: str, value: str | None = None) -> Filter:
    return {"propertyName": name, "operator": operator} | ({} if value is None else {"value": value})


_OWNED = _filter("hubspot_owner_id", "HAS_PROPERTY")


class HubSpotCrm:
    """The contacts of the account that `token` belongs to. `country` is that of numbers without a country code."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        token: str,
        country: str | None,
        timeout_s: float,
        url: str = URL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rest = Rest(session, "HubSpot", url, timeout_s, clock)
        self._token = token
        self._country = country
        self._owners: dict[str, str] = {}
        self._is_owned = False
        self._keep_until = clock()
        self._one_at_a_time = asyncio.Lock()

    async def find_by_address(self, address: str) -> Customer | None:
        """The customer with this number or email address, whatever its spelling or prefix."""
        key = normalise(address)
        async with self._rest.in_time():
            if is_phone(key):
                groups = [[_filter(name, "EQ", key)] for name in (*_SMS, _WHATSAPP)]
                groups += [[_filter(name, "CONTAINS_TOKEN", f"*{national_number(key)}")] for name in _SEARCHABLE]
            elif "@" in key:
                groups = [[_filter("email", "EQ", key)], [_filter(_MORE_EMAILS, "CONTAINS_TOKEN", key)]]
            else:
                return None  # HubSpot knows no other addresses
            found = await self._search(groups, SAME_NUMBER_MAX)
        return next((one for one in found if key in [channel_key(c.type, c.value) for c in one.channels]), None)

    async def find(self, customer_id: str) -> Customer | None:
        """The customer with this record id."""
        if not _ID.fullmatch(customer_id):
            return None
        async with self._rest.in_time():
            owners = await self._known_owners()
            params = {"properties": ",".join(PROPERTIES)}
            answer = await self._ask("GET", f"{CONTACTS}/{customer_id}", params=params)
            found = None if answer.status == 404 else self._customer(_object(answer), owners)
        return found if found and found.customer_id == customer_id else None

    async def customers(self, worker: str, page_size: int, after: str | None, query: str | None) -> Sequence[Customer]:
        """See the port: in the order of their ids. A number is found by any part of it, a name by its words, as
        HubSpot's own search does."""
        text = (query or "").strip()
        if len(text) > QUERY_MAX or (after is not None and not _ID.fullmatch(after)):
            return []
        async with self._rest.in_time():
            filters = [] if after is None else [_filter("hs_object_id", "GT", after)]
            owners = await self._known_owners()
            if self._is_owned:
                his = [owner for owner, email in owners.items() if folded(email) == folded(worker)]
                if not his:
                    return []
                filters.append(_filter("hubspot_owner_id", "EQ", his[0]))
            digits = re.sub(r"\D", "", text)
            if len(digits) > 2 and _NUMBER_PART.fullmatch(text):
                parts = [_filter(name, "CONTAINS_TOKEN", f"*{digits}*") for name in (*_SEARCHABLE, *_WITH_COUNTRY)]
                return await self._search([[part, *filters] for part in parts], page_size)
            return await self._search([filters] if filters else [], page_size, text)

    async def _search(self, groups: list[list[Filter]], limit: int, text: str = "") -> list[Customer]:
        owners = await self._known_owners()
        answer = await self._find(groups, limit, text)
        found = (self._customer(record, owners) for record in _results(answer))
        return [customer for customer in found if customer is not None]

    async def _find(self, groups: list[list[Filter]], limit: int, text: str = "") -> Answer:
        body: dict[str, Any] = {
            "filterGroups": [{"filters": filters} for filters in groups],
            "properties": list(PROPERTIES),
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "limit": limit,
        }
        return await self._ask("POST", SEARCH, json=body | ({"query": text} if text else {}))

    async def _known_owners(self) -> Mapping[str, str]:
        """Email addresses by owner id, and whether any contact has an owner: both kept for five minutes."""
        async with self._one_at_a_time:
            if self._rest.clock() >= self._keep_until:
                self._owners = await self._read_owners()
                self._is_owned = bool(_results(await self._find([[_OWNED]], 1)))
                self._keep_until = self._rest.clock() + KEEP_S
            return self._owners

    async def _read_owners(self) -> dict[str, str]:
        owners: dict[str, str] = {}
        params = {"limit": OWNERS_PAGE}
        while True:
            answer = await self._ask("GET", OWNERS, params=params)
            page = {owner.get("id"): owner.get("email") for owner in _results(answer)}
            fresh = {one: email for one, email in page.items() if isinstance(one, str) and isinstance(email, str)}
            after = _after(answer.json)
            if after is None or not fresh.keys() - owners.keys():
                return owners | fresh
            owners |= fresh
            params["after"] = after

    async def _ask(self, method: str, path: str, **content: Any) -> Answer:
        answer = await self._rest.ask(method, path, self._token, **content)
        if answer.status not in (200, 404):
            raise CrmUnavailable(f"HubSpot answered {answer.status}")
        return answer

    def _customer(self, record: Mapping[str, Any], owners: Mapping[str, str]) -> Customer | None:
        fields = record.get("properties")
        if not isinstance(fields, dict) or not isinstance(record.get("id"), str):
            return None
        name = " ".join(_texts(fields, ("firstname", "lastname"))) or _text(fields, "email")
        if not name:
            return None
        owner, title = _text(fields, "hubspot_owner_id"), _text(fields, "jobtitle")
        return Customer(
            record["id"],
            name,
            channels=tuple(self._channels(fields)),
            details={"title": "Title", "content": title} if title else {},
            # An owner who was removed is nobody here: what was his is not everybody's.
            worker=owners.get(owner, f"HubSpot owner {owner}") if owner else None,
            language=language_tag(_text(fields, "hs_language") or ""),
        )

    def _channels(self, fields: Mapping[str, Any]) -> list[Channel]:
        numbers = dict.fromkeys(in_country(number, self._country) for number in _texts(fields, _SMS))
        further = (_text(fields, _MORE_EMAILS) or "").split(";")
        emails = dict.fromkeys([*_texts(fields, ("email",)), *(one.strip() for one in further if one.strip())])
        whatsapp = [in_country(number, self._country) for number in _texts(fields, (_WHATSAPP,))]
        return [
            *(Channel("sms", number) for number in numbers),
            *(Channel("whatsapp", f"whatsapp:{number}") for number in whatsapp),
            *(Channel("email", address) for address in emails),
        ]


def _object(answer: Answer) -> dict[str, Any]:
    if not isinstance(answer.json, dict):
        raise CrmUnavailable("HubSpot answered something that is no object")
    return answer.json


def _results(answer: Answer) -> list[dict[str, Any]]:
    found = _object(answer).get("results")
    if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
        raise CrmUnavailable("HubSpot answered something that is no list of records")
    return found


def _after(page: Mapping[str, Any]) -> str | None:
    try:
        after = page["paging"]["next"]["after"]
    except (KeyError, TypeError):
        return None
    return after if isinstance(after, str) else None


def _text(record: Mapping[str, Any], name: str) -> str | None:
    value = record.get(name)
    return value.strip() or None if isinstance(value, str) else None


def _texts(record: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    return [text for text in (_text(record, name) for name in names) if text is not None]

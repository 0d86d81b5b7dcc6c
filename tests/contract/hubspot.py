"""A HubSpot on the loopback address, as far as contacts and owners go, in the shape of tests/data/hubspot."""

import fnmatch
import json
import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import phonenumbers
from aiohttp import web

RECORDED = json.loads((Path(__file__).parents[1] / "data" / "hubspot" / "contacts.json").read_text())
TOKEN = "pat-eu1-a-token-of-the-test"
GROUPS_MAX, FILTERS_MAX, FILTERS_ALL_MAX, LIMIT_MAX = 5, 6, 18, 200
_SEARCHED = ("firstname", "lastname", "email", "phone", "mobilephone")


class HubSpot:
    """Its contacts, owners and refusals."""

    def __init__(self) -> None:
        self.contacts: list[dict[str, Any]] = []
        self.owners: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.fault: Callable[[], web.Response] | None = None

    def add(self, owner: str | None = None, **fields: Any) -> str:
        """One more contact; its id. `owner`: an email address."""
        contact = deepcopy(RECORDED["search"]["results"][0])
        number = str(2001 + len(self.contacts))
        properties = dict.fromkeys(contact["properties"]) | fields | {"hs_object_id": number}
        properties["hubspot_owner_id"] = None if owner is None else self.owner(owner)
        self.contacts.append({**contact, "id": number, "properties": properties})
        return number

    def owner(self, email: str) -> str:
        """The id of the owner with this address, who is added where there is none."""
        for owner in self.owners:
            if owner["email"] == email:
                return str(owner["id"])
        number = str(101 + len(self.owners))
        self.owners.append({**RECORDED["owners"]["results"][0], "id": number, "email": email})
        return number

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append(f"{request.method} {request.path}")
        if self.fault is not None:
            return self.fault()
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response(RECORDED["bad token"], status=401)
        if request.path == "/crm/v3/owners":
            return self._owners(request)
        if request.path == "/crm/v3/objects/contacts/search" and request.method == "POST":
            return self._search(await request.json())
        wanted = request.query.get("properties", "").split(",")
        for contact in self.contacts:
            if request.path == f"/crm/v3/objects/contacts/{contact['id']}":
                return web.json_response(_shown(contact, wanted))
        return web.json_response(RECORDED["no such contact"], status=404)

    def _owners(self, request: web.Request) -> web.Response:
        limit, start = int(request.query["limit"]), int(request.query.get("after", "0"))
        page = {"results": self.owners[start : start + limit]}
        more = {"paging": {"next": {"after": str(start + limit)}}} if start + limit < len(self.owners) else {}
        return web.json_response(page | more)

    def _search(self, body: dict[str, Any]) -> web.Response:
        groups = [group["filters"] for group in body["filterGroups"]]
        is_within = len(groups) <= GROUPS_MAX and all(0 < len(filters) <= FILTERS_MAX for filters in groups)
        if not is_within or sum(map(len, groups)) > FILTERS_ALL_MAX or not 0 < body["limit"] <= LIMIT_MAX:
            return web.json_response(RECORDED["bad request"], status=400)
        assert body["sorts"] == [{"propertyName": "hs_object_id", "direction": "ASCENDING"}]
        words = body.get("query", "").lower().split()
        found = [
            contact
            for contact in self.contacts
            if (not groups or any(all(_fits(contact, one) for one in filters) for filters in groups))
            and all(_has_word(contact, word) for word in words)
        ]
        page = {"total": len(found), "results": [_shown(one, body["properties"]) for one in found[: body["limit"]]]}
        more = {"paging": {"next": {"after": str(body["limit"])}}} if len(found) > body["limit"] else {}
        return web.json_response(page | more)


def _shown(contact: dict[str, Any], wanted: list[str]) -> dict[str, Any]:
    always = ("createdate", "hs_object_id", "lastmodifieddate")
    properties = {name: value for name, value in contact["properties"].items() if name in (*always, *wanted)}
    return {**contact, "properties": properties}


def _fits(contact: dict[str, Any], wanted: dict[str, str]) -> bool:
    value = _property(contact, wanted["propertyName"])
    match wanted["operator"]:
        case "HAS_PROPERTY":
            return value != ""
        case "EQ":
            return value.lower() == wanted["value"].lower() and value != ""
        case "GT":
            return int(value) > int(wanted["value"])
        case "CONTAINS_TOKEN":
            # More than asked for, as a search engine is wont to find: an address is looked for within all of them.
            pattern = f"*{wanted['value'].lower()}*" if "@" in value else wanted["value"].lower()
            return value != "" and fnmatch.fnmatchcase(value.lower(), pattern)
    raise AssertionError(f"no such operator: {wanted}")


def _property(contact: dict[str, Any], name: str) -> str:
    """A property; the calculated ones as HubSpot makes them of `phone` and `mobilephone`."""
    fields: dict[str, Any] = contact["properties"]
    if not name.startswith("hs_searchable_calculated_"):
        return str(fields.get(name) or "")
    number = fields.get("mobilephone" if "mobile" in name else "phone")
    if not number:
        return ""
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return re.sub(r"\D", "", number)
    national = phonenumbers.national_significant_number(parsed)
    return f"{parsed.country_code}{national}" if "international" in name else national


def _has_word(contact: dict[str, Any], word: str) -> bool:
    """HubSpot's own search finds what begins with a word."""
    texts = " ".join(str(contact["properties"].get(name) or "") for name in _SEARCHED).lower()
    return any(text.startswith(word) for text in [*texts.split(), *re.split(r"[\s@.]+", texts)])

"""What is wrong with the variables: a line for each that is missing or faulty, and never a secret in one."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from orchestrator.bots import configured
from orchestrator.variables.kinds import Expected, lower
from orchestrator.variables.names import FLEX_VARIABLES, OTHER_NAMES

HIDDEN = "a value that is not shown"
LOOKS_LIKE_A_TOKEN = re.compile(r"[0-9a-fA-F]{32}")
UP_TO_THE_HOST = re.compile(r"^([A-Za-z][\w+.-]*://)?.*@", re.DOTALL)
OIDC_VARIABLES = ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")
PAIRS = {
    ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"): "set both, or neither for the sandbox",
    ("TASKROUTER_WORKSPACE_SID", "TASKROUTER_QUEUE_SID"): "set both or neither",
}
NEEDED_BY_CRM = {
    "salesforce": ("SALESFORCE_URL", "SALESFORCE_CLIENT_ID", "SALESFORCE_CLIENT_SECRET"),
    "hubspot": ("HUBSPOT_TOKEN",),
}


def missing_partners(given: Mapping[str, Any]) -> Iterator[str]:
    """A fault for each variable that another one calls for."""
    for pair, advice in PAIRS.items():
        present = [name for name in pair if name in given]
        if len(present) == 1:
            (missing,) = set(pair) - set(present)
            yield f"{missing}: found nothing, expected a value because {present[0]} is set: {advice}"
    for whole in (OIDC_VARIABLES, FLEX_VARIABLES):
        for missing in [name for name in whole if name not in given and given.keys() & set(whole)]:
            yield f"{missing}: found nothing, expected a value: set {', '.join(whole)}, or none of them"
    if "FLEX_ACCOUNT_SID" in given and given["FLEX_ACCOUNT_SID"] == given.get("TWILIO_ACCOUNT_SID"):
        yield "FLEX_ACCOUNT_SID: found the account of TWILIO_ACCOUNT_SID, expected another one"
    yield from _missing_for_crm(given)
    yield from configured.faults(given)


def _missing_for_crm(given: Mapping[str, Any]) -> Iterator[str]:
    crm = lower(given.get("CRM"))
    if crm == "strapi":
        if "STRAPI_URL" not in given:
            yield "STRAPI_URL: found nothing, expected an address because CRM is strapi"
        if "STRAPI_TOKEN" not in given and not {"STRAPI_IDENTIFIER", "STRAPI_PASSWORD"} <= given.keys():
            yield (
                "STRAPI_TOKEN: found nothing, expected a token, or STRAPI_IDENTIFIER and STRAPI_PASSWORD,"
                " because CRM is strapi"
            )
    for name in NEEDED_BY_CRM.get(crm, ()) if isinstance(crm, str) else ():
        if name not in given:
            yield f"{name}: found nothing, expected a value because CRM is {crm}"


def wrong_values(wrong: ValidationError, given: Mapping[str, Any], fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    """A line for each variable that was given and is wrong; what was derived from it is not named again."""
    for error in wrong.errors(include_url=False, include_input=False):
        variable = str(error["loc"][0])
        if variable in given:
            field = variable.lower()
            types = list(_parts(fields[field]))
            expected = next((part.text for part in types if isinstance(part, Expected)), "text")
            found = HIDDEN if SecretStr in types else _found(str(given[variable]))
            names = " or ".join((variable, *OTHER_NAMES.get(field, ())))
            yield f"{names}: found {found}, expected {expected}"


def _parts(info: FieldInfo) -> Iterator[object]:
    """The type of a field, the types it is made of, and what is annotated to each."""
    yield info.annotation
    yield from info.metadata
    for part in get_args(info.annotation):
        yield getattr(part, "__origin__", part)
        yield from getattr(part, "__metadata__", ())


def _found(value: str) -> str:
    """What was found, as far as it may be shown: no token in the wrong place, no credentials of a URL."""
    if LOOKS_LIKE_A_TOKEN.fullmatch(value):
        return HIDDEN
    base, query, _ = UP_TO_THE_HOST.sub(r"\1***@", value).partition("?")
    shown = base + ("?***" if query else "")
    return ascii(shown if len(shown) <= 80 else shown[:80] + "...")

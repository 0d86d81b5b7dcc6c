"""The callbacks of a worker's client, in Frontline's form: his customers, the sender to reach one by, text templates.

Each takes a parsed form whose signature was checked, and gives the status and what to answer as JSON. A field is needed
when the answer depends on it; without it MalformedWebhook is raised. Source: twilio-contract.md, section 5.
"""

import json
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from pathlib import Path
from string import Template
from typing import Any

from orchestrator.addresses import senders_for, twilio_address
from orchestrator.errors import CrmUnavailable, MalformedWebhook
from orchestrator.ports import Crm
from states.customers import Customer, is_owner

Form = Mapping[str, str]
Answer = tuple[int, object]
Taken = Callable[[str], Awaitable[Collection[str]]]

PAGE_SIZE = 30
PAGE_SIZE_MAX = 100
_DIGITS_MAX = 9  # nobody asks for more, and it bounds the conversion
_TEMPLATES = json.loads(Path(__file__).with_name("message_templates.json").read_text(encoding="utf-8"))


class _Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


async def crm(form: Form, crm: Crm) -> Answer:
    """`GetCustomersList` and `GetCustomerDetailsByCustomerId`: 200, 404 unknown customer, 422 unknown Location, 503."""
    actions = {"GetCustomersList": _list, "GetCustomerDetailsByCustomerId": _details}
    return await _answer(form, actions, crm)


async def _nobody(_address: str) -> Collection[str]:
    return ()


async def outbound(form: Form, crm: Crm, proxy_numbers: Mapping[str, str], taken: Taken = _nobody) -> Answer:
    """`GetProxyAddress`: 200, 403 no sender fits or he is not to be written to, 422 unknown Location, 503.

    `proxy_numbers` is `PROXY_NUMBERS`: senders by the prefix of the customer's address. `taken` gives the senders that
    are in an open conversation with an address: where there are several, the first of the others is named.
    """

    async def proxy_address(form: Form, crm: Crm) -> object:
        kind, value = _needed(form, "ChannelType"), _needed(form, "ChannelValue")
        await _insist_on_welcome(form, kind, crm)
        senders = senders_for(kind, value, proxy_numbers)
        if not senders:
            raise _Refused(403, "no sender fits this channel; see PROXY_NUMBERS")
        busy = await taken(twilio_address(kind, value)) if len(senders) > 1 else ()
        free = next((sender for sender in senders if sender not in busy), None)
        if free is None:
            raise _Refused(403, "every sender that fits is in a conversation with this customer; see PROXY_NUMBERS")
        return {"proxy_address": free}

    return await _answer(form, {"GetProxyAddress": proxy_address}, crm)


async def templates(form: Form, crm: Crm) -> Answer:
    """`GetTemplatesByCustomerId`: 200 with a list, 404 unknown customer, 422 unknown Location, 503."""
    return await _answer(form, {"GetTemplatesByCustomerId": _templates}, crm)


async def _answer(
    form: Form, actions: Mapping[str, Callable[[Form, Crm], Coroutine[Any, Any, object]]], crm: Crm
) -> Answer:
    action = actions.get(_needed(form, "Location"))
    if action is None:
        return 422, {"error": f"unknown Location; there is {' and '.join(actions)}"}
    try:
        return 200, await action(form, crm)
    except _Refused as refused:
        return refused.status, {"error": str(refused)}
    except CrmUnavailable:
        return 503, {"error": "the CRM cannot answer now; try again later"}


async def _list(form: Form, crm: Crm) -> object:
    worker, after, query = _needed(form, "Worker"), _given(form, "Anchor"), _given(form, "Query")
    found = await crm.customers(worker, _page_size(form), after, query)
    return {"objects": {"customers": [_summary(customer) for customer in found], "searchable": True}}


async def _details(form: Form, crm: Crm) -> object:
    customer = await _customer(form, crm)
    shown: dict[str, object] = {
        **_summary(customer),
        "channels": [
            {"type": channel.type, "value": twilio_address(channel.type, channel.value)}
            for channel in customer.channels
            if customer.may_be_started(channel.type)  # a client offers to write on what is shown here
        ],
        "links": [
            {"type": link.type, "value": link.value, "display_name": link.display_name} for link in customer.links
        ],
    }
    if customer.details:
        shown["details"] = customer.details
    return {"objects": {"customer": shown}}


async def _templates(form: Form, crm: Crm) -> object:
    customer = await _customer(form, crm)
    return filled_templates(customer.display_name, name_of(_given(form, "Worker")))


def filled_templates(customer: str, worker: str) -> list[dict[str, Any]]:
    """The groups of templates, each text with these names in it."""
    names = {"customer": customer, "worker": worker}
    return [
        {
            **group,
            "templates": [{**one, "content": Template(one["content"]).substitute(names)} for one in group["templates"]],
        }
        for group in _TEMPLATES
    ]


async def _customer(form: Form, crm: Crm) -> Customer:
    """The customer asked about. One who is another worker's is as unknown as one who does not exist."""
    customer = await crm.find(_needed(form, "CustomerId"))
    if customer is None or not may_see(customer, _given(form, "Worker")):
        raise _Refused(404, "unknown customer")
    return customer


async def _insist_on_welcome(form: Form, kind: str, crm: Crm) -> None:
    """A sender is named for whom the CRM does not know, too: he said no to nothing, and is nobody's."""
    customer = await crm.find(_needed(form, "CustomerId"))
    if customer is None:
        return
    if not may_see(customer, _given(form, "Worker")):
        raise _Refused(403, "the customer is another worker's")
    if not customer.may_be_started(kind):
        raise _Refused(403, "the customer does not want to be written to on this channel")


def may_see(customer: Customer, worker: str | None) -> bool:
    """Whether this worker (an identity) may know of the customer: everybody's are nobody's, and his own are his."""
    return not customer.worker or is_owner(worker or "", customer.worker)


def _summary(customer: Customer) -> dict[str, object]:
    summary: dict[str, object] = {"customer_id": customer.customer_id, "display_name": customer.display_name}
    return {**summary, "avatar": customer.avatar} if customer.avatar else summary


def name_of(worker: str | None) -> str:
    """What to call a worker by, of whom an identity is all we know: `ann.lee@example.test` is Ann Lee."""
    words = (worker or "").partition("@")[0].replace(".", " ").replace("_", " ").replace("-", " ").split()
    return " ".join(word.capitalize() for word in words) or "your expert"


def _page_size(form: Form) -> int:
    given = _given(form, "PageSize")
    if given is None:
        return PAGE_SIZE
    is_number = given.isascii() and given.isdecimal() and len(given) <= _DIGITS_MAX
    if not is_number or int(given) < 1:
        raise MalformedWebhook("PageSize is not a number of at least 1")
    return min(int(given), PAGE_SIZE_MAX)


def _given(form: Form, name: str) -> str | None:
    """A field, None when it is absent or empty."""
    return form.get(name, "").strip() or None


def _needed(form: Form, name: str) -> str:
    value = _given(form, name)
    if value is None:
        raise MalformedWebhook(f"{name} is missing")
    return value

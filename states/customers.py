"""What a customer is: the record that CRMs, the customer book and the worker's callbacks hand to one another."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Channel:
    """One way to reach a customer: type `sms`, `whatsapp`, `chat`, `email`…, and the value as the CRM spells it."""

    type: str
    value: str


@dataclass(frozen=True, slots=True)
class Link:
    """Something about a customer that a worker may open."""

    type: str
    value: str
    display_name: str


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer as the CRM knows him. `worker`: the identity who owns him. `details`: {"title", "content"}."""

    customer_id: str
    display_name: str
    channels: tuple[Channel, ...] = ()
    avatar: str | None = None
    links: tuple[Link, ...] = ()
    details: dict[str, str] = field(default_factory=dict)
    worker: str | None = None


def folded(text: str) -> str:
    """The form in which texts are searched: no difference of letter case or of Unicode spelling (NFKC)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def search_text(customer: Customer, addresses: Iterable[str]) -> str:
    """What a worker's query is looked for in: the name, the channel values, and their normalised `addresses`."""
    texts = [customer.display_name, *(channel.value for channel in customer.channels), *addresses]
    return "\n".join(dict.fromkeys(folded(text) for text in texts))


def is_owner(worker: str, owner: str | None) -> bool:
    """Whether `worker` is the owner named; identities are compared in any letter case."""
    return owner is not None and folded(owner) == folded(worker)

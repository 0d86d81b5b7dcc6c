"""What a customer is: the record that CRMs, the customer book and the worker's callbacks hand to one another."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

# Language, script, region, variants (RFC 5646, section 2.1): what people are written to in; no extensions.
_LANGUAGE_TAG = re.compile(
    r"([a-z]{2,3})(?:-([a-z]{4}))?(?:-([a-z]{2}|[0-9]{3}))?((?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)",
    re.IGNORECASE | re.ASCII,
)
LANGUAGE_MAX = 35  # characters, as much as RFC 5646 asks for (section 4.4.1)


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
class Consent:
    """What a customer answered when asked whether he may be written to on a channel of this type. `date`: when, ISO
    8601; `source`: where it is on record."""

    channel: str
    answer: Literal["yes", "no"]
    date: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer as the CRM knows him. `worker`: the identity who owns him. `details`: {"title", "content"}.
    `language`: a BCP 47 tag. `consent`: at most one for each type of channel; where there is none, nobody knows."""

    customer_id: str
    display_name: str
    channels: tuple[Channel, ...] = ()
    avatar: str | None = None
    links: tuple[Link, ...] = ()
    details: dict[str, str] = field(default_factory=dict)
    worker: str | None = None
    language: str | None = None
    consent: tuple[Consent, ...] = ()

    def may_be_started(self, channel_type: str) -> bool:
        """Whether a conversation may be started with him on a channel of this type: unless he said no."""
        kind = channel_type.strip().lower()
        return not any(said.channel == kind and said.answer == "no" for said in self.consent)


def language_tag(text: str) -> str | None:
    """A BCP 47 tag in its usual spelling (`fr-CA`, `zh-Hant-TW`), None for what is no well-formed one. Whether the
    language exists is not looked up."""
    found = _LANGUAGE_TAG.fullmatch(text.strip().replace("_", "-"))
    if found is None or len(text) > LANGUAGE_MAX:
        return None
    language, script, region, variants = found.groups(default="")
    parts = [language.lower(), script.title(), region.upper(), variants.lower().lstrip("-")]
    return "-".join(filter(None, parts))


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

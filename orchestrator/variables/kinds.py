"""What a variable may hold: a type for each kind of value, which checks it and says in a fault what was expected."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from orchestrator.bots import configured
from orchestrator.variables import lists

YEAR_S = 365 * 86_400
TEN_YEARS_D = 3650
HOST_NAME = re.compile(r"[A-Za-z0-9._-]+")
DIGITS = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True)
class Expected:
    """What a variable of this type should hold, in the words of a fault."""

    text: str


def lower(found: object) -> object:
    return found.lower() if isinstance(found, str) else found


def _upper(found: object) -> object:
    return found.upper() if isinstance(found, str) else found


def _host(found: str) -> str:
    if ":" in found:
        IPv6Address(found)
    elif not HOST_NAME.fullmatch(found):
        raise ValueError("no host")
    return found


def _digits(found: object) -> object:
    if isinstance(found, str) and not DIGITS.fullmatch(found):
        raise ValueError("no port")
    return found


def _splits(found: str) -> str:
    urlsplit(found)  # raises ValueError
    return found


def _web_address(found: str) -> str:
    parts = urlsplit(found)
    one_word = found.isprintable() and " " not in found
    has_host = bool(parts.hostname) and (parts.port is None or parts.port >= 0)  # a bad port raises ValueError
    if not one_word or not has_host or parts.scheme not in ("http", "https"):
        raise ValueError("no web address")
    return found


def _base_address(found: str) -> str:
    if "?" in found or "#" in found:
        raise ValueError("a base address ends with its path")
    return _web_address(found).rstrip("/")


def _issuer(found: str) -> str:
    parts = urlsplit(_base_address(found))
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise ValueError("its keys would come in clear")
    return _base_address(found)


def _visible(found: SecretStr) -> SecretStr:
    text = found.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("no token")
    return found


_NUMBER = Expected(f"a number of seconds above 0 and at most {YEAR_S}")
_DAYS = Expected(f"a number of days above 0 and at most {TEN_YEARS_D}")
_PORT = Expected("a whole number from 0 to 65535")
_WEB = Expected("an address that starts with http:// or https://")
_TOKEN = Expected("visible ASCII characters without spaces")

Host = Annotated[str, AfterValidator(_host), Expected("a host name or an IP address")]
Port = Annotated[int, BeforeValidator(_digits), Field(ge=0, le=65_535), _PORT]
Seconds = Annotated[float, Field(gt=0, le=YEAR_S, allow_inf_nan=False), _NUMBER]
Days = Annotated[float, Field(gt=0, le=TEN_YEARS_D, allow_inf_nan=False), _DAYS]
BaseAddress = Annotated[str, AfterValidator(_base_address), _WEB]
WebAddress = Annotated[str, AfterValidator(_web_address), _WEB]
Issuer = Annotated[
    str, AfterValidator(_issuer), Expected("an address that starts with https://, or with http:// on this machine")
]
Token = Annotated[SecretStr, AfterValidator(_visible), _TOKEN]
AccountSid = Annotated[str, Field(pattern="^AC[0-9a-fA-F]{32}$"), Expected("AC and 32 hexadecimal digits")]
WorkspaceSid = Annotated[str, Field(pattern="^WS[0-9a-fA-F]{32}$"), Expected("WS and 32 hexadecimal digits")]
QueueSid = Annotated[str, Field(pattern="^WQ[0-9a-fA-F]{32}$"), Expected("WQ and 32 hexadecimal digits")]
ServiceSid = Annotated[str, Field(pattern="^MG[0-9a-fA-F]{32}$"), Expected("MG and 32 hexadecimal digits")]
WorkflowSid = Annotated[str, Field(pattern="^WW[0-9a-fA-F]{32}$"), Expected("WW and 32 hexadecimal digits")]
Sender = Annotated[str, AfterValidator(lists.sender), Expected("a sender such as +33100000000")]
Senders = Annotated[
    dict[str, str],
    NoDecode,
    BeforeValidator(lists.senders),
    Expected("prefix=sender, each of one channel: +33=+33100000000|+33100000001,whatsapp:=whatsapp:+15550100999"),
]
Templates = Annotated[
    dict[str, str],
    NoDecode,
    BeforeValidator(lists.templates),
    Expected("name=template, each once: order_ready=HX and 32 hexadecimal digits"),
]
Cover = Annotated[
    dict[str, str],
    NoDecode,
    BeforeValidator(lists.cover),
    Expected("identity=identity for each who is covered for: ada@example.test=grace@example.test"),
]
Networks = Annotated[
    tuple[IPv4Network | IPv6Network, ...],
    NoDecode,
    BeforeValidator(lists.networks),
    Expected("addresses and networks separated by commas, but not all there are: 10.0.0.0/8,192.0.2.7"),
]
DatabaseUrl = Annotated[
    str,
    Field(pattern=r"^(sqlite\+aiosqlite:///|postgresql\+asyncpg://)\S+$"),
    AfterValidator(_splits),
    Expected("sqlite+aiosqlite:///FILE or postgresql+asyncpg://USER:PASSWORD@HOST/DATABASE"),
]
CrmName = Annotated[
    Literal["book", "strapi", "salesforce", "hubspot"],
    BeforeValidator(lower),
    Expected("book, strapi, salesforce or hubspot"),
]
Country = Annotated[str, BeforeValidator(_upper), Field(pattern="^[A-Z]{2}$"), Expected("two letters, like US or FR")]
BotName = Annotated[
    Literal["menu", "http", "rasa", "dialogflow", "watson", "clu", "openai", "anthropic"],
    BeforeValidator(lower),
    Expected("menu, http, rasa, dialogflow, watson, clu, openai or anthropic"),
]
Languages = Annotated[tuple[str, ...], NoDecode, BeforeValidator(configured.words), Field(min_length=1)]
Sees = Annotated[
    tuple[Literal["name", "language", "address"], ...],
    NoDecode,
    BeforeValidator(configured.words),
    Expected("some of name, language and address, separated by commas"),
]
LogFormat = Annotated[Literal["json", "console"], BeforeValidator(lower), Expected("json or console")]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error", "critical"],
    BeforeValidator(lower),
    Expected("debug, info, warning, error or critical"),
]

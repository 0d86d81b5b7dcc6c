"""Every setting, typed, read once: from the environment, then `.env`, then the default.

A wrong configuration is reported whole, one line for each faulty variable, and never shows a secret. Without
Twilio credentials the sandbox's own account is filled in here, so that the rest of the house knows one kind of
settings.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv6Address
from typing import Annotated, Any, Literal, NamedTuple, Self, get_args
from urllib.parse import unquote, urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasGenerator,
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    NoDecode,
    SettingsConfigDict,
)

from orchestrator.bots import configured
from orchestrator.errors import SettingsError
from orchestrator.sandbox import seeds

YEAR_S = 365 * 86_400
TEN_YEARS_D = 3650
SQLITE = "sqlite+aiosqlite:///data/expert-hub.db"
HIDDEN = "a value that is not shown"
HOST_NAME = re.compile(r"[A-Za-z0-9._-]+")
DIGITS = re.compile(r"[0-9]{1,5}")
SENDER = re.compile(r"(?:[a-z]+:)?(?:\+[1-9][0-9]{6,14}|[^\s+:]+)")
TEMPLATE_SID = re.compile(r"HX[0-9a-fA-F]{32}")
LOOKS_LIKE_A_TOKEN = re.compile(r"[0-9a-fA-F]{32}")
UP_TO_THE_HOST = re.compile(r"^([A-Za-z][\w+.-]*://)?.*@", re.DOTALL)


@dataclass(frozen=True)
class Expected:
    """What a variable of this type should hold, in the words of a fault."""

    text: str


def _lower(found: object) -> object:
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


def _sender(found: str) -> str:
    if not SENDER.fullmatch(found):
        raise ValueError("no sender")
    return found


def _senders(found: object) -> object:
    """`prefix=address,…` as a dictionary in that order, where an address may be several, `a|b`. A prefix and its
    addresses are of one channel."""
    if not isinstance(found, str):
        return found
    senders: dict[str, str] = {}
    for entry in filter(None, map(str.strip, found.split(","))):
        prefix, _, listed = (part.strip() for part in entry.partition("="))
        several = [_sender(address.strip()) for address in listed.split("|")]
        kept = "|".join(several)
        same_channel = all(prefix.rpartition(":")[0] == address.rpartition(":")[0] for address in several)
        is_each_once = len(set(several)) == len(several)
        if not prefix or not same_channel or not is_each_once or senders.setdefault(prefix, kept) != kept:
            raise ValueError("no list of senders")
    return senders


def _templates(found: object) -> object:
    """`name=HX…,…` as a dictionary in that order."""
    if not isinstance(found, str):
        return found
    templates: dict[str, str] = {}
    for entry in filter(None, map(str.strip, found.split(","))):
        name, _, content_sid = (part.strip() for part in entry.partition("="))
        if not name or not TEMPLATE_SID.fullmatch(content_sid) or name in templates:
            raise ValueError("no list of templates")
        templates[name] = content_sid
    return templates


def _cover(found: object) -> object:
    """`identity=identity,…` as a dictionary whose keys are folded: identities are compared in any letter case."""
    if not isinstance(found, str):
        return found
    cover: dict[str, str] = {}
    for entry in filter(None, map(str.strip, found.split(","))):
        who, _, by = (part.strip() for part in entry.partition("="))
        is_pair = who and by and "=" not in by and who.casefold() != by.casefold()
        if not is_pair or cover.setdefault(who.casefold(), by) != by:
            raise ValueError("no list of who covers for whom")
    return cover


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
Sender = Annotated[str, AfterValidator(_sender), Expected("a sender such as +33100000000")]
Senders = Annotated[
    dict[str, str],
    NoDecode,
    BeforeValidator(_senders),
    Expected("prefix=sender, each of one channel: +33=+33100000000|+33100000001,whatsapp:=whatsapp:+15550100999"),
]
Templates = Annotated[
    dict[str, str],
    NoDecode,
    BeforeValidator(_templates),
    Expected("name=template, each once: order_ready=HX and 32 hexadecimal digits"),
]
Cover = Annotated[
    dict[str, str],
    NoDecode,
    BeforeValidator(_cover),
    Expected("identity=identity for each who is covered for: ada@example.test=grace@example.test"),
]
DatabaseUrl = Annotated[
    str,
    Field(pattern=r"^(sqlite\+aiosqlite:///|postgresql\+asyncpg://)\S+$"),
    AfterValidator(_splits),
    Expected("sqlite+aiosqlite:///FILE or postgresql+asyncpg://USER:PASSWORD@HOST/DATABASE"),
]
CrmName = Annotated[
    Literal["book", "strapi", "salesforce", "hubspot"],
    BeforeValidator(_lower),
    Expected("book, strapi, salesforce or hubspot"),
]
Country = Annotated[str, BeforeValidator(_upper), Field(pattern="^[A-Z]{2}$"), Expected("two letters, like US or FR")]
BotName = Annotated[
    Literal["menu", "http", "rasa", "dialogflow", "watson", "clu", "openai", "anthropic"],
    BeforeValidator(_lower),
    Expected("menu, http, rasa, dialogflow, watson, clu, openai or anthropic"),
]
Languages = Annotated[tuple[str, ...], NoDecode, BeforeValidator(configured.words), Field(min_length=1)]
Sees = Annotated[
    tuple[Literal["name", "language", "address"], ...],
    NoDecode,
    BeforeValidator(configured.words),
    Expected("some of name, language and address, separated by commas"),
]
LogFormat = Annotated[Literal["json", "console"], BeforeValidator(_lower), Expected("json or console")]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error", "critical"],
    BeforeValidator(_lower),
    Expected("debug, info, warning, error or critical"),
]


OTHER_NAMES = {
    "twilio_account_sid": ("ACCOUNT_SID",),
    "twilio_auth_token": ("AUTH_TOKEN",),
    "taskrouter_workspace_sid": ("FRONTLINE_WORKSPACE",),
    "taskrouter_queue_sid": ("DEFAULT_POOL_QUEUE_SID",),
    "messaging_service_sid": ("FRONTLINE_MESSAGING_SERVICE",),
    "strapi_url": ("DB_URL",),
    "strapi_identifier": ("DB_ID",),
    "strapi_password": ("DB_PASS",),
}


_NEEDED_BY = {
    "salesforce": ("SALESFORCE_URL", "SALESFORCE_CLIENT_ID", "SALESFORCE_CLIENT_SECRET"),
    "hubspot": ("HUBSPOT_TOKEN",),
}


def _variables_of(field: str) -> AliasChoices:
    return AliasChoices(field.upper(), *OTHER_NAMES.get(field, ()))


class Settings(BaseSettings):
    """The whole configuration. A field's name in capitals is its variable; `load` is the way to make one."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        case_sensitive=True,
        alias_generator=AliasGenerator(validation_alias=_variables_of),
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    host: Host = Field("127.0.0.1", description="where the service listens")
    port: Port = Field(8080, description="where the service listens")
    public_url: BaseAddress = Field("http://HOST:PORT", description="the base URL Twilio was given")
    database_url: DatabaseUrl = Field(SQLITE, repr=False, description="also postgresql+asyncpg://…")
    twilio_account_sid: AccountSid = Field("", description="without it and its token: sandbox mode")
    twilio_auth_token: Token = Field(SecretStr(""), description="signs webhooks and REST calls")
    twilio_auth_token_secondary: Token | None = Field(None, description="accepted too while tokens rotate")
    twilio_api_url: BaseAddress | None = Field(
        None, repr=False, description="replaces scheme and host of every Twilio REST call"
    )
    taskrouter_workspace_sid: WorkspaceSid | None = Field(None, description="the workspace of the experts")
    taskrouter_queue_sid: QueueSid | None = Field(None, description='whose workers are "any agent"')
    messaging_service_sid: ServiceSid | None = Field(None, description="the senders' messaging service")
    proxy_numbers: Senders = Field(
        default_factory=dict, description="sender by longest prefix; of several, a|b, one that is free"
    )
    whatsapp_templates: Templates = Field(
        default_factory=dict, description="approved templates by name: name=HX…,name=HX…"
    )
    frontline_proxy_number_fr: Sender | None = Field(None, exclude=True, repr=False)
    frontline_proxy_number_uk: Sender | None = Field(None, exclude=True, repr=False)
    frontline_proxy_number_xx: Sender | None = Field(None, exclude=True, repr=False)
    cover: Cover = Field(default_factory=dict, description="who covers for whom: ada@example.test=grace@example.test,…")
    last_worker_days: Days = Field(90, description="how long ago the worker a customer talked to last still counts")
    crm: CrmName = Field("book", description="book (the built-in customer book), strapi, salesforce or hubspot")
    strapi_url: BaseAddress | None = Field(None, repr=False, description="where Strapi answers")
    strapi_identifier: str | None = Field(None, repr=False, description="who the program logs in as")
    strapi_password: SecretStr | None = Field(None, description="the password of that user")
    strapi_token: Token | None = Field(None, description="an API token, instead of user and password")
    salesforce_url: BaseAddress | None = Field(None, repr=False, description="the organisation's My Domain")
    salesforce_client_id: Token | None = Field(None, description="the connected app's consumer key")
    salesforce_client_secret: Token | None = Field(None, description="the connected app's consumer secret")
    hubspot_token: Token | None = Field(None, description="the access token of a private app")
    crm_country: Country | None = Field(
        None, description="whose the numbers without a country code in Salesforce or HubSpot are"
    )
    flex_account_sid: AccountSid | None = Field(None, description="the Flex account customers are handed to")
    flex_auth_token: Token | None = Field(None, description="signs that account's webhooks and REST calls")
    flex_workspace_sid: WorkspaceSid | None = Field(None, description="that account's TaskRouter workspace")
    flex_workflow_sid: WorkflowSid | None = Field(None, description="the workflow that routes the customers there")
    flex_api_url: BaseAddress | None = Field(
        None, repr=False, description="replaces scheme and host of every REST call to that account"
    )
    flex_transfer_token: Token | None = Field(None, description="bearer token of /flex-transfer, beside ADMIN_TOKEN")
    bot: BotName = Field(
        "menu", description="menu (built in), http, rasa, dialogflow, watson, clu, openai or anthropic"
    )
    bot_url: WebAddress | None = Field(None, repr=False, description="where the bot answers")
    bot_timeout_s: Seconds = Field(10, description="how long the bot may think")
    bot_token: Token | None = Field(None, description="the key or token of the bot's vendor")
    bot_key_file: str | None = Field(None, description="the service account's key, for dialogflow")
    bot_agent: str | None = Field(None, description="which agent, assistant or project: dialogflow, watson, clu")
    bot_model: str | None = Field(None, description="which model: openai, anthropic")
    bot_prompt_file: str | None = Field(None, description="what the model is told, instead of the built-in prompt")
    bot_routes_file: str | None = Field(None, description="the declared intents: clu, openai, anthropic")
    bot_sees: Sees = Field((), description="what the bot sees of the customer: name, language, address")
    bot_languages: Languages = Field(("en", "es", "fr"), description="what is spoken; the first where nothing tells")
    bot_texts: str | None = Field(None, description="a file of texts for the menu bot, over the built-in ones")
    admin_token: Token | None = Field(None, description="bearer token of debug, metrics and operator routes")
    oidc_issuer: Issuer | None = Field(None, description="an OpenID provider that says who people are")
    oidc_client_id: str | None = Field(None, description="what that provider knows this service as")
    oidc_client_secret: SecretStr | None = Field(None, description="the secret that goes with it")
    sandbox_port: Port = Field(8081, description="where the sandbox listens")
    log_level: LogLevel = Field("info", description="debug, info, warning, error or critical")
    log_format: LogFormat = Field("json", description="json or console; console by default on a terminal")
    publish_grace_s: Seconds = Field(1, description="how long a pre-action event waits for its twin")
    effect_timeout_s: Seconds = Field(8, description="total time of one call to the outside")
    retry_base_s: Seconds = Field(1, description="the first back-off")
    retry_cap_s: Seconds = Field(60, description="the longest back-off")
    effect_deadline_s: Seconds = Field(3600, description="after this an effect is parked")
    quiet_period_s: Seconds = Field(20, description="wait after an ambiguous call before looking")
    dispatch_poll_s: Seconds = Field(2, description="how often the outbox is looked at without a hint")
    reconcile_s: Seconds = Field(300, description="how often Twilio's own record is looked at")
    retention_days: Days = Field(30, description="how long what is done is kept, a day at least; history stays")

    _sandbox_mode: bool = PrivateAttr(default=False)

    @classmethod
    def load(cls, env: Mapping[str, str] | None = None, **overrides: object) -> Self:
        """The settings of the process, or of `env` alone when it is given.

        `overrides` are fields by name, stronger than any variable; None overrides nothing. Raises
        `SettingsError` with a line for each faulty variable.
        """
        given: dict[str, Any] = {name.upper(): value for name, value in overrides.items() if value is not None}
        if env is not None:
            variables = EnvSettingsSource(cls)
            variables.env_vars = {name: value for name, value in env.items() if value}
            given = {"_build_sources": ((InitSettingsSource(cls, init_kwargs=given), variables), {})}
        try:
            return cls(**given)
        except (OSError, UnicodeDecodeError) as unreadable:
            raise SettingsError([f".env: found {type(unreadable).__name__}, expected UTF-8 text"]) from None

    @model_validator(mode="wrap")
    @classmethod
    def _whole(cls, values: dict[str, Any], build: Callable[[dict[str, Any]], Self]) -> Self:
        """Fill in what follows from other variables, build, and raise every fault together."""
        given = {n: v for n, v in values.items() if v is not None and not (isinstance(v, str) and not v.strip())}
        faults = list(_missing_partners(given))
        sandbox = not {"TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"} & given.keys()
        derived = _derived(given, sandbox)
        try:
            settings = build({**given, **derived})
        except ValidationError as wrong:
            raise SettingsError(faults + list(_faults(wrong, given))) from None
        if faults:
            raise SettingsError(faults)
        settings._sandbox_mode = sandbox
        return settings

    @property
    def sandbox_mode(self) -> bool:
        """True without Twilio credentials: the account and all that belongs to it are the sandbox's."""
        return self._sandbox_mode

    @cached_property
    def signing_tokens(self) -> tuple[str, ...]:
        """The auth tokens whose signatures are accepted: the primary, then the secondary if there is one."""
        tokens = (self.twilio_auth_token, self.twilio_auth_token_secondary)
        return tuple(token.get_secret_value() for token in tokens if token)

    @cached_property
    def flex_signing_tokens(self) -> tuple[str, ...]:
        """The auth token of the Flex account, none without one."""
        return (self.flex_auth_token.get_secret_value(),) if self.flex_auth_token else ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret value, passwords inside URLs included: what no output may show.

        The sandbox's token is printed for everybody, and none.
        """
        values = [getattr(self, name) for name in type(self).model_fields]
        plain = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
        plain = [value for value in plain if value not in (seeds.AUTH_TOKEN, seeds.FLEX_AUTH_TOKEN)]
        urls = (
            self.database_url,
            self.strapi_url,
            self.salesforce_url,
            self.bot_url,
            self.twilio_api_url,
            self.flex_api_url,
            self.public_url,
        )
        passwords = [urlsplit(url).password for url in urls if url]
        return tuple(plain + [form for word in passwords if word for form in (word, unquote(word))])


class Variable(NamedTuple):
    """A row of the settings table. `also`: the names of the original application, accepted too."""

    name: str
    default: str
    meaning: str
    also: tuple[str, ...]


def settings_table() -> list[Variable]:
    """Every variable in the order of the table, its default as the table writes it."""
    fields = Settings.model_fields.items()
    frontline = tuple(name.upper() for name, info in fields if info.exclude)
    rows = []
    for name, info in fields:
        if not info.exclude:
            also = frontline if name == "proxy_numbers" else OTHER_NAMES.get(name, ())
            rows.append(Variable(name.upper(), _shown_default(info), info.description or "", also))
    return rows


def _shown_default(info: FieldInfo) -> str:
    default = info.default
    if isinstance(default, int | float):
        return f"{default:g}"
    if isinstance(default, tuple):
        return ",".join(default) or "none"
    return default if isinstance(default, str) and default else "none"


def _derived(given: Mapping[str, Any], sandbox: bool) -> dict[str, Any]:
    """What follows from other variables where a variable itself is not set, and the sandbox's own account."""
    host, port = given.get("HOST", "127.0.0.1"), given.get("PORT", 8080)
    derived: dict[str, Any] = {}
    if "PUBLIC_URL" not in given:
        derived["PUBLIC_URL"] = f"http://[{host}]:{port}" if ":" in str(host) else f"http://{host}:{port}"
    if "LOG_FORMAT" not in given and sys.stderr.isatty():
        derived["LOG_FORMAT"] = "console"
    if "PROXY_NUMBERS" not in given:
        prefixes = {"+33": "FR", "+44": "UK", "+": "XX"}
        names = {prefix: f"FRONTLINE_PROXY_NUMBER_{country}" for prefix, country in prefixes.items()}
        derived["PROXY_NUMBERS"] = {p: given[name] for p, name in names.items() if name in given}
    return {**derived, **_sandbox_account(given), **_sandbox_flex(given)} if sandbox else derived


FLEX_VARIABLES = ("FLEX_ACCOUNT_SID", "FLEX_AUTH_TOKEN", "FLEX_WORKSPACE_SID", "FLEX_WORKFLOW_SID")


def _sandbox_flex(given: Mapping[str, Any]) -> dict[str, Any]:
    """The second account of the sandbox, unless another is set."""
    if given.keys() & set(FLEX_VARIABLES):
        return {}
    return {
        "FLEX_ACCOUNT_SID": seeds.FLEX_ACCOUNT_SID,
        "FLEX_AUTH_TOKEN": seeds.FLEX_AUTH_TOKEN,
        "FLEX_WORKSPACE_SID": seeds.FLEX_WORKSPACE_SID,
        "FLEX_WORKFLOW_SID": seeds.FLEX_WORKFLOW_SID,
        "FLEX_API_URL": given.get("FLEX_API_URL", f"http://127.0.0.1:{given.get('SANDBOX_PORT', 8081)}"),
    }


def _prefix_of(channel: str) -> str:
    return "+" if channel == "sms" else f"{channel}:"


def _sandbox_account(given: Mapping[str, Any]) -> dict[str, Any]:
    local = f"http://127.0.0.1:{given.get('SANDBOX_PORT', 8081)}"
    return {
        "TWILIO_ACCOUNT_SID": seeds.ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": seeds.AUTH_TOKEN,
        "TWILIO_API_URL": given.get("TWILIO_API_URL", local),
        "TASKROUTER_WORKSPACE_SID": seeds.WORKSPACE_SID,
        "TASKROUTER_QUEUE_SID": seeds.TASK_QUEUE_SID,
        "MESSAGING_SERVICE_SID": seeds.MESSAGING_SERVICE_SID,
        "PROXY_NUMBERS": {_prefix_of(channel): sender for channel, sender in seeds.NUMBERS.items()},
        "WHATSAPP_TEMPLATES": given.get(
            "WHATSAPP_TEMPLATES", {name: sid for name, (sid, _body, _samples) in seeds.TEMPLATES.items()}
        ),
    }


def _missing_partners(given: Mapping[str, Any]) -> Iterator[str]:
    """A fault for each variable that another one calls for."""
    pairs = {
        ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"): "set both, or neither for the sandbox",
        ("TASKROUTER_WORKSPACE_SID", "TASKROUTER_QUEUE_SID"): "set both or neither",
    }
    for pair, advice in pairs.items():
        present = [name for name in pair if name in given]
        if len(present) == 1:
            (missing,) = set(pair) - set(present)
            yield f"{missing}: found nothing, expected a value because {present[0]} is set: {advice}"
    oidc = ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")
    for missing in [name for name in oidc if name not in given and given.keys() & set(oidc)]:
        yield f"{missing}: found nothing, expected a value: set {', '.join(oidc)}, or none of them"
    for missing in [name for name in FLEX_VARIABLES if name not in given and given.keys() & set(FLEX_VARIABLES)]:
        yield f"{missing}: found nothing, expected a value: set {', '.join(FLEX_VARIABLES)}, or none of them"
    if "FLEX_ACCOUNT_SID" in given and given["FLEX_ACCOUNT_SID"] == given.get("TWILIO_ACCOUNT_SID"):
        yield "FLEX_ACCOUNT_SID: found the account of TWILIO_ACCOUNT_SID, expected another one"
    if _lower(given.get("CRM")) == "strapi":
        if "STRAPI_URL" not in given:
            yield "STRAPI_URL: found nothing, expected an address because CRM is strapi"
        if "STRAPI_TOKEN" not in given and not {"STRAPI_IDENTIFIER", "STRAPI_PASSWORD"} <= given.keys():
            yield (
                "STRAPI_TOKEN: found nothing, expected a token, or STRAPI_IDENTIFIER and STRAPI_PASSWORD,"
                " because CRM is strapi"
            )
    crm = _lower(given.get("CRM"))
    for name in _NEEDED_BY.get(crm, ()) if isinstance(crm, str) else ():
        if name not in given:
            yield f"{name}: found nothing, expected a value because CRM is {crm}"
    yield from configured.faults(given)


def _faults(wrong: ValidationError, given: Mapping[str, Any]) -> Iterator[str]:
    """A line for each variable that was given and is wrong; what was derived from it is not named again."""
    for error in wrong.errors(include_url=False, include_input=False):
        variable = str(error["loc"][0])
        if variable in given:
            field = variable.lower()
            types = list(_parts(Settings.model_fields[field]))
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

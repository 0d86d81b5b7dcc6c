"""Every setting, typed, read once: from the environment, then `.env`, then the default.

A wrong configuration is reported whole, one line for each faulty variable, and never shows a secret. Without
Twilio credentials the sandbox's own account is filled in here, so that the rest of the house knows one kind of
settings. What a variable may hold, what follows from it and what is wrong with it is in `variables/`.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from pydantic import AliasGenerator, Field, PrivateAttr, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, InitSettingsSource, SettingsConfigDict

from orchestrator.errors import SettingsError
from orchestrator.sandbox import seeds
from orchestrator.variables.derived import derived
from orchestrator.variables.faults import missing_partners, wrong_values
from orchestrator.variables.kinds import (
    AccountSid,
    BaseAddress,
    BotName,
    Country,
    Cover,
    CrmName,
    DatabaseUrl,
    Days,
    Host,
    Issuer,
    Languages,
    LogFormat,
    LogLevel,
    Networks,
    Port,
    QueueSid,
    Seconds,
    Sees,
    Sender,
    Senders,
    ServiceSid,
    Templates,
    Token,
    WebAddress,
    WorkflowSid,
    WorkspaceSid,
)
from orchestrator.variables.names import variables_of

SQLITE = "sqlite+aiosqlite:///data/expert-hub.db"


class Settings(BaseSettings):
    """The whole configuration. A field's name in capitals is its variable; `load` is the way to make one."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        case_sensitive=True,
        alias_generator=AliasGenerator(validation_alias=variables_of),
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    host: Host = Field("127.0.0.1", description="where the service listens")
    port: Port = Field(8080, description="where the service listens")
    public_url: BaseAddress = Field("http://HOST:PORT", description="the base URL Twilio was given")
    trusted_proxies: Networks = Field((), description="whose X-Forwarded-For tells who signs in: 10.0.0.0/8,192.0.2.7")
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
        faults = list(missing_partners(given))
        sandbox = not {"TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"} & given.keys()
        try:
            more = derived(given, sandbox)
            if more.keys() & given.keys():
                # What the sandbox puts its own over is refused all the same where it is wrong.
                build({**more, **given})
            settings = build({**given, **more})
        except ValidationError as wrong:
            raise SettingsError(faults + list(wrong_values(wrong, given, cls.model_fields))) from None
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

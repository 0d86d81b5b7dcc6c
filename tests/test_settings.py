"""The configuration is typed, complete, and says everything that is wrong with it at once, without a secret."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from orchestrator.errors import SettingsError
from orchestrator.sandbox import seeds
from orchestrator.settings import Settings, settings_table

ACCOUNT = "AC" + "0" * 32
CREDENTIALS = {"TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": "canary-token"}
WORKSPACE = {"TASKROUTER_WORKSPACE_SID": "WS" + "1" * 32, "TASKROUTER_QUEUE_SID": "WQ" + "2" * 32}
# the table of the README, as the contract has it
DEFAULTS = {
    "HOST": "127.0.0.1",
    "PORT": "8080",
    "PUBLIC_URL": "http://HOST:PORT",
    "DATABASE_URL": "sqlite+aiosqlite:///data/expert-hub.db",
    "TWILIO_ACCOUNT_SID": "none",
    "TWILIO_AUTH_TOKEN": "none",
    "TWILIO_AUTH_TOKEN_SECONDARY": "none",
    "TWILIO_API_URL": "none",
    "TASKROUTER_WORKSPACE_SID": "none",
    "TASKROUTER_QUEUE_SID": "none",
    "MESSAGING_SERVICE_SID": "none",
    "PROXY_NUMBERS": "none",
    "WHATSAPP_TEMPLATES": "none",
    "COVER": "none",
    "LAST_WORKER_DAYS": "90",
    "CRM": "book",
    "STRAPI_URL": "none",
    "STRAPI_IDENTIFIER": "none",
    "STRAPI_PASSWORD": "none",
    "STRAPI_TOKEN": "none",
    "SALESFORCE_URL": "none",
    "SALESFORCE_CLIENT_ID": "none",
    "SALESFORCE_CLIENT_SECRET": "none",
    "HUBSPOT_TOKEN": "none",
    "CRM_COUNTRY": "none",
    "FLEX_ACCOUNT_SID": "none",
    "FLEX_AUTH_TOKEN": "none",
    "FLEX_WORKSPACE_SID": "none",
    "FLEX_WORKFLOW_SID": "none",
    "FLEX_API_URL": "none",
    "FLEX_TRANSFER_TOKEN": "none",
    "BOT": "menu",
    "BOT_URL": "none",
    "BOT_TIMEOUT_S": "10",
    "BOT_TOKEN": "none",
    "BOT_KEY_FILE": "none",
    "BOT_AGENT": "none",
    "BOT_MODEL": "none",
    "BOT_PROMPT_FILE": "none",
    "BOT_ROUTES_FILE": "none",
    "BOT_SEES": "none",
    "BOT_LANGUAGES": "en,es,fr",
    "BOT_TEXTS": "none",
    "ADMIN_TOKEN": "none",
    "OIDC_ISSUER": "none",
    "OIDC_CLIENT_ID": "none",
    "OIDC_CLIENT_SECRET": "none",
    "SANDBOX_PORT": "8081",
    "LOG_LEVEL": "info",
    "LOG_FORMAT": "json",
    "PUBLISH_GRACE_S": "1",
    "EFFECT_TIMEOUT_S": "8",
    "RETRY_BASE_S": "1",
    "RETRY_CAP_S": "60",
    "EFFECT_DEADLINE_S": "3600",
    "QUIET_PERIOD_S": "20",
    "DISPATCH_POLL_S": "2",
    "RECONCILE_S": "300",
    "RETENTION_DAYS": "30",
}


def faults(**variables: str) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        Settings.load(variables)
    return raised.value.faults


def loaded(**variables: str) -> Settings:
    return Settings.load({**CREDENTIALS, **variables})


def test_the_table_has_every_variable_of_the_contract_with_its_default() -> None:
    assert {row.name: row.default for row in settings_table()} == DEFAULTS
    assert all(row.meaning for row in settings_table())


def test_the_names_of_the_original_application_are_in_the_table() -> None:
    assert {row.name: row.also for row in settings_table() if row.also} == {
        "TWILIO_ACCOUNT_SID": ("ACCOUNT_SID",),
        "TWILIO_AUTH_TOKEN": ("AUTH_TOKEN",),
        "TASKROUTER_WORKSPACE_SID": ("FRONTLINE_WORKSPACE",),
        "TASKROUTER_QUEUE_SID": ("DEFAULT_POOL_QUEUE_SID",),
        "MESSAGING_SERVICE_SID": ("FRONTLINE_MESSAGING_SERVICE",),
        "PROXY_NUMBERS": tuple(f"FRONTLINE_PROXY_NUMBER_{country}" for country in ("FR", "UK", "XX")),
        "STRAPI_URL": ("DB_URL",),
        "STRAPI_IDENTIFIER": ("DB_ID",),
        "STRAPI_PASSWORD": ("DB_PASS",),
    }


def test_with_nothing_set_the_account_is_the_sandboxs() -> None:
    settings = Settings.load({})
    assert settings.sandbox_mode
    assert (settings.twilio_account_sid, settings.signing_tokens) == (seeds.ACCOUNT_SID, (seeds.AUTH_TOKEN,))
    assert settings.twilio_api_url == "http://127.0.0.1:8081"
    assert (settings.taskrouter_workspace_sid, settings.taskrouter_queue_sid) == (
        seeds.WORKSPACE_SID,
        seeds.TASK_QUEUE_SID,
    )
    assert settings.messaging_service_sid == seeds.MESSAGING_SERVICE_SID
    assert settings.proxy_numbers == {
        "+": "+15550100999",
        "whatsapp:": "whatsapp:+15550100999",
        "messenger:": "messenger:15550100999",
        "rcs:": "rcs:expert_hub",
    }
    assert settings.public_url == "http://127.0.0.1:8080"


def test_in_sandbox_mode_the_account_is_the_sandboxs_whatever_is_set() -> None:
    settings = Settings.load({**WORKSPACE, "PROXY_NUMBERS": "+33=+33100000000", "SANDBOX_PORT": "9"})
    assert settings.taskrouter_workspace_sid == seeds.WORKSPACE_SID
    assert settings.proxy_numbers["+"] == "+15550100999"
    assert settings.twilio_api_url == "http://127.0.0.1:9"
    assert Settings.load({"TWILIO_API_URL": "http://127.0.0.1:7/"}).twilio_api_url == "http://127.0.0.1:7"


def test_with_credentials_nothing_is_the_sandboxs() -> None:
    settings = loaded(TWILIO_AUTH_TOKEN_SECONDARY="next")
    assert not settings.sandbox_mode
    assert settings.signing_tokens == ("canary-token", "next")
    assert settings.taskrouter_workspace_sid is settings.twilio_api_url is settings.messaging_service_sid is None
    assert settings.proxy_numbers == {}
    with_sandboxs_account = {"TWILIO_ACCOUNT_SID": seeds.ACCOUNT_SID, "TWILIO_AUTH_TOKEN": seeds.AUTH_TOKEN}
    assert not Settings.load(with_sandboxs_account).sandbox_mode


def test_the_names_of_the_original_application_are_read() -> None:
    settings = Settings.load(
        {
            "ACCOUNT_SID": ACCOUNT,
            "AUTH_TOKEN": "token",
            "FRONTLINE_WORKSPACE": WORKSPACE["TASKROUTER_WORKSPACE_SID"],
            "DEFAULT_POOL_QUEUE_SID": WORKSPACE["TASKROUTER_QUEUE_SID"],
            "FRONTLINE_MESSAGING_SERVICE": "MG" + "3" * 32,
            "FRONTLINE_PROXY_NUMBER_FR": "+33100000000",
            "FRONTLINE_PROXY_NUMBER_XX": "+15550100999",
            "CRM": "strapi",
            "DB_URL": "http://crm.example.test/",
            "DB_ID": "reader@example.test",
            "DB_PASS": "pass word",
        }
    )
    assert (settings.twilio_account_sid, settings.signing_tokens) == (ACCOUNT, ("token",))
    assert settings.taskrouter_queue_sid == WORKSPACE["TASKROUTER_QUEUE_SID"]
    assert settings.messaging_service_sid == "MG" + "3" * 32
    assert settings.proxy_numbers == {"+33": "+33100000000", "+": "+15550100999"}
    assert (settings.strapi_url, settings.strapi_identifier) == ("http://crm.example.test", "reader@example.test")
    assert settings.strapi_password == SecretStr("pass word")


def test_the_main_name_wins_over_the_other() -> None:
    assert loaded(ACCOUNT_SID="AC" + "9" * 32).twilio_account_sid == ACCOUNT
    both = loaded(PROXY_NUMBERS="+1=+15550100999", FRONTLINE_PROXY_NUMBER_UK="+44100000000")
    assert both.proxy_numbers == {"+1": "+15550100999"}


def test_an_empty_value_counts_as_not_set() -> None:
    settings = Settings.load({"TWILIO_ACCOUNT_SID": "", "ACCOUNT_SID": ACCOUNT, "AUTH_TOKEN": "t", "PORT": " "})
    assert (settings.twilio_account_sid, settings.port) == (ACCOUNT, 8080)
    assert Settings.load(dict.fromkeys(DEFAULTS, "")) == Settings.load({})


def test_overrides_win_and_none_overrides_nothing() -> None:
    settings = Settings.load({"PORT": "1", "HOST": "::1"}, port=2, host=None, crm="BOOK")
    assert (settings.port, settings.host, settings.public_url) == (2, "::1", "http://[::1]:2")
    with pytest.raises(SettingsError, match="PORT: found '70000'"):
        Settings.load({}, port=70000)


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in os.environ.keys() & DEFAULTS.keys():
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("PORT=1\nHOST='example.test' # here\nBOT_TIMEOUT_S=3\nOTHER=x\n")
    monkeypatch.setenv("PORT", "2")
    monkeypatch.setenv("BOT_TIMEOUT_S", "")
    settings = Settings.load()
    assert (settings.port, settings.host, settings.bot_timeout_s, settings.crm) == (2, "example.test", 3, "book")
    assert Settings.load({}).host == "127.0.0.1"


def test_a_file_that_is_no_text_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(b"HOST=\xff\n")
    with pytest.raises(SettingsError, match=r"\.env: found UnicodeDecodeError"):
        Settings.load()


def test_templates_are_known_by_their_names() -> None:
    sid = "HX" + "1a" * 16
    settings = Settings.load({"WHATSAPP_TEMPLATES": f" ready = {sid} , late={sid},"})
    assert settings.whatsapp_templates == {"ready": sid, "late": sid}
    assert loaded().whatsapp_templates == {}
    assert set(Settings.load({}).whatsapp_templates) == set(seeds.TEMPLATES)


@pytest.mark.parametrize(
    "wrong", ["ready", "ready=", "=HX" + "1a" * 16, "ready=HX12", f"a=HX{'0' * 32},a=HX{'1' * 32}"]
)
def test_what_is_no_list_of_templates_is_refused(wrong: str) -> None:
    with pytest.raises(SettingsError, match=r"^WHATSAPP_TEMPLATES: found .*, expected name=template"):
        Settings.load({"WHATSAPP_TEMPLATES": wrong})


def test_senders_keep_their_order_and_are_of_their_prefixs_channel() -> None:
    text = "+33=+33100000000, +44 = +44100000000,whatsapp:=whatsapp:+15550100999,"
    assert list(loaded(PROXY_NUMBERS=text).proxy_numbers.items()) == [
        ("+33", "+33100000000"),
        ("+44", "+44100000000"),
        ("whatsapp:", "whatsapp:+15550100999"),
    ]
    several = loaded(PROXY_NUMBERS="+33=+33100000000 | +33100000001").proxy_numbers
    assert several == {"+33": "+33100000000|+33100000001"}
    assert "FRONTLINE_PROXY_NUMBER_UK: found 'x y'" in faults(**CREDENTIALS, FRONTLINE_PROXY_NUMBER_UK="x y")[0]


@pytest.mark.parametrize(
    "wrong",
    [
        *("+33", "=+33100000000", "+33=", "+33=+0", "whatsapp:=+33100000000", "+3=+33100000000,+3=+44100000000"),
        *("+3=+33100000000|", "+3=+33100000000|+33100000000", "+3=+33100000000|whatsapp:+33100000001"),
    ],
)
def test_what_is_no_list_of_senders_is_refused(wrong: str) -> None:
    (fault,) = faults(**CREDENTIALS, PROXY_NUMBERS=wrong)
    assert fault.startswith(f"PROXY_NUMBERS: found {wrong!r}, expected prefix=sender")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *(("PORT", wrong) for wrong in ("x", "-1", "65536", "8080.5", "1e3", "nan", "٣")),
        *(("RETRY_BASE_S", wrong) for wrong in ("0", "-1", "nan", "inf", "1e99", "1s")),
        *(("RETENTION_DAYS", wrong) for wrong in ("0", "-1", "nan", "inf", "3651", "30d")),
        *(("PUBLIC_URL", wrong) for wrong in ("hub.example.test", "ftp://x", "http://", "http://x:y", "http://x?a")),
        *(("HOST", wrong) for wrong in ("a b", "http://x", "a:b", "x/y")),
        *(
            ("DATABASE_URL", wrong)
            for wrong in ("mysql://x", "sqlite:///x", "postgresql://x/y", "x.db", "postgresql+asyncpg://[x")
        ),
        *(("TWILIO_ACCOUNT_SID", wrong) for wrong in ("AC1", "SK" + "0" * 32, "AC" + "g" * 32, ACCOUNT + "0")),
        ("TASKROUTER_WORKSPACE_SID", "WQ" + "0" * 32),
        ("TASKROUTER_QUEUE_SID", "WS" + "0" * 32),
        ("MESSAGING_SERVICE_SID", "MG"),
        ("CRM", "dynamics"),
        ("CRM_COUNTRY", "USA"),
        ("SALESFORCE_URL", "shop.my.salesforce.com"),
        ("BOT", "luis"),
        ("BOT_URL", "localhost:9"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("TWILIO_API_URL", "api.twilio.com"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_what_was_found_and_what_was_expected(name: str, wrong: str) -> None:
    (fault,) = faults(**{**CREDENTIALS, **WORKSPACE, name: wrong})
    assert fault.startswith(name)
    assert f": found {ascii(wrong).partition('?')[0]}" in fault
    assert ", expected " in fault


def test_every_fault_is_reported_at_once_and_on_its_own_line() -> None:
    found = faults(
        TWILIO_ACCOUNT_SID="x",
        TASKROUTER_QUEUE_SID="y",
        PORT="z\nforged: line",
        CRM="strapi",
        BOT="http",
        RECONCILE_S="never",
    )
    assert {fault.partition(":")[0].partition(" ")[0] for fault in found} == {
        "TWILIO_AUTH_TOKEN",
        "TASKROUTER_WORKSPACE_SID",
        "STRAPI_URL",
        "STRAPI_TOKEN",
        "BOT_URL",
        "TWILIO_ACCOUNT_SID",
        "TASKROUTER_QUEUE_SID",
        "PORT",
        "RECONCILE_S",
    }
    assert not any("\n" in fault for fault in found)
    assert str(SettingsError(found)).count("\n") == len(found) - 1


@pytest.mark.parametrize("alone", ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"])
def test_one_of_the_two_credentials_alone_is_a_fault_of_the_other(alone: str) -> None:
    (other,) = set(CREDENTIALS) - {alone}
    (fault,) = faults(**{alone: CREDENTIALS[alone]})
    assert fault.startswith(f"{other}: found nothing, expected a value because {alone} is set")


def test_strapi_takes_a_token_or_a_user_with_a_password() -> None:
    strapi = {"CRM": "strapi", "STRAPI_URL": "https://crm.example.test"}
    assert loaded(**strapi, STRAPI_TOKEN="t").crm == "strapi"
    assert loaded(**strapi, STRAPI_IDENTIFIER="u", STRAPI_PASSWORD="p").crm == "strapi"
    assert len(faults(**CREDENTIALS, **strapi, STRAPI_IDENTIFIER="u")) == 1


def test_a_hosted_crm_needs_its_credentials() -> None:
    hubspot = loaded(CRM="HubSpot", HUBSPOT_TOKEN="canary-hubspot", CRM_COUNTRY="us")
    assert (hubspot.crm, hubspot.crm_country) == ("hubspot", "US")
    assert "canary-hubspot" in hubspot.secrets
    assert "canary-hubspot" not in repr(hubspot)
    named = [fault.partition(":")[0] for fault in faults(**CREDENTIALS, CRM="salesforce")]
    assert named == ["SALESFORCE_URL", "SALESFORCE_CLIENT_ID", "SALESFORCE_CLIENT_SECRET"]
    assert faults(**CREDENTIALS, CRM="hubspot")[0].startswith("HUBSPOT_TOKEN: found nothing, expected a value because")


def test_addresses_lose_their_trailing_slash() -> None:
    assert loaded(PUBLIC_URL="https://hub.example.test/base/").public_url == "https://hub.example.test/base"


def test_no_fault_shows_a_secret() -> None:
    found = faults(
        TWILIO_ACCOUNT_SID="c0ffee" * 5 + "c0",
        TWILIO_AUTH_TOKEN="canary token",
        TWILIO_AUTH_TOKEN_SECONDARY="canary\x1b",
        ADMIN_TOKEN="canary é",
        STRAPI_TOKEN="canary\n",
        DATABASE_URL="mysql://user:canary@host/d?password=canary",
        STRAPI_URL="canary:canary@crm.example.test?token=canary",
    )
    assert len(found) == 7
    assert not any("canary" in fault or "c0ffee" in fault for fault in found)


def test_no_secret_is_in_the_settings_when_they_are_shown() -> None:
    settings = loaded(
        ADMIN_TOKEN="canary-admin",
        STRAPI_PASSWORD="canary-password",
        DATABASE_URL="postgresql+asyncpg://user:can%40ary@host/d",
        BOT_URL="https://user:canary-bot@bot.example.test/",
    )
    assert "canary" not in repr(settings) + str(settings)
    assert "can%40ary" not in repr(settings)
    assert set(settings.secrets) == {
        "canary-token",
        "canary-admin",
        "canary-password",
        "can%40ary",
        "can@ary",
        "canary-bot",
    }
    assert Settings.load({}).secrets == ()


def test_a_copy_for_the_port_that_was_bound_is_still_the_sandboxs() -> None:
    settings = Settings.load({}, sandbox_port=0, port=0)
    assert settings.twilio_api_url == "http://127.0.0.1:0"
    assert settings.model_copy(update={"twilio_api_url": "http://127.0.0.1:5"}).sandbox_mode


def test_a_provider_of_identities_is_named_whole_and_its_keys_do_not_come_in_clear() -> None:
    whole = {"OIDC_ISSUER": "https://idp.example.test/", "OIDC_CLIENT_ID": "hub", "OIDC_CLIENT_SECRET": "canary-oidc"}
    settings = loaded(**whole)
    assert settings.oidc_issuer == "https://idp.example.test"
    assert "canary-oidc" in settings.secrets
    assert "canary-oidc" not in repr(settings)
    for name in whole:
        alone = faults(**CREDENTIALS, **{name: whole[name]})
        assert sorted(fault.partition(":")[0] for fault in alone) == sorted(whole.keys() - {name})
    (fault,) = faults(**CREDENTIALS, **whole | {"OIDC_ISSUER": "http://idp.example.test"})
    assert fault.startswith("OIDC_ISSUER: found 'http://idp.example.test', expected an address that starts with https")
    assert loaded(**whole | {"OIDC_ISSUER": "http://127.0.0.1:5/"}).oidc_issuer == "http://127.0.0.1:5"


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings.load({}).port = 1


@given(st.dictionaries(st.sampled_from(sorted(DEFAULTS)), st.text(st.characters(exclude_characters="\0"), max_size=12)))
def test_any_environment_gives_settings_or_names_its_faults(variables: dict[str, str]) -> None:
    try:
        Settings.load(variables)
        found = ["none"]
    except SettingsError as refusal:
        found = refusal.faults
    assert found
    assert not any("\n" in fault for fault in found)


def test_importing_the_settings_brings_no_server_and_no_database() -> None:
    script = "import sys, orchestrator.settings; print(*{'aiohttp', 'sqlalchemy', 'twilio'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


FLEX = {
    "FLEX_ACCOUNT_SID": "AC" + "9" * 32,
    "FLEX_AUTH_TOKEN": "secret",
    "FLEX_WORKSPACE_SID": "WS" + "9" * 32,
    "FLEX_WORKFLOW_SID": "WW" + "9" * 32,
}


@pytest.mark.parametrize("missing", FLEX)
def test_flex_is_set_whole_or_not_at_all(missing: str) -> None:
    assert loaded(**FLEX).flex_signing_tokens == ("secret",)
    assert loaded().flex_account_sid is None
    (fault,) = faults(**CREDENTIALS, **{name: value for name, value in FLEX.items() if name != missing})
    assert fault.startswith(f"{missing}: found nothing")


def test_flex_is_another_account() -> None:
    (fault,) = faults(**CREDENTIALS, **FLEX | {"FLEX_ACCOUNT_SID": CREDENTIALS["TWILIO_ACCOUNT_SID"]})
    assert fault.startswith("FLEX_ACCOUNT_SID: found the account of TWILIO_ACCOUNT_SID")


def test_the_sandbox_has_a_flex_of_its_own_unless_another_is_set() -> None:
    assert Settings.load({}).flex_account_sid == seeds.FLEX_ACCOUNT_SID
    assert Settings.load(FLEX).flex_account_sid == FLEX["FLEX_ACCOUNT_SID"]


def test_who_covers_for_whom_is_compared_in_any_letter_case() -> None:
    settings = loaded(COVER=" Ada@Example.test=grace@example.test, alan@example.test = ada@example.test,")
    assert settings.cover == {"ada@example.test": "grace@example.test", "alan@example.test": "ada@example.test"}
    assert loaded().cover == {}


@pytest.mark.parametrize(
    "found",
    [
        "ada@example.test",
        "=ada@example.test",
        "ada@example.test=",
        "ada@example.test=Ada@Example.test",
        "ada@example.test=grace@example.test=alan@example.test",
        "ada@example.test=grace@example.test,ADA@example.test=alan@example.test",
    ],
)
def test_a_list_of_who_covers_for_whom_is_refused_whole(found: str) -> None:
    [fault] = faults(COVER=found)
    assert fault.startswith("COVER: found ")
    assert "ada@example.test=grace@example.test" in fault


@pytest.mark.parametrize("found", ["0", "-1", "3651", "soon"])
def test_how_long_ago_still_counts_is_a_number_of_days(found: str) -> None:
    [fault] = faults(LAST_WORKER_DAYS=found)
    assert fault == f"LAST_WORKER_DAYS: found {found!r}, expected a number of days above 0 and at most 3650"

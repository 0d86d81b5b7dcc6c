"""The configuration is typed and complete: the table, the sandbox's account, other names, what wins over what."""

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
from orchestrator.settings import Settings
from orchestrator.settings_table import settings_table
from tests.loading import ACCOUNT, CREDENTIALS, FLEX, WORKSPACE, faults, loaded

# the table of the README, as the contract has it
DEFAULTS = {
    "HOST": "127.0.0.1",
    "PORT": "8080",
    "PUBLIC_URL": "http://HOST:PORT",
    "TRUSTED_PROXIES": "none",
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


def test_addresses_lose_their_trailing_slash() -> None:
    assert loaded(PUBLIC_URL="https://hub.example.test/base/").public_url == "https://hub.example.test/base"


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


def test_the_sandbox_has_a_flex_of_its_own_unless_another_is_set() -> None:
    assert Settings.load({}).flex_account_sid == seeds.FLEX_ACCOUNT_SID
    assert Settings.load(FLEX).flex_account_sid == FLEX["FLEX_ACCOUNT_SID"]


def test_who_covers_for_whom_is_compared_in_any_letter_case() -> None:
    settings = loaded(COVER=" Ada@Example.test=grace@example.test, alan@example.test = ada@example.test,")
    assert settings.cover == {"ada@example.test": "grace@example.test", "alan@example.test": "ada@example.test"}
    assert loaded().cover == {}


def test_trusted_proxies_are_addresses_and_networks() -> None:
    assert loaded().trusted_proxies == ()
    found = loaded(TRUSTED_PROXIES=" 10.0.0.0/8, 192.0.2.7,2001:db8::/32,").trusted_proxies
    assert [str(network) for network in found] == ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]

"""A wrong configuration is refused whole: a line for each faulty variable, and never a secret in one."""

import pytest

from orchestrator.errors import SettingsError
from orchestrator.settings import Settings
from tests.loading import ACCOUNT, CREDENTIALS, FLEX, WORKSPACE, faults, loaded


@pytest.mark.parametrize(
    "wrong", ["ready", "ready=", "=HX" + "1a" * 16, "ready=HX12", f"a=HX{'0' * 32},a=HX{'1' * 32}"]
)
def test_what_is_no_list_of_templates_is_refused(wrong: str) -> None:
    with pytest.raises(SettingsError, match=r"^WHATSAPP_TEMPLATES: found .*, expected name=template"):
        Settings.load({"WHATSAPP_TEMPLATES": wrong})


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


def test_what_the_sandbox_puts_its_own_over_is_refused_as_well_where_it_is_wrong() -> None:
    wrong = {
        "TASKROUTER_WORKSPACE_SID": "WS1",
        "DEFAULT_POOL_QUEUE_SID": "WQ1",
        "MESSAGING_SERVICE_SID": "MG1",
        "PROXY_NUMBERS": "+33",
    }
    with pytest.raises(SettingsError) as refused:
        Settings.load(wrong)
    assert [fault.partition(":")[0] for fault in refused.value.faults] == [
        "TASKROUTER_WORKSPACE_SID or FRONTLINE_WORKSPACE",
        "TASKROUTER_QUEUE_SID or DEFAULT_POOL_QUEUE_SID",
        "MESSAGING_SERVICE_SID or FRONTLINE_MESSAGING_SERVICE",
        "PROXY_NUMBERS",
    ]


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


@pytest.mark.parametrize("missing", FLEX)
def test_flex_is_set_whole_or_not_at_all(missing: str) -> None:
    assert loaded(**FLEX).flex_signing_tokens == ("secret",)
    assert loaded().flex_account_sid is None
    (fault,) = faults(**CREDENTIALS, **{name: value for name, value in FLEX.items() if name != missing})
    assert fault.startswith(f"{missing}: found nothing")


def test_flex_is_another_account() -> None:
    (fault,) = faults(**CREDENTIALS, **FLEX | {"FLEX_ACCOUNT_SID": CREDENTIALS["TWILIO_ACCOUNT_SID"]})
    assert fault.startswith("FLEX_ACCOUNT_SID: found the account of TWILIO_ACCOUNT_SID")


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


@pytest.mark.parametrize("found", ["nginx", "10.0.0.1/8", "10.0.0.0/33", "0.0.0.0/0", "10.0.0.0/8;192.0.2.7", "::/0"])
def test_what_is_no_proxy_is_a_fault(found: str) -> None:
    [fault] = faults(TRUSTED_PROXIES=found)
    assert fault.startswith(f"TRUSTED_PROXIES: found {found!r}, expected addresses and networks")

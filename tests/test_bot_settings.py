"""What each bot needs is asked for in a line that names the variable, and no line shows what a file holds."""

import json
from pathlib import Path

import pytest
from joserfc.jwk import RSAKey

from orchestrator.errors import SettingsError
from orchestrator.settings import Settings

KEY = RSAKey.generate_key(2048).as_pem(private=True).decode()
ACCOUNT = {"client_email": "b@p.example.test", "private_key": KEY, "private_key_id": "1", "token_uri": "https://x.test"}
URL = {"BOT_URL": "https://bot.example.test"}


def faults(**variables: str) -> list[str]:
    try:
        Settings.load(variables)
    except SettingsError as error:
        return error.faults
    return []


def written(folder: Path, content: object) -> str:
    path = folder / "file.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


@pytest.mark.parametrize(
    ("bot", "given", "missing"),
    [
        ("http", {}, ["BOT_URL"]),
        ("rasa", {}, ["BOT_URL"]),
        ("dialogflow", {}, ["BOT_AGENT", "BOT_KEY_FILE"]),
        ("watson", {}, ["BOT_URL", "BOT_AGENT", "BOT_TOKEN"]),
        ("clu", URL, ["BOT_AGENT", "BOT_TOKEN", "BOT_ROUTES_FILE"]),
        ("openai", {}, ["BOT_MODEL", "BOT_TOKEN"]),
        ("openai", URL, ["BOT_MODEL"]),
        ("anthropic", {}, ["BOT_MODEL", "BOT_TOKEN"]),
    ],
)
def test_what_a_bot_needs_is_asked_for(bot: str, given: dict[str, str], missing: list[str]) -> None:
    found = faults(BOT=bot, **given)
    assert [fault.partition(":")[0] for fault in found] == missing
    assert all(f"BOT is {bot}" in fault for fault in found)


@pytest.mark.parametrize(
    ("bot", "agent"),
    [
        ("dialogflow", "a"),
        ("dialogflow", "projects/p/locations/x y/agents/a"),
        ("dialogflow", "projects/p/locations/evil.example.test#/agents/a"),
        ("watson", "assistant"),
        ("clu", "project"),
        ("clu", "a/b/c"),
    ],
)
def test_an_agent_of_another_form_is_refused(bot: str, agent: str) -> None:
    assert [fault for fault in faults(BOT=bot, BOT_AGENT=agent) if fault.startswith("BOT_AGENT: found '")]


def test_a_good_file_is_taken(tmp_path: Path) -> None:
    agent = {"BOT": "dialogflow", "BOT_AGENT": "projects/p/locations/global/agents/a"}
    assert faults(**agent, BOT_KEY_FILE=written(tmp_path, ACCOUNT)) == []
    routes = {"intents": {"Ada": {"messages": ["x"], "route": "$Person"}, "Bye": {"messages": ["x"], "close": True}}}
    clu = {"BOT": "clu", **URL, "BOT_AGENT": "a/b", "BOT_TOKEN": "k"}
    assert faults(**clu, BOT_ROUTES_FILE=written(tmp_path, routes)) == []


@pytest.mark.parametrize(
    ("name", "bot", "content"),
    [
        ("BOT_KEY_FILE", "dialogflow", "canary"),
        ("BOT_KEY_FILE", "dialogflow", {"private_key": "canary"}),
        ("BOT_KEY_FILE", "dialogflow", "7"),
        ("BOT_KEY_FILE", "dialogflow", ACCOUNT | {"private_key": 7}),
        ("BOT_KEY_FILE", "dialogflow", ACCOUNT | {"private_key": "canary"}),
        ("BOT_ROUTES_FILE", "clu", "canary"),
        ("BOT_ROUTES_FILE", "clu", []),
        ("BOT_ROUTES_FILE", "openai", {"intents": {}}),
        ("BOT_ROUTES_FILE", "openai", {"intents": {"A": 7}}),
        ("BOT_ROUTES_FILE", "anthropic", {"intents": {"A": {"route": "canary@"}}}),
        ("BOT_ROUTES_FILE", "anthropic", {"intents": {"A": {}}}),
        ("BOT_TEXTS", "menu", "canary"),
        ("BOT_TEXTS", "menu", {"de": {}}),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_not_shown(
    tmp_path: Path, name: str, bot: str, content: object
) -> None:
    given = {"BOT": bot, name: written(tmp_path, content)}
    (fault,) = [fault for fault in faults(**given) if fault.startswith(f"{name}: ") and "nothing" not in fault]
    assert "canary" not in fault


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for name, bot in (("BOT_TEXTS", "menu"), ("BOT_PROMPT_FILE", "openai"), ("BOT_ROUTES_FILE", "clu")):
        assert any(it.startswith(f"{name}: found a file that cannot") for it in faults(BOT=bot, **{name: "/nowhere"}))


def test_languages_and_sight_are_lists_of_what_there_is() -> None:
    settings = Settings.load({"BOT_LANGUAGES": "FR, en", "BOT_SEES": "name , Language"})
    assert (settings.bot_languages, settings.bot_sees) == (("fr", "en"), ("name", "language"))
    assert faults(BOT_LANGUAGES="en,de") == ["BOT_LANGUAGES: found 'de', expected some of en, es, fr"]
    (fault,) = faults(BOT_SEES="name,card")
    assert fault.startswith("BOT_SEES: found 'name,card', expected some of name, language and address")


def test_the_bots_token_is_a_secret() -> None:
    settings = Settings.load({"BOT_TOKEN": "canary-bot-token"})
    assert "canary" not in repr(settings)
    assert "canary-bot-token" in settings.secrets

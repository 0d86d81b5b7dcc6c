"""What each bot needs to be set, and whether the files named for it can be used: a line for each fault."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.bots import menu_texts

NEEDED_BY = {
    "http": ("BOT_URL",),
    "rasa": ("BOT_URL",),
    "dialogflow": ("BOT_AGENT", "BOT_KEY_FILE"),
    "watson": ("BOT_URL", "BOT_AGENT", "BOT_TOKEN"),
    "clu": ("BOT_URL", "BOT_AGENT", "BOT_TOKEN", "BOT_ROUTES_FILE"),
    "openai": ("BOT_MODEL",),
    "anthropic": ("BOT_MODEL", "BOT_TOKEN"),
}
BOTS = ("menu", *NEEDED_BY)
DIALOGFLOW_AGENT = r"projects/[^/\s]+/locations/([a-z0-9-]+)/agents/[^/\s]+(?:/environments/[^/\s]+)?"
AGENT_FORMS = {
    "dialogflow": (DIALOGFLOW_AGENT, "projects/…/locations/…/agents/…"),
    "watson": (r"[^/\s]+/[^/\s]+", "ASSISTANT_ID/ENVIRONMENT_ID"),
    "clu": (r"[^/]+/[^/]+", "PROJECT/DEPLOYMENT"),
}


def faults(given: Mapping[str, Any]) -> Iterator[str]:
    """A line for each variable that the chosen bot lacks, and for each file that cannot be used."""
    bot = str(given.get("BOT", "menu")).strip().lower()
    for name in NEEDED_BY.get(bot, ()):
        if name not in given:
            kind = "an address" if name == "BOT_URL" else "a value"
            yield f"{name}: found nothing, expected {kind} because BOT is {bot}"
    if bot == "openai" and not {"BOT_URL", "BOT_TOKEN"} & given.keys():
        yield "BOT_TOKEN: found nothing, expected a key because BOT is openai and no BOT_URL names an endpoint without"
    if bot in AGENT_FORMS and "BOT_AGENT" in given:
        form, shown = AGENT_FORMS[bot]
        if not re.fullmatch(form, str(given["BOT_AGENT"])):
            yield f"BOT_AGENT: found {str(given['BOT_AGENT'])[:80]!a}, expected {shown} because BOT is {bot}"
    yield from _of_files(bot, given)


def _of_files(bot: str, given: Mapping[str, Any]) -> Iterator[str]:
    if "BOT_TEXTS" in given:
        yield from _fault("BOT_TEXTS", given, menu_texts.read_texts)
    known = _languages(given)
    named = words(given.get("BOT_LANGUAGES", "en"))
    for language in [str(it) for it in named if it not in known] if isinstance(named, list) else []:
        yield f"BOT_LANGUAGES: found {language[:20]!r}, expected some of {', '.join(known)}"
    if bot == "dialogflow" and "BOT_KEY_FILE" in given:
        yield from _fault("BOT_KEY_FILE", given, _read_key)
    if bot in ("openai", "anthropic") and "BOT_PROMPT_FILE" in given:
        yield from _fault("BOT_PROMPT_FILE", given, lambda path: path.read_text(encoding="utf-8"))
    if bot in ("openai", "anthropic", "clu") and "BOT_ROUTES_FILE" in given:
        from orchestrator.bots.routes import read_routes

        yield from _fault("BOT_ROUTES_FILE", given, read_routes)


def words(found: object) -> object:
    """Words separated by commas, in lower case; what is no text is left as it is."""
    return [it.strip().lower() for it in found.split(",") if it.strip()] if isinstance(found, str) else found


def _languages(given: Mapping[str, Any]) -> list[str]:
    try:
        return list(menu_texts.read_texts(Path(str(given["BOT_TEXTS"]))) if "BOT_TEXTS" in given else _built_in())
    except (OSError, ValueError):
        return _built_in()


def _built_in() -> list[str]:
    return list(menu_texts.built_in())


def _fault(name: str, given: Mapping[str, Any], read: Callable[[Path], object]) -> Iterator[str]:
    try:
        read(Path(str(given[name])))
    except OSError as error:
        yield f"{name}: found a file that cannot be read ({type(error).__name__}), expected one that can"
    except (json.JSONDecodeError, UnicodeDecodeError):
        yield f"{name}: found a file that is not JSON in UTF-8, expected one that is"
    except ValueError as error:
        yield f"{name}: {error}"


def _read_key(path: Path) -> None:
    key = json.loads(path.read_text(encoding="utf-8"))
    wanted = ("client_email", "private_key", "private_key_id", "token_uri")
    lacking = [it for it in wanted if not isinstance(key, dict) or not isinstance(key.get(it), str)]
    if lacking:
        raise ValueError(f"found a file without {', '.join(lacking)}, expected a service account's key")
    from joserfc.jwk import RSAKey

    RSAKey.import_key(key["private_key"])

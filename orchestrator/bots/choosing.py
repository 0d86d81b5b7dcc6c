"""Which bot answers, with which settings. What only one of them needs is imported where it is chosen."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
from pydantic import SecretStr

from orchestrator.adapters.menu_bot import MenuBot
from orchestrator.bots.menu_texts import MenuTexts, built_in, read_texts
from orchestrator.bots.sight import Sight
from orchestrator.ports import Bot
from orchestrator.settings import Settings
from storage.readers import Readers

if TYPE_CHECKING:
    from orchestrator.bots.line import Line
    from orchestrator.bots.prompting import Prompting


def texts_of(settings: Settings) -> Mapping[str, MenuTexts]:
    """What the built-in bot says in each language that is spoken."""
    texts = built_in() if settings.bot_texts is None else read_texts(Path(settings.bot_texts))
    return {language: texts[language] for language in settings.bot_languages}


def bot_of(settings: Settings, session: aiohttp.ClientSession, readers: Readers) -> Bot:
    """The bot that the setting `BOT` names."""
    usual = settings.bot_languages[0]
    if settings.bot == "menu":
        return MenuBot(texts_of(settings), usual, settings.flex_account_sid is not None)
    sight = Sight(settings.bot_sees, readers, usual)
    if settings.bot == "http":
        from orchestrator.adapters.http_bot import HttpBot

        return HttpBot(session, settings.bot_url or "", settings.bot_timeout_s, sight)
    return _of_vendor(settings, session, sight, readers)


def _of_vendor(settings: Settings, session: aiohttp.ClientSession, sight: Sight, readers: Readers) -> Bot:
    """What `bots.configured` asks for is there."""
    url, agent, key = settings.bot_url or "", settings.bot_agent or "", _shown(settings.bot_token)
    match settings.bot:
        case "rasa":
            from orchestrator.bots.rasa_bot import RasaBot

            return RasaBot(_line(settings, session, repeats=False), url, key or None, sight)
        case "dialogflow":
            from orchestrator.bots.dialogflow_bot import DialogflowBot

            line, key_file = _line(settings, session, repeats=False), Path(settings.bot_key_file or "")
            return DialogflowBot(line, agent, key_file, sight, settings.bot_url)
        case "watson":
            from orchestrator.bots.watson_bot import WatsonBot

            return WatsonBot(_line(settings, session, repeats=False), url, agent, key, sight)
        case "clu":
            from orchestrator.bots.clu_bot import CluBot
            from orchestrator.bots.routes import read_routes

            routes = read_routes(Path(settings.bot_routes_file or ""))
            return CluBot(_line(settings, session, repeats=True), url, agent, key, routes, sight)
    line, prompting = _line(settings, session, repeats=True), _prompting(settings, sight, readers)
    model = settings.bot_model or ""
    if settings.bot == "anthropic":
        from orchestrator.bots import anthropic_bot

        return anthropic_bot.AnthropicBot(line, url or anthropic_bot.URL, model, key, prompting)
    from orchestrator.bots import openai_bot

    return openai_bot.OpenAiBot(line, url or openai_bot.URL, model, key or None, prompting)


def _prompting(settings: Settings, sight: Sight, readers: Readers) -> "Prompting":
    from orchestrator.bots.memory import Memory
    from orchestrator.bots.prompting import PROMPT_FILE, Prompting
    from orchestrator.bots.routes import Routes, read_routes

    prompt = Path(settings.bot_prompt_file or PROMPT_FILE).read_text(encoding="utf-8")
    routes = read_routes(Path(settings.bot_routes_file)) if settings.bot_routes_file else Routes()
    return Prompting(prompt, routes, sight, Memory(readers), offers_of(settings))


def offers_of(settings: Settings) -> list[str]:
    """The routes that are there only where somebody can be found by name, and where there is another account."""
    needed = {"last": settings.taskrouter_workspace_sid, "flex": settings.flex_account_sid}
    return [name for name, sid in needed.items() if sid is not None]


def _line(settings: Settings, session: aiohttp.ClientSession, *, repeats: bool) -> "Line":
    from orchestrator.bots.line import Line

    return Line(session, settings.bot, settings.bot_timeout_s, repeats=repeats)


def _shown(secret: SecretStr | None) -> str:
    return "" if secret is None else secret.get_secret_value()

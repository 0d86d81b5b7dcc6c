"""What follows from an intent: BOT_ROUTES_FILE, which declares every intent a bot may name.

    {"intents": {"TalkToBilling": {"messages": ["I am fetching somebody."], "route": "queue", "queue": "Billing"},
                 "TalkTo": {"messages": ["One moment."], "route": "$Person"}},
     "otherwise": {"ask_again": true}}

Each answer is of the contract's form; `$…` as its route is the text of that entity. `otherwise` is the answer to what
has no intent, or one that is not declared.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.bots.contract import answer_of, route_of
from orchestrator.errors import BotUnusable

ASK_AGAIN: Mapping[str, Any] = {"ask_again": True}


@dataclass(frozen=True, slots=True)
class Routes:
    """The declared intents, each with the answer's fields; `otherwise` for all others."""

    intents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    otherwise: Mapping[str, Any] = field(default_factory=lambda: ASK_AGAIN)

    def fields(self, intent: str, entities: Mapping[str, object]) -> dict[str, Any]:
        """The answer to an intent. Where its route is an entity that is no email address, he is asked again."""
        fields = dict(self.intents.get(intent, self.otherwise))
        route = str(fields.get("route", "no"))
        if not route.startswith("$"):
            return fields
        try:
            kind, address = route_of(entities.get(route[1:]))
        except BotUnusable:
            kind, address = "no", None
        return fields | {"route": address} if kind == "email" else dict(ASK_AGAIN)


def read_routes(path: Path) -> Routes:
    """The file as routes. Raises ValueError, which says what is wrong, and OSError."""
    found = json.loads(path.read_text(encoding="utf-8"))
    intents = found.get("intents") if isinstance(found, dict) else None
    if not isinstance(intents, dict) or not intents:
        raise ValueError('an object with "intents" is expected')
    otherwise = found.get("otherwise", ASK_AGAIN)
    for name, fields in {**intents, "otherwise": otherwise}.items():
        _check(name, fields)
    return Routes(intents, otherwise)


def _check(name: str, fields: object) -> None:
    if not isinstance(fields, dict):
        raise ValueError(f"{name[:40]!r} is no answer")
    is_entity = isinstance(fields.get("route"), str) and fields["route"].startswith("$")
    try:
        answer_of(fields | {"route": "agent"} if is_entity else fields)
    except BotUnusable as error:
        raise ValueError(f"{name[:40]!r}: {error}") from None

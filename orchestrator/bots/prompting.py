"""What every language model is asked, and what is made of its output: the same whoever hosts it.

The model chooses among declared intents and nothing else: its output is constrained to a JSON schema, and validated
here as if it were not. It can name a person only by an address that the customer himself has written in this turn, and
a queue only through an intent of BOT_ROUTES_FILE; it can close a conversation only through one that says so. What it
says cannot be checked: neither that it is true, nor that it is no part of the prompt.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.bots.contract import answer_of
from orchestrator.bots.memory import Memory, Said
from orchestrator.bots.routes import Routes
from orchestrator.bots.sight import Sight
from orchestrator.errors import BotUnusable
from orchestrator.ports import Answer, Question
from states.policy import read_choice

PROMPT_FILE = Path(__file__).with_name("prompt.txt")
OUTPUT_MAX = 800
"""Tokens a model may write: five short texts and the rest of the form."""
TALKING = ("talk", "ask_again", "anyone", "person")
OFFERS = {
    "last": "he wants the person he talked to last time, or wrote to before, and does not say who that is.",
    "flex": "he wants the contact centre.",
}
"""The routes that not every house has, and what the model is told of each where this one does."""
_LINE_MAX = 1600


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as a model gets it: `system`, and what was said so far with the question last."""

    system: str
    said: Sequence[Said]


@dataclass(frozen=True, slots=True)
class Prompting:
    """Makes the question and reads the output. `prompt`: the system prompt, to which the other intents are added;
    `offers`: those of OFFERS there are. One of the same name that is declared goes before."""

    prompt: str
    routes: Routes
    sight: Sight
    memory: Memory
    offers: Collection[str] = ()

    @property
    def intents(self) -> list[str]:
        """Every intent the model may choose."""
        return list(dict.fromkeys((*TALKING, *self._offered(), *self.routes.intents)))

    def _offered(self) -> list[str]:
        return [name for name in OFFERS if name in self.offers and name not in self.routes.intents]

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the output; every property is required and no other allowed, as strict modes want it."""
        text = {"type": "string"}
        properties: dict[str, Any] = {
            "say": {"type": "array", "items": text, "description": "What the customer is told, a text message each."},
            "choices": {"type": "array", "items": text, "description": "Short replies he may choose from, or none."},
            "intent": {"type": "string", "enum": self.intents},
            "person": {"type": ["string", "null"], "description": "The email address he wrote, for intent person."},
            "language": {"type": ["string", "null"], "description": "A BCP 47 tag of what he writes in."},
            "reason": {"type": ["string", "null"], "description": "What it is about, in a few words."},
        }
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    async def asked(self, question: Question) -> Asked:
        """The question with what was said in this turn before it. Raises StorageError."""
        system = self.prompt.strip()
        if offered := self._offered():
            system += "\n\nMore intents:\n" + "\n".join(f'- "{name}": {OFFERS[name]}' for name in offered)
        if self.routes.intents:
            system += "\n\nThe other intents: " + ", ".join(self.routes.intents) + "."
        seen = await self.sight.of(question)
        if seen:
            system += f"\n\nWhat is known of the customer: {json.dumps(seen, ensure_ascii=False)}"
        said = [*await self.memory.before(question), Said("customer", question.body or "(a picture)")]
        return Asked(system, [Said(one.by, one.text[:_LINE_MAX]) for one in said])

    def answer(self, output: object, said: Sequence[Said]) -> Answer:
        """The answer an output is. Raises BotUnusable where it is none, or names an intent nobody declared."""
        if not isinstance(output, dict):
            raise BotUnusable("the model wrote no JSON object")
        intent = output.get("intent")
        if not isinstance(intent, str) or intent not in self.intents:
            raise BotUnusable("the model named an intent that is not declared")
        fields = {"messages": output.get("say"), "choices": output.get("choices"), **self._routed(intent, output, said)}
        return answer_of(fields | {"set": {name: output.get(name) for name in ("language", "reason")}})

    def _routed(self, intent: str, output: Mapping[str, Any], said: Sequence[Said]) -> dict[str, Any]:
        match intent:
            case "talk":
                return {}
            case "anyone":
                return {"route": "agent"}
            case "person" if (address := _written(output.get("person"), said)) is not None:
                return {"route": address}
            case "ask_again" | "person":
                return {"ask_again": True}
            case "last" | "flex" if intent in self._offered():
                return {"route": intent}
        return self.routes.fields(intent, {"person": _written(output.get("person"), said)})


def _written(person: object, said: Sequence[Said]) -> str | None:
    """The address the model names, as the customer wrote it; None where he did not."""
    if not isinstance(person, str):
        return None
    address = read_choice(person).identity
    if address is None or address != person.strip():
        return None
    alone = re.compile(rf"(?<![\w.+%'-]){re.escape(address)}(?![\w@-]|\.\w)", re.IGNORECASE)
    found = (alone.search(one.text) for one in reversed(said) if one.by == "customer")
    return next((it[0] for it in found if it), None)


def parsed(text: object) -> object:
    """JSON from a model's text, whose object may stand between other words or in a fence. Raises BotUnusable."""
    if not isinstance(text, str):
        raise BotUnusable("the model wrote nothing")
    start, end = text.find("{"), text.rfind("}")
    try:
        return json.loads(text[start : end + 1])
    except (ValueError, RecursionError) as error:
        raise BotUnusable("the model wrote no JSON") from error

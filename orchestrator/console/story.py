"""What happened to a conversation, as one line of moments: decisions with their reasons, what was asked of the world
and what came of it, notes, what people did, and what could not be decided yet. Pure."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row

from orchestrator.again import Retold
from orchestrator.dumps import iso
from states.drawing import Journey
from states.table import INITIAL
from storage.audit import Act
from storage.notes import Note

Kind = Literal["decision", "effect", "undecided", "note", "act"]
_GIST = ("body", "message", "display_name", "identity", "address", "effect", "reason")
# What happened at the same millisecond, in the order in which one follows from the other.
_ORDER: dict[str, int] = {"act": 0, "note": 1, "decision": 2, "effect": 3, "undecided": 4}


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry of the timeline. `what` is a Retold, a Row of the outbox or of the inbox, a Note or an Act; `raw` what
    was stored of it, as indented JSON, where there is more than is shown; `gist` what an event is about, in its own
    words; `considered` what became of those a customer could have got back."""

    at: int
    kind: Kind
    what: Any
    raw: str = ""
    gist: str = ""
    considered: tuple[str, ...] = ()


def timeline(
    told: Sequence[Retold],
    effects: Iterable[Row[Any]],
    undecided: Iterable[Row[Any]],
    notes: Iterable[Note],
    acts: Iterable[Act],
) -> list[Moment]:
    """Everything in the order of time. What is still open stands where it is due next."""
    found = [_decision(step) for step in told]
    found += [Moment(_when(row), "effect", row, indented(row.payload)) for row in effects]
    found += [Moment(row.received_at, "undecided", row, indented(row.event)) for row in undecided]
    found += [Moment(note.at, "note", note) for note in notes]
    found += [Moment(act.at, "act", act) for act in acts]
    return sorted(found, key=lambda moment: (moment.at, _ORDER[moment.kind]))


def _decision(step: Retold) -> Moment:
    event = step.row.event
    return Moment(step.row.at, "decision", step, indented(event), gist_of(event), considered_of(event))


def journey(rows: Iterable[Row[Any]]) -> Journey:
    """The way through the states that these history rows made."""
    state, moves = INITIAL, Counter[tuple[str, str]]()
    for row in rows:
        state = row.dest
        if row.source != row.dest:
            moves[row.source, row.dest] += 1
    return Journey(state, dict(moves))


def gist_of(event: str) -> str:
    """What a stored event is about: what was said, else who or what it names, and why."""
    try:
        data = json.loads(event)
    except ValueError:
        return ""
    if not isinstance(data, dict):
        return ""
    told = (str(data[name]) for name in _GIST if isinstance(data.get(name), str) and data[name])
    return " · ".join(dict.fromkeys(told))


def considered_of(event: str) -> tuple[str, ...]:
    """What a stored event tells of each candidate, where a customer asked for whom he knows."""
    try:
        data = json.loads(event)
    except ValueError:
        return ()
    found = data.get("considered") if isinstance(data, dict) else None
    return tuple(map(str, found)) if isinstance(found, list) else ()


def indented(text: str) -> str:
    """Stored JSON for the eye; what is none, as it is."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except ValueError:
        return text


def reason_json(step: Retold) -> dict[str, Any]:
    """The reason for one decision."""
    told = step.explanation
    return {
        "version": step.row.version,
        "unsure": step.unsure,
        "candidates": []
        if told is None
        else [
            {
                "row": candidate.row,
                "dest": candidate.dest,
                "fired": candidate.fired,
                "guards": [
                    {"guard": asked.guard, "sentence": asked.sentence, "held": asked.held} for asked in candidate.guards
                ],
                "does": [{"writer": writer, "sentence": sentence} for writer, sentence in candidate.does],
            }
            for candidate in told.candidates
        ],
    }


def act_json(act: Act) -> dict[str, Any]:
    """What somebody did, as the audit's twin tells it."""
    return {
        "id": act.id,
        "at": iso(act.at),
        "who": act.who,
        "act": act.act,
        "conversation_sid": act.conversation_sid,
        "target": act.target,
        "reason": act.reason,
        "outcome": act.outcome,
    }


def _when(row: Row[Any]) -> int:
    return int(row.done_at or row.due_at)

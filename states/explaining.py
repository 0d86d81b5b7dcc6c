"""Why a decision fell as it did: the rows of the table that came into question, and what each guard said."""

from dataclasses import dataclass

from states.conversation import Conversation
from states.draft import Draft
from states.events import Event
from states.table import TRANSITIONS, Row


@dataclass(frozen=True, slots=True)
class Asked:
    """A guard of a row with its own sentence. `held` is None where an earlier guard or row had settled the matter."""

    guard: str
    sentence: str
    held: bool | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row for this state and trigger, in the table's order. `dest` is None where the state stays; `does` are its
    writers, each with its sentence."""

    row: str
    dest: str | None
    guards: tuple[Asked, ...]
    does: tuple[tuple[str, str], ...]
    fired: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one event met in the table. `fired` is the name of the row that won, None where the table has none."""

    trigger: str
    source: str
    candidates: tuple[Candidate, ...]
    fired: str | None


def sentence_of(name: str) -> str:
    """What a guard or a writer of the table says of itself, as one line."""
    return " ".join((getattr(Draft, name).__doc__ or "").split())


def name_of(row: Row, source: str) -> str:
    """The name under which a row is recorded when it fires in `source`."""
    return f"{source}/{row.trigger}" + (f"[{','.join(row.guards)}]" if row.guards else "")


def explain(conversation: Conversation, event: Event, now: int) -> Explanation:
    """What `decide` weighs when `event` meets `conversation` at `now`: the same rows and guards, in the same order.
    Rows after the one that fires are told with their guards unasked. What a guard raises passes through."""
    draft = Draft.of(conversation, event, now)
    candidates: list[Candidate] = []
    fired: str | None = None
    for row in TRANSITIONS:
        if row.trigger != draft.trigger or conversation.state not in row.sources:
            continue
        guards = _asked(row, draft if fired is None else None)
        fires = fired is None and all(asked.held for asked in guards)
        name = name_of(row, conversation.state)
        fired = name if fires else fired
        does = tuple((writer, sentence_of(writer)) for writer in row.does)
        candidates.append(Candidate(name, row.dest, guards, does, fires))
    return Explanation(draft.trigger, conversation.state, tuple(candidates), fired)


def _asked(row: Row, draft: Draft | None) -> tuple[Asked, ...]:
    """The guards of a row, asked until one says no; none of them where there is no draft to ask about."""
    asked: list[Asked] = []
    settled = draft is None
    for guard in row.guards:
        held = None if settled else bool(getattr(draft, guard)() is True)
        settled = settled or held is False
        asked.append(Asked(guard, sentence_of(guard), held))
    return tuple(asked)

"""The whole table, row by row: what each state makes of each event, what is refused, and what `check` finds."""

from dataclasses import dataclass, replace
from typing import Any, get_args

import pytest

from states.check import check
from states.decide import MACHINE, decide, triggers_in
from states.diagram import effects_of
from states.draft import Draft
from states.errors import DecisionError, UnhandledEvent, UnknownState
from states.events import Event, FlexJoined, FlexOpened
from states.names import snake_case
from states.table import STATES, TRANSITIONS, Row
from tests.cases import CASES, CLOSE_THERE, NOW, WROTE, WROTE_ADDRESS, Case, name_of, snapshot, trigger_of


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_row(case: Case) -> None:
    source, circumstances, event, _, dest, kinds = case
    before = snapshot(source, **circumstances)
    decision = decide(before, event, NOW)
    assert decision.row == name_of(case)
    assert (decision.trigger, decision.source, decision.dest) == (trigger_of(event), source, dest)
    assert tuple(trigger_of(keyed.effect) for keyed in decision.effects) == kinds
    after = decision.conversation
    assert (after.state, after.version, after.updated_at) == (dest, before.version + 1, NOW)


def test_every_row_from_every_source_is_among_the_cases() -> None:
    fired = {decide(snapshot(source, **given), event, NOW).row for source, given, event, _, _, _ in CASES}
    assert fired == {
        f"{source}/{row.trigger}" + (f"[{','.join(row.guards)}]" if row.guards else "")
        for row in TRANSITIONS
        for source in row.sources
    }


def test_every_state_takes_every_event_there_is() -> None:
    every = {snake_case(kind.__name__) for kind in get_args(Event)}
    assert {row.trigger for row in TRANSITIONS} == every
    assert all(set(triggers_in(state)) == every for state in STATES)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_guards_answer_true_or_false_and_nothing_else(case: Case) -> None:
    source, circumstances, event, _, _, _ = case
    draft = Draft.of(snapshot(source, **circumstances), event, NOW)
    rows = [row for row in TRANSITIONS if row.trigger == draft.trigger and source in row.sources]
    answers = [getattr(draft, guard)() for row in rows for guard in row.guards]
    assert {type(answer) for answer in answers} <= {bool}


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_row_asks_for_nothing_it_does_not_declare(case: Case) -> None:
    source, _, event, guards, _, kinds = case
    wanted = (trigger_of(event), tuple(filter(None, guards.split(","))))
    row = next(row for row in TRANSITIONS if (row.trigger, row.guards) == wanted and source in row.sources)
    assert set(kinds) <= set(effects_of(row))


def test_closed_is_final_and_asks_for_nothing_but_that_nothing_stays_open_in_flex() -> None:
    for _, circumstances, event, _, _, _ in CASES:
        decision = decide(snapshot("closed", **circumstances), event, NOW)
        asked = [trigger_of(keyed.effect) for keyed in decision.effects]
        assert decision.dest == "closed"
        assert asked == ([CLOSE_THERE] if isinstance(event, FlexOpened | FlexJoined) else [])


def test_a_decision_leaves_no_trace_in_the_machine() -> None:
    for source, circumstances, event, _, _, _ in CASES:
        decide(snapshot(source, **circumstances), event, NOW)
    assert MACHINE.models == []


# Refusals


@dataclass(frozen=True)
class Thundered:
    """Nothing the table knows."""


def test_an_unknown_state_is_refused_and_nothing_changes() -> None:
    before = snapshot("asleep")
    with pytest.raises(UnknownState, match="'asleep'") as caught:
        decide(before, WROTE, NOW)
    assert isinstance(caught.value, DecisionError)
    assert before == snapshot("asleep")


@pytest.mark.parametrize("state", STATES)
def test_an_unknown_trigger_is_refused_and_nothing_changes(state: str) -> None:
    before = snapshot(state)
    with pytest.raises(UnhandledEvent, match="'thundered'") as caught:
        decide(before, Thundered(), NOW)  # type: ignore[arg-type]
    assert (caught.value.state, caught.value.trigger) == (state, "thundered")
    assert before == snapshot(state)


@pytest.mark.parametrize("error", [KeyError("body"), ValueError("body"), ZeroDivisionError()])
@pytest.mark.parametrize("name", ["text_names_worker", "find_worker_quietly"])
def test_what_a_guard_or_a_writer_raises_passes_through(
    error: Exception, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_draft: Draft) -> None:
        raise error

    monkeypatch.setattr(Draft, name, fails)
    before = snapshot("routing")
    with pytest.raises(type(error)) as caught:
        decide(before, WROTE_ADDRESS, NOW)
    assert caught.value is error
    assert before == snapshot("routing")


# What `check` finds


def test_the_table_is_sound() -> None:
    assert check(TRANSITIONS) == []


GREETING = next(row for row in TRANSITIONS if row.sources == ("greeting",) and not row.guards)


def doctored(**changes: Any) -> list[Row]:
    """The table with the row of a first message changed."""
    return [replace(row, **changes) if row is GREETING else row for row in TRANSITIONS]


ENDING = [row for row in TRANSITIONS if row.trigger == "conversation_closed"]
OTHERS = [row for row in TRANSITIONS if row.trigger != "conversation_closed"]

FAULTS = [
    (doctored(sources=("greeting", "dozing")), "unknown state 'dozing'"),
    (doctored(dest="dozing"), "unknown state 'dozing'"),
    (doctored(does=("note_author", "os.getcwd")), "dotted name 'os.getcwd'"),
    (doctored(guards=("os.getcwd",)), "dotted name 'os.getcwd'"),
    (doctored(does=("note_auhtor",)), "Draft has no 'note_auhtor'"),
    (doctored(guards=("is_lat",)), "Draft has no 'is_lat'"),
    (doctored(does=("trigger",)), "Draft has no 'trigger'"),
    ([*OTHERS, ENDING[0]], "closed/conversation_closed: no row without a guard comes last"),
    (doctored(guards=("is_late",)), "greeting/message_received: no row without a guard comes last"),
    ([*TRANSITIONS, ENDING[-1]], "closed/conversation_closed: row 2 can never fire"),
    ([*TRANSITIONS, replace(ENDING[-1], guards=("is_late",))], "closed/conversation_closed: row 2 can never fire"),
    (
        [replace(ENDING[-1], guards=("is_late",)), replace(ENDING[-1], guards=("has_left", "is_late")), *TRANSITIONS],
        "closed/conversation_closed: row 2 can never fire",
    ),
]


@pytest.mark.parametrize(("table", "fault"), FAULTS, ids=[fault for _, fault in FAULTS])
def test_check_names_the_fault(table: list[Row], fault: str) -> None:
    assert any(fault in found for found in check(table))

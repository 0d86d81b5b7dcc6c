"""The reason for each decision is the decision's own: the same row, and what its guards and those before it said."""

from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from orchestrator.again import Retold, retold
from states.conversation import Claim, Conversation, Present
from states.decide import decide
from states.events import BotReplied, Event, MessageReceived, WorkerJoined, WorkerLeft
from states.explaining import explain, sentence_of
from states.names import ConversationSid, MessageSid, ParticipantSid, WorkerSid
from states.table import REPLAYED, TRANSITIONS, VERSION
from storage import codec
from tests.cases import CASES, name_of, snapshot

NOW = 1_700_000_000_000
ADA = "ada@example.test"
NEW = Conversation(ConversationSid("CH1"), NOW, NOW)
HELLO = MessageReceived(MessageSid("IM1"), 0, "+15550100001", "Hello")
NAMES_ADA = BotReplied(MessageSid("IM1"), "One moment.", "email", 0, ADA)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_the_row_told_is_the_row_that_fires(case: Any) -> None:
    conversation, event = snapshot(case[0], **case[1]), case[2]
    assert explain(conversation, event, NOW).fired == decide(conversation, event, NOW).row


def test_the_rows_before_it_tell_which_guard_said_no() -> None:
    asked = replace(NEW, state="awaiting_choice", version=1)
    told = explain(asked, replace(NAMES_ADA, route="no"), NOW)
    assert [(c.row, c.fired, [g.held for g in c.guards]) for c in told.candidates] == [
        ("awaiting_choice/bot_replied[bot_names_worker]", False, [False]),
        ("awaiting_choice/bot_replied[bot_asks_for_anyone]", False, [False]),
        ("awaiting_choice/bot_replied[bot_asks_for_flex]", False, [False]),
        ("awaiting_choice/bot_replied[bot_asks_for_last]", False, [False]),
        ("awaiting_choice/bot_replied[bot_asks_in_vain]", False, [False]),
        ("awaiting_choice/bot_replied[bot_closes]", False, [False]),
        ("awaiting_choice/bot_replied[bot_has_turn]", True, [True]),
        ("awaiting_choice/bot_replied", False, []),
    ]
    assert told.fired == "awaiting_choice/bot_replied[bot_has_turn]"


def test_a_guard_after_one_that_said_no_is_not_asked() -> None:
    routing = replace(NEW, state="routing", gone=(ParticipantSid("MB9"),))
    told = explain(routing, WorkerJoined(ADA, ParticipantSid("MB1")), NOW)
    assert [guard.held for guard in told.candidates[0].guards] == [False, None]


def test_nothing_is_changed_by_explaining() -> None:
    claimed = replace(NEW, state="routing", claim=Claim(ADA, WorkerSid("WK1"), 5, named=True))
    before = repr(claimed)
    explain(claimed, WorkerJoined(ADA, ParticipantSid("MB1")), NOW)
    assert repr(claimed) == before


def test_every_guard_and_writer_has_a_sentence() -> None:
    for name in {name for row in TRANSITIONS for name in (*row.guards, *row.does)}:
        assert sentence_of(name).endswith("."), name


# A whole history


def history(*events: Event, table_version: int = VERSION) -> tuple[Conversation, list[Any]]:
    """What is stored after these events, a second apart, as history rows."""
    current, rows = NEW, []
    for number, event in enumerate(events, 1):
        at = NOW + 1000 * number
        decision = decide(current, event, at)
        current = decision.conversation
        rows.append(
            SimpleNamespace(
                version=number,
                at=at,
                trigger=decision.trigger,
                source=decision.source,
                dest=decision.dest,
                row=decision.row.removeprefix(f"{decision.source}/{decision.trigger}"),
                event=codec.encode(event),
                table_version=table_version,
            )
        )
    return current, rows


JOINED = WorkerJoined(ADA, ParticipantSid("MB1"))
LEFT = WorkerLeft(ParticipantSid("MB1"))


def test_every_version_is_told_with_its_reason_and_its_snapshot() -> None:
    stored, rows = history(HELLO, NAMES_ADA, JOINED, LEFT)
    told = retold(stored, rows)
    assert [step.after and step.after.state for step in told] == [row.dest for row in rows]
    assert told[-1].after == stored
    assert told[2].after is not None
    assert told[2].after.workers == (Present(ADA, ParticipantSid("MB1")),)
    assert all(step.explanation and step.unsure is None for step in told)


def test_what_an_older_table_decided_is_not_guessed_at_but_what_followed_is_told() -> None:
    stored, rows = history(HELLO, NAMES_ADA, JOINED)
    rows[0].table_version = rows[1].table_version = min(REPLAYED) - 1
    told = retold(stored, rows)
    assert [step.explanation is None for step in told] == [True, True, False]
    assert f"version {min(REPLAYED) - 1} of the table; today's is {VERSION}" in (told[0].unsure or "")
    assert told[-1].after == stored


@pytest.mark.parametrize("version", [version for version in REPLAYED if version != VERSION])
def test_what_an_older_table_decided_as_todays_does_is_told_and_said_to_be(version: int) -> None:
    stored, rows = history(HELLO, table_version=version)
    (told,) = retold(stored, rows)
    assert told.explanation is not None
    assert f"version {version} of the table, as today's {VERSION}" in (told.unsure or "")


def test_what_comes_out_otherwise_today_is_said_to_and_nothing_after_it_is_guessed() -> None:
    stored, rows = history(HELLO, NAMES_ADA, JOINED)
    rows[1].dest = "awaiting_choice"
    told = retold(stored, rows)
    assert [(step.explanation is None, step.after is None) for step in told] == [
        (False, False),
        (True, True),
        (True, True),
    ]
    assert "another row" in (told[1].unsure or "")
    assert told[2].unsure


def test_a_row_that_cannot_be_read_any_more_is_told_without_a_reason() -> None:
    stored, rows = history(HELLO, NAMES_ADA)
    rows[0].event = '{"kind":"forgotten"}'
    told = retold(stored, rows)
    assert told[0] == Retold(rows[0], None, None, told[0].unsure)
    assert "cannot be decided again" in (told[0].unsure or "")


def test_an_unknown_state_has_no_candidates() -> None:
    assert explain(replace(NEW, state="nowhere"), HELLO, NOW).candidates == ()

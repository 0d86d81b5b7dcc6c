"""What follows a failed attempt, row by row: the status, the wait, and what the machine is told."""

from typing import Any

import pytest

from orchestrator.errors import (
    Ambiguous,
    BotUnusable,
    CrmUnavailable,
    EffectError,
    Gone,
    Held,
    NotProcessed,
    NotSent,
    Rejected,
)
from orchestrator.intake import Outcome
from orchestrator.retrying import Patience, after_failure, backoff_s
from states.effects import AddParticipant, AskBot, Effect, FindCustomer, SendMessage, SetWorkerAttributes
from states.events import BotFailed, ConversationClosed, EffectFailed
from states.names import MessageSid, WorkerSid
from storage.codec import encode, kind_of
from storage.lanes import Due
from tests.stores import NOON, sid

PATIENCE = Patience(retry_base_s=1, retry_cap_s=60, effect_deadline_s=3600, quiet_period_s=20)
SEND = SendMessage("hello")
ADD = AddParticipant("expert@example.test")
FIND = FindCustomer("+15550100001")
NOTE = SetWorkerAttributes(WorkerSid(sid("WK", 1)), NOON)
ASK = AskBot(MessageSid(sid("IM", 1)), "+15550100001", "hello", "awaiting_choice", turn=3)


def test_what_an_error_says_can_be_stored_on_any_database() -> None:
    outcome = after_failure(due(ADD), ADD, Rejected("half of \ud83d, nothing \0", 400, 1), NOON, PATIENCE, True)
    assert isinstance(outcome.event, EffectFailed)
    assert outcome.error is not None
    assert r"half of \ud83d, nothing \x00" in outcome.error
    assert encode(outcome.event).encode()


def due(effect: Effect, attempts: int = 1, status_before: str = "pending", created_at: int = NOON) -> Due:
    return Due(
        key=f"{sid('CH', 1)}/1/0",
        conversation_sid=sid("CH", 1),
        lane="lane",
        kind=kind_of(effect),
        payload=encode(effect),
        status_before=status_before,
        attempts=attempts,
        created_at=created_at,
        intent_at=NOON,
        after_index=-1,
        service_sid=None,
        friendly_name=None,
    )


def after(effect: Effect, error: Exception, now: int = NOON, routable: bool = True, **row: Any) -> Outcome:
    return after_failure(due(effect, **row), effect, error, now, PATIENCE, routable)


def who(effect: Effect) -> str | None:
    """Whom the machine is told of: the worker who could not be added."""
    return effect.identity if isinstance(effect, AddParticipant) else None


def wait_s(outcome: Outcome, now: int = NOON) -> float:
    assert outcome.retry_at is not None
    return (outcome.retry_at - now) / 1000


BACKOFF, QUIET, CAP = (0.5, 1.0), (20.0, 20.0), (60.0, 60.0)


@pytest.mark.parametrize(
    ("effect", "error", "status", "wait"),
    [
        # Nothing was carried out: again, soon.
        (SEND, NotSent("refused"), "retrying", BACKOFF),
        (ADD, NotSent("refused"), "retrying", BACKOFF),
        (SEND, NotProcessed("429"), "retrying", BACKOFF),
        (SEND, NotProcessed("429", retry_after_s=7), "retrying", (7, 7)),
        (SEND, NotProcessed("429", retry_after_s=0.1), "retrying", BACKOFF),
        # What creates may have been carried out: look first. What does not is simply repeated.
        (SEND, Ambiguous("500"), "ambiguous", QUIET),
        (SEND, TimeoutError(), "ambiguous", QUIET),
        (SEND, KeyError("our own mistake"), "ambiguous", QUIET),
        (ADD, Ambiguous("500"), "retrying", BACKOFF),
        (NOTE, Ambiguous("500"), "retrying", BACKOFF),
        (FIND, CrmUnavailable("down"), "retrying", BACKOFF),
        (FIND, KeyError("our own mistake"), "retrying", BACKOFF),
        # Credentials are refused: wait as long as may be.
        (SEND, Held("401"), "retrying", CAP),
        (ADD, Held("401"), "retrying", CAP),
    ],
)
def test_what_may_succeed_later_is_tried_later(
    effect: Effect, error: Exception, status: str, wait: tuple[float, float]
) -> None:
    outcome = after(effect, error)
    assert (outcome.status, outcome.event) == (status, None)
    assert wait[0] <= wait_s(outcome) <= wait[1]
    assert outcome.error is not None
    assert outcome.error.startswith(type(error).__name__)


@pytest.mark.parametrize("effect", [SEND, ADD, NOTE, FIND])
def test_what_was_rejected_is_told_to_the_machine_and_never_repeated(effect: Effect) -> None:
    outcome = after(effect, Rejected("no such thing", 400, 20001))
    text = "Rejected: no such thing"
    failed = EffectFailed(f"{sid('CH', 1)}/1/0", kind_of(effect), text, who(effect))
    assert outcome == Outcome("rejected", failed, error=text)


@pytest.mark.parametrize("effect", [SEND, ADD, NOTE, FIND])
def test_a_conversation_that_is_gone_is_closed(effect: Effect) -> None:
    outcome = after(effect, Gone("not found", 404, 20404))
    assert outcome == Outcome("rejected", ConversationClosed("gone"), error="Gone: not found")


@pytest.mark.parametrize("error", [BotUnusable("silent"), NotSent("refused"), KeyError("our own mistake")])
@pytest.mark.parametrize("routable", [True, False])
def test_a_bot_is_asked_once_and_its_silence_is_an_answer(error: Exception, routable: bool) -> None:
    outcome = after(ASK, error, routable=routable)
    text = f"{type(error).__name__}: {error}"
    assert outcome == Outcome("rejected", BotFailed(ASK.message_sid, 3, text, routable), error=text)


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (NotSent("refused"), BACKOFF),
        (NotProcessed("429", retry_after_s=7), (7, 7)),
        (Held("401"), CAP),
        (Ambiguous("500"), QUIET),
    ],
)
def test_once_in_doubt_always_in_doubt(error: EffectError, wait: tuple[float, float]) -> None:
    """A look that could not be made, or a repetition that was refused, says nothing about the attempt before."""
    outcome = after(SEND, error, status_before="ambiguous")
    assert outcome.status == "ambiguous"
    assert wait[0] <= wait_s(outcome) <= wait[1]


def test_what_creates_nothing_is_never_in_doubt() -> None:
    assert after(ADD, Ambiguous("500"), status_before="retrying").status == "retrying"


@pytest.mark.parametrize("effect", [SEND, ADD, NOTE])
@pytest.mark.parametrize("error", [NotSent("refused"), NotProcessed("429"), Ambiguous("500"), KeyError("mistake")])
def test_after_the_deadline_it_is_parked_and_the_machine_is_told(effect: Effect, error: Exception) -> None:
    end = NOON + 3_600_000
    assert after(effect, error, now=end - 30_000).retry_at is not None
    outcome = after(effect, error, now=end)
    assert (outcome.status, outcome.retry_at) == ("parked", None)
    assert outcome.event == EffectFailed(f"{sid('CH', 1)}/1/0", kind_of(effect), str(outcome.error), who(effect))


@pytest.mark.parametrize(("effect", "error"), [(SEND, Held("401")), (ADD, Held("401")), (FIND, CrmUnavailable("down"))])
def test_credentials_and_a_crm_are_waited_for_however_long_it_takes(effect: Effect, error: Exception) -> None:
    days_later = NOON + 10 * 86_400_000
    outcome = after(effect, error, now=days_later, attempts=5000)
    assert outcome.status == "retrying"
    assert wait_s(outcome, days_later) <= 60


@pytest.mark.parametrize(("attempts", "full"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (100_000, 60)])
def test_back_off_doubles_up_to_the_cap_with_jitter_downwards(attempts: int, full: float) -> None:
    waits = [backoff_s(attempts, PATIENCE) for _ in range(300)]
    assert full / 2 <= min(waits) < 0.6 * full
    assert 0.9 * full < max(waits) <= full


def test_a_long_reason_is_cut() -> None:
    assert len(str(after(SEND, NotSent("x" * 10_000)).error)) == 500


@pytest.mark.parametrize("error", [NotSent("refused"), NotProcessed("not looked for")])
def test_a_look_that_failed_is_repeated_within_a_quiet_period_however_often_it_has_failed(error: EffectError) -> None:
    outcome = after(SEND, error, attempts=30, status_before="ambiguous")
    assert outcome.status == "ambiguous"
    assert wait_s(outcome) <= PATIENCE.quiet_period_s

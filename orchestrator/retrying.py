"""What follows a failed attempt: again, later, look first, or tell the machine. Pure; one place for the whole
policy."""

import random
from dataclasses import dataclass

from orchestrator.errors import CrmUnavailable, Gone, Held, NotProcessed, NotSent, Rejected
from orchestrator.intake import Outcome
from orchestrator.logs import printable
from states.effects import AddParticipant, AskBot, Effect
from states.events import BotFailed, ConversationClosed, CustomerOptedOut, EffectFailed
from states.flexing import IN_FLEX, OPENING
from storage.lanes import Due
from storage.outbox import CREATES
from storage.reach import STOPPED
from storage.talk import OPTED_OUT

SEARCH_DEADLINE_S = 30.0
# While Flex is being asked the customer hears nothing either; each call has this long.
FLEX_DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    """The waiting times, in seconds: the settings of the same names."""

    retry_base_s: float
    retry_cap_s: float
    effect_deadline_s: float
    quiet_period_s: float


def backoff_s(attempts: int, patience: Patience) -> float:
    """Exponential with full jitter upwards of a half: base × 2^(attempts-1), capped, times 0.5 to 1."""
    full = min(patience.retry_cap_s, patience.retry_base_s * 2.0 ** min(attempts - 1, 30))
    return full * random.uniform(0.5, 1.0)


def after_failure(due: Due, effect: Effect, error: Exception, now: int, patience: Patience, routable: bool) -> Outcome:
    """The outcome of an attempt that raised `error`. `routable`: whether a worker could be looked for instead."""
    text = printable(f"{type(error).__name__}: {error}"[:500])
    if isinstance(effect, AskBot):
        return Outcome("rejected", BotFailed(effect.message_sid, effect.turn, text, routable), error=text)
    if isinstance(error, Gone):
        return Outcome("rejected", ConversationClosed("gone"), error=text)
    if isinstance(error, Rejected) and error.code == OPTED_OUT:
        return Outcome("skipped", CustomerOptedOut(text), error=STOPPED)
    if isinstance(error, Rejected):
        return Outcome("rejected", _failed(due, effect, text), error=text)
    doubtful = _is_doubtful(due, error)
    wait_ms = round(_wait_s(due, error, doubtful, patience) * 1000)
    # Credentials come back and so does a CRM: neither fails anything, however long it takes. Flex may fail, for its
    # customer is served here.
    patient = isinstance(error, Held | CrmUnavailable) and due.kind not in IN_FLEX
    if not patient and now + wait_ms > due.created_at + _deadline_s(due, patience) * 1000:
        return Outcome("parked", _failed(due, effect, text), error=text)
    return Outcome("ambiguous" if doubtful else "retrying", error=text, retry_at=now + wait_ms)


def _failed(due: Due, effect: Effect, text: str) -> EffectFailed:
    return EffectFailed(due.key, due.kind, text, effect.identity if isinstance(effect, AddParticipant) else None)


def _deadline_s(due: Due, patience: Patience) -> float:
    """While a certain worker is looked for the customer hears nothing, so that is given up much earlier."""
    if due.kind in ("find_worker", "find_last"):
        return min(SEARCH_DEADLINE_S, patience.effect_deadline_s)
    if due.kind in OPENING:
        return min(FLEX_DEADLINE_S, patience.effect_deadline_s)
    return patience.effect_deadline_s


def _is_doubtful(due: Due, error: Exception) -> bool:
    """Whether what creates may have been carried out. Once in doubt it stays so: it is looked for before each
    attempt."""
    if due.kind not in CREATES:
        return False
    return due.status_before == "ambiguous" or not isinstance(error, NotSent | NotProcessed | Held)


def _wait_s(due: Due, error: Exception, doubtful: bool, patience: Patience) -> float:
    if isinstance(error, Held):
        return patience.retry_cap_s
    if doubtful and not isinstance(error, NotSent | NotProcessed):
        return patience.quiet_period_s
    wait_s = backoff_s(due.attempts, patience)
    if doubtful:
        # The quiet period is over by now; what failed is a look, or a repetition that was not taken.
        wait_s = min(wait_s, patience.quiet_period_s)
    if isinstance(error, NotProcessed) and error.retry_after_s is not None:
        return max(wait_s, error.retry_after_s)
    return wait_s

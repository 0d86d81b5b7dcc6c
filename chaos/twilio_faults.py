"""Twilio loses answers, fails half-way, refuses in storms, refuses the account: nothing is doubled, nothing lost."""

import asyncio
import json
import random
import re
from collections import Counter

from sqlalchemy import select

from chaos.frame import Figure, Scale
from chaos.house import WAITS, House, house, talk, waits
from orchestrator.adapters.account_hold import PROBE_S
from orchestrator.metrics import REGISTRY
from orchestrator.sandbox.ledger import NO_ANSWER
from storage.opening import reading
from storage.schema import outbox

COMMIT_LATE_S, LIST_LAG_S = 15.0, 4.0
SHORT = 1 / 15
# How long customers write, in a deployment's time.
TALK_S = 60.0
SHORTEST_REFUSAL_S, DRAINED_WITHIN_S = 12.0, 30.0
# Those that were on their way when the first of them was refused.
CALLS_UNDER_WAY = 20
TEXTS = ("Hello", "What do you have?", "I see", "Is it open today?", "Thanks")
ROUTED = ("Hello", "What do you have?", "AGENT")


def _factor(scale: Scale) -> float:
    """The waiting times of a deployment in a full run, a fifteenth of them in a scaled one."""
    return 1.0 if scale.share >= 1 else SHORT


def _told(factor: float) -> str:
    if factor == 1:
        return "all waiting times as in a deployment"
    return (
        f"all times, the faults' too, divided by {1 / factor:g}: QUIET_PERIOD_S={WAITS['QUIET_PERIOD_S'] * factor:.2f}"
    )


async def ambiguous_creates(scale: Scale) -> Figure:
    """5,000 messages are created whose answer is cut off; each is carried out up to 15 s later, and lists lag 4 s."""
    factor, wanted = _factor(scale), scale.of(5_000, at_least=25)
    async with house(**waits(factor)) as it:
        faults = it.fail(
            seed=scale.seed,
            cut_after_commit=1.0,
            commit_delay_ms=(0, COMMIT_LATE_S * 1000 * factor),
            list_lag_s=LIST_LAG_S * factor,
        )
        await talk(it, wanted // len(TEXTS), TEXTS, TALK_S * factor, random.Random(scale.seed))
        await it.rest(600)
        cut = _cut(it)
        found = it.violations()
        if cut < wanted:
            found.append(f"{cut} creates were cut off, {wanted} were wanted")
        return Figure(
            fault="the answer to a create is cut off, the commit is up to 15 s late, lists lag 4 s",
            did=f"{cut} creates cut off, {len(_tags(it))} messages of ours published, {_doubled(it)} of them twice",
            violations=found,
            notes=[_told(factor), f"{faults.calls / cut - 1:.1f} calls beside each create; attempts: {_attempts(it)}"],
        )


async def commits_after_the_quiet_period(scale: Scale) -> Figure:
    """What Twilio carries out later than the quiet period may stand there twice: then each is counted and alarmed."""
    factor, creates = SHORT, scale.of(400, at_least=10)
    quiet_ms = WAITS["QUIET_PERIOD_S"] * factor * 1000
    before = _counted()
    async with house(**waits(factor)) as it:
        it.fail(seed=scale.seed, cut_after_commit=0.5, commit_delay_ms=(1.5 * quiet_ms, 2.5 * quiet_ms))
        await talk(it, creates // len(TEXTS), TEXTS, TALK_S * factor, random.Random(scale.seed))
        await it.rest()
        await asyncio.sleep(2.5 * quiet_ms / 1000)
        it.fail()
        await it.service.reconciler.round()
        doubled, counted = _doubled(it), _counted() - before
        found = [line for line in it.violations() if not _says_doubled(line)]
        if counted != doubled:
            found.append(f"{doubled} messages stand there twice, {counted} were counted")
        return Figure(
            fault="creates are carried out later than the quiet period",
            did=f"{_cut(it)} such creates: {doubled} messages doubled, {counted} counted in "
            "expert_hub_duplicate_effects_total and alarmed; none lost",
            violations=found,
            notes=["the residual that Twilio imposes: a create has no idempotency key", _told(factor)],
        )


async def errors_and_storms(scale: Scale) -> Figure:
    """A fifth of all calls fail with 500, half of them after they were carried out; 30 % are refused with 429."""
    factor, people = _factor(scale), scale.of(1_000, at_least=20)
    async with house(**waits(factor)) as it:
        # Six of ten calls come through to the commit, and one in six of those makes a tenth of all.
        faults = it.fail(seed=scale.seed, errors={500: 0.1, 429: 0.3}, errors_after_commit=1 / 6)
        await talk(it, people, ROUTED, TALK_S / 2 * factor, random.Random(scale.seed))
        settled_s = await it.rest(900)
        met = Counter(
            f"{entry.status} {entry.note or ''}".strip() for entry in it.sandbox.ledger.since(0) if entry.kind == "rest"
        )
        return Figure(
            fault="20 % of calls answered 500, half of them carried out, and 30 % answered 429",
            did=f"{faults.calls} calls; of the writes "
            + ", ".join(f"{n} answered {what}" for what, n in met.most_common()),
            violations=it.violations(),
            notes=[_told(factor), f"at rest {settled_s:.1f} s after the last text; attempts: {_attempts(it)}"],
        )


async def account_401(scale: Scale) -> Figure:
    """For ten minutes the account's credentials are refused: nothing fails, hardly anybody calls, all is drained."""
    refused_s, people = max(SHORTEST_REFUSAL_S, 600 * scale.share), scale.of(2_000, at_least=20)
    async with house() as it:
        await talk(it, people, TEXTS[:1], 3, random.Random(scale.seed))
        await it.rest()
        faults = it.fail(errors={401: 1.0})
        await talk(it, people, ROUTED, refused_s, random.Random(scale.seed))
        calls, waiting, refused = faults.calls, _statuses(it), _refused()
        it.fail()
        drained_s = await it.rest()
        found = it.violations()
        found += [
            f"{n} effects are {status}" for status, n in _statuses(it).items() if status not in ("done", "skipped")
        ]
        if (refused, _refused()) != (1, 0):
            found.append("expert_hub_credentials_refused did not tell the truth")
        if calls > CALLS_UNDER_WAY + refused_s / PROBE_S:
            found.append(f"{calls} calls while the credentials were refused")
        if drained_s > DRAINED_WITHIN_S:
            found.append(f"drained only {drained_s:.0f} s after the credentials were accepted again")
        return Figure(
            fault="every call of the account is answered 401",
            did=f"{refused_s:.0f} s of it: {calls} calls made, {waiting['retrying']} effects waiting at the end, "
            f"drained {drained_s:.1f} s after",
            violations=found,
            notes=["waiting times as in a deployment"],
        )


def _tags(it: House) -> Counter[str]:
    """How often each effect's message stands in the transcripts."""
    messages = (message for conversation in it.conversations for message in conversation.messages.values())
    return Counter(json.loads(m.attributes)["expert_hub"]["key"] for m in messages if m.author == "system")


def _doubled(it: House) -> int:
    tags = _tags(it)
    return tags.total() - len(tags)


def _cut(it: House) -> int:
    """How many creates of messages were carried out and never answered."""
    writes = (entry for entry in it.sandbox.ledger.since(0) if entry.kind == "rest" and entry.committed)
    return sum(entry.status == NO_ANSWER and entry.path.endswith("/Messages") for entry in writes)


def _says_doubled(line: str) -> bool:
    return (
        line.endswith("sent more than once")
        or re.search(r"stands in the transcript ([2-9]|\d\d+) times", line) is not None
    )


def _counted() -> float:
    return REGISTRY.get_sample_value("expert_hub_duplicate_effects_total") or 0.0


def _refused() -> float | None:
    return REGISTRY.get_sample_value("expert_hub_credentials_refused")


def _attempts(it: House) -> str:
    """How many attempts the messages took, most frequent first."""
    with reading(it.settings.database_url) as connection:
        rows = connection.execute(select(outbox.c.attempts).where(outbox.c.kind == "send_message")).scalars()
        return ", ".join(f"{attempts} for {count}" for attempts, count in Counter(rows).most_common(5))


def _statuses(it: House) -> Counter[str]:
    """How many effects there are in each status."""
    with reading(it.settings.database_url) as connection:
        return Counter(connection.execute(select(outbox.c.status)).scalars())

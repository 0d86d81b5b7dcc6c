"""Calls in the store: what each webhook tells of one is kept in the inbox, and waits there for its conversation.

One row for each call, under its CallSid. It waits until the call is over, or until nothing more can come of it; then
the looker hands it to `placing.py`. What is told twice, late or out of order changes nothing: the first outcome stays.
"""

from typing import Any

from msgspec.structs import replace

from states.calls import Call, Outcome
from storage import codec
from storage.unit import About, Unit

KIND = "call"
# Who says nothing at the menu is sent on after seconds; whoever has not come that far by then has hung up.
MENU_MS = 120_000
# Twilio ends a call after four hours, unless it is told another limit (Twilio Docs, "<Dial>", timeLimit).
CALL_MS = 4 * 3_600_000
# How a call ended is told by one webhook, and that the caller is gone by another; either may be first.
LAST_WORD_MS = 5_000
# The menu and the ringing take no longer: whoever was put through and stayed longer has talked to somebody.
TALKED_S = 90


# What is decided before anybody is rung.
AT_MENU = ("text", "away", "unreachable")


def key_of(call_sid: str) -> str:
    """The idempotency key of a call."""
    return f"{KIND}/{call_sid}"


def about(call_sid: str, address: str | None = None) -> About:
    """What a work about a call reads."""
    return About(call_sid, key_of(call_sid), address=address)


def stored(unit: Unit, call_sid: str) -> Call | None:
    """The call as it was told so far."""
    row = unit.inbox_row(key_of(call_sid))
    return None if row is None else _call_of(row)


def begin(unit: Unit, call: Call) -> Call:
    """Keep a new call; the one that is there already is returned as it is."""
    known = stored(unit, call.call_sid)
    if known is None:
        _keep(unit, call, unit.now if call.outcome else unit.now + MENU_MS)
    return known or call


def put_through(unit: Unit, call: Call) -> Call:
    """The caller is put through to the worker, unless something was told that comes after it."""
    known = begin(unit, call)
    if known.step == "menu" and known.outcome is None:
        known = replace(known, step="dialing")
        _keep(unit, known, unit.now + CALL_MS)
    return known


def over(unit: Unit, call: Call, outcome: Outcome, duration_s: int = 0) -> Call:
    """The call is over, in this way unless another was told before. A choice at the menu is none any more once he was
    put through."""
    known = begin(unit, call)
    if known.outcome is not None or (outcome in AT_MENU and known.step != "menu"):
        return known
    known = replace(known, outcome=outcome, duration_s=duration_s)
    _keep(unit, known, unit.now)
    return known


def left(unit: Unit, call: Call, duration_s: int) -> Call:
    """The caller is gone, after so many seconds. If he was put through, how that ended is told by another webhook."""
    known = begin(unit, call)
    if known.step == "menu":
        return over(unit, known, "hung_up")
    if known.outcome is None:
        known = replace(known, step="left", duration_s=duration_s)
        _keep(unit, known, unit.now + LAST_WORD_MS)
    return known


def concluded(call: Call) -> Call:
    """A call of which nothing more is told."""
    if call.outcome is not None:
        return call
    if call.step == "menu":
        return replace(call, outcome="hung_up")
    if call.step == "dialing":
        return replace(call, outcome="unknown")
    return replace(call, outcome="unknown" if call.duration_s > TALKED_S else "no_answer")


def placed(unit: Unit, call: Call, version: int | None) -> None:
    """The call has its place: it stays known, so that nothing that is told again changes anything."""
    _record(unit, call, status="done", version=version)


def put_off(unit: Unit, call_sid: str, delay_ms: int, reason: str, is_final: bool) -> None:
    """The call could not be given its place: it is tried again then, or given up and left to a person."""
    row = unit.inbox_row(key_of(call_sid))
    if row is None or row["status"] != "waiting":
        return
    told: dict[str, Any] = {"tries": row["tries"] + 1, "last_error": reason[:500]}
    if is_final:
        _record(unit, _call_of(row), status="parked", **told)
    else:
        _record(unit, _call_of(row), status="waiting", due_at=unit.now + delay_ms, **told)


def waiting(unit: Unit, call_sid: str) -> Call | None:
    """The call, if it is due and has no place yet."""
    row = unit.inbox_row(key_of(call_sid))
    is_due = row is not None and row["status"] == "waiting" and row["due_at"] <= unit.now
    return concluded(_call_of(row)) if row is not None and is_due else None


def tries(unit: Unit, call_sid: str) -> int:
    """How often it was tried in vain to give the call its place."""
    row = unit.inbox_row(key_of(call_sid))
    return 0 if row is None else int(row["tries"])


def _call_of(row: Any) -> Call:
    call = codec.decode(row["event"])
    assert isinstance(call, Call)
    return call


def _keep(unit: Unit, call: Call, due_at: int) -> None:
    _record(unit, call, status="waiting", due_at=due_at)


def _record(unit: Unit, call: Call, **row: Any) -> None:
    unit.record(
        key=key_of(call.call_sid),
        conversation_sid=call.call_sid,
        kind=KIND,
        received_at=unit.now,
        message_index=None,
        event=codec.encode(call),
        **row,
    )

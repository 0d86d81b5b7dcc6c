"""A few cases of `make chaos`: a process that dies, raises or dawdles at a named point, or whose N-th call fails."""

import random
from pathlib import Path

from chaos import failpoints, nth_call
from chaos.stage import stage


async def test_death_surprise_and_delay_at_a_failpoint_leave_no_trace() -> None:
    async with stage() as here:
        for case in (
            failpoints.Case("call.after", "send_message", "kill"),
            failpoints.Case("settle.before", "send_message", "raise"),
            failpoints.Case("recover", "add_participant", "kill"),
            failpoints.Case("call.after", "ask_bot", "raise"),
            failpoints.Case("call.after", "invite_flex", "kill"),
            failpoints.Case("settle.before", "leave_note", "raise"),
            failpoints.Case("commit.after", "find_last", "delay"),
        ):
            assert await failpoints.run(here, case) == []


async def test_a_call_that_fails_after_it_was_carried_out_is_not_carried_out_twice(tmp_path: Path) -> None:
    """A call in the midst of the greeting's seventy to the database, and a message of its seven to Twilio."""
    async with stage() as here:
        for case in (
            nth_call.Case("greeting", "database", 50, "raise_after"),
            nth_call.Case("greeting", "twilio", 6, "raise_after"),
        ):
            assert await nth_call.run(here, case, tmp_path / case.place) == ([], True)


def test_every_case_of_a_small_share_still_has_every_point_and_act() -> None:
    chosen = failpoints.cases(1, random.Random(3))
    assert {case.point for case in chosen} == set(failpoints.points())
    assert {case.act for case in chosen} == set(failpoints.ACTS)

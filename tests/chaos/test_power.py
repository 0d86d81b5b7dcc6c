"""Power cuts, a handful of them; `make chaos` makes two thousand."""

import pytest

from chaos.power import c_compiler, cut_power

COMPILER = c_compiler()


@pytest.mark.skipif(COMPILER is None, reason="no C compiler for chaos/shim.c")
def test_no_power_cut_loses_what_was_acknowledged_where_commits_are_synced_and_only_there() -> None:
    assert COMPILER is not None
    synced = cut_power(COMPILER, seed=7, cuts=30, webhooks=90, synchronous="FULL")
    assert synced.violations == []
    assert cut_power(COMPILER, seed=7, cuts=8, webhooks=60, synchronous="NORMAL").missing > 0

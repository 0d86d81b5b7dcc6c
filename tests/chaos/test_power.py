"""Power cuts, a handful of them; `make chaos` makes two thousand."""

from chaos.power import cut_power
from chaos.preloading import c_compiler
from tests.chaos.conftest import lacking


def test_no_power_cut_loses_what_was_acknowledged_where_commits_are_synced_and_only_there() -> None:
    compiler = c_compiler() or lacking("there is no C compiler for chaos/shim.c; install gcc")
    synced = cut_power(compiler, seed=7, cuts=30, webhooks=90, synchronous="FULL")
    assert synced.violations == []
    assert cut_power(compiler, seed=7, cuts=8, webhooks=60, synchronous="NORMAL").missing > 0

"""History that an earlier table decided is decided again by this one: the same rows, effects and snapshot."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.again import decided_again
from states.conversation import Conversation
from states.table import REPLAYED, VERSION
from storage.codec import decode
from tests.stores import snapshot_of

RECORDED = Path(__file__).with_name("data") / "histories"


def recorded(version: int) -> list[Any]:
    """Conversations as that version's table decided them."""
    return list(json.loads((RECORDED / f"version-{version}.json").read_text(encoding="utf-8")))


def test_every_older_version_is_among_those_that_are_decided_again() -> None:
    assert tuple(range(1, VERSION + 1)) == REPLAYED
    assert {path.stem for path in RECORDED.iterdir()} == {f"version-{older}" for older in REPLAYED[:-1]}


@pytest.mark.parametrize("version", REPLAYED[:-1])
def test_what_an_older_table_decided_is_decided_alike(version: int) -> None:
    fired = set()
    for one in recorded(version):
        stored = snapshot_of(one["snapshot"])
        rows: Any = [SimpleNamespace(at=row["at"], event=json.dumps(row["event"])) for row in one["history"]]
        last: Conversation | None = None
        for row, decision in zip(one["history"], decided_again(stored, rows), strict=True):
            assert (decision.row, decision.dest) == (row["row"], row["dest"])
            effects = [(key, decode(json.dumps(effect))) for key, effect in row["effects"]]
            assert [(keyed.key, keyed.effect) for keyed in decision.effects] == effects
            fired.add(decision.row)
            last = decision.conversation
        assert last == stored
    assert len(fired) > 50

"""The rules of the account that need no network: who fits in, and who is told of a change."""

import pytest

from orchestrator.sandbox.changes import Changes
from orchestrator.sandbox.drafts import Draft, Newcomer, Opening, binding_of
from orchestrator.sandbox.errors import TwilioError
from orchestrator.sandbox.world import World


def test_a_conversation_holds_fifty_on_channels_and_a_thousand_in_all() -> None:
    world = World()
    conversation = world.open_conversation(Opening())
    for number in range(50):
        binding = binding_of(f"+1555010{number:04d}", "+15550100999")
        world.add_participant(conversation, Newcomer(binding=binding))
    with pytest.raises(TwilioError) as caught:
        world.add_participant(conversation, Newcomer(binding=binding_of("+15550109999", "+15550100999")))
    assert caught.value.code == 50418
    for number in range(950):
        world.add_participant(conversation, Newcomer(identity=f"i{number}"))
    with pytest.raises(TwilioError) as caught:
        world.add_participant(conversation, Newcomer(identity="one too many"))
    assert caught.value.code == 50417


def test_a_removed_conversation_takes_nothing_more() -> None:
    world = World()
    conversation = world.open_conversation(Opening())
    world.remove_conversation(conversation)
    with pytest.raises(TwilioError) as caught:
        world.publish(conversation, Draft("system", "too late"))
    assert caught.value.status == 404


def test_a_refused_participant_leaves_nothing_behind() -> None:
    world = World()
    first, second = world.open_conversation(Opening()), world.open_conversation(Opening())
    binding = binding_of("+15550100001", "+15550100999")
    world.add_participant(first, Newcomer(binding=binding))
    with pytest.raises(TwilioError):
        world.add_participant(second, Newcomer(binding=binding))
    assert second.participants == {}
    assert world.by_pair("+15550100001", "+15550100999") is first


async def test_a_watcher_who_stops_reading_is_let_go() -> None:
    changes = Changes()
    with changes.watched() as slow, changes.watched() as quick:
        seen = []
        for number in range(1200):
            changes.tell("message", f"CH{number}")
            seen.append(await quick.get())
        left = [slow.get_nowait() for _ in range(slow.qsize())]
    assert left[-1] is None
    assert len(left) == 1000
    assert [change.seq for change in seen if change] == list(range(1, 1201))

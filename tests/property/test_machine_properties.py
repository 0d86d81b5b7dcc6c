"""The machine against an unkind world: whatever comes, in whatever order, what was promised of a conversation holds."""

from typing import Any

from hypothesis import Phase, settings
from hypothesis.stateful import invariant

from states import texts
from states.conversation import Decision
from states.decide import decide
from states.effects import AddParticipant, AskBot, CloseInFlex, InviteFlex, OpenInFlex, SendMessage
from states.table import INITIAL, STATES
from tests.property.flex_world import AGENTS, FlexWorld

# Explaining a failure takes minutes with so many steps; the shortest history says enough.
PHASES = [phase for phase in Phase if phase is not Phase.explain]


class Promises(FlexWorld):
    """What always holds, after each step."""

    def check(self, decision: Decision) -> None:
        """Of every single decision."""
        said = [keyed.effect for keyed in decision.effects if isinstance(keyed.effect, SendMessage)]
        kept = decision.conversation
        is_lost_in_flex = decision.trigger == "effect_failed" and decision.dest == "awaiting_choice"
        if {decision.source, decision.dest} & {"with_worker", "closed"} and not is_lost_in_flex:
            assert not any(message.author == "system" for message in said), "the program spoke beside a worker"
        if decision.dest == "with_worker":
            is_in_flex = kept.flex is not None and kept.flex.joined
            assert kept.workers or is_in_flex, "the customer is alone, for somebody was removed before the next came"
        if decision.source == "closed":
            assert decision.dest == "closed"
            assert all(isinstance(keyed.effect, CloseInFlex) for keyed in decision.effects)
        if kept.silenced:
            # What an agent writes is held back where it would leave, as is what was queued before.
            assert {message.author for message in said} <= set(AGENTS), "whoever said STOP was spoken to"
            assert not any(isinstance(keyed.effect, AskBot) for keyed in decision.effects)
        keys = [keyed.key for keyed in decision.effects]
        assert keys == [f"CH1/{kept.version}/{ordinal}" for ordinal in range(len(keys))]

    @invariant()
    def closed_stays_closed(self) -> None:
        states = [decision.dest for _, _, decision in self.told]
        assert set(states) <= set(STATES)
        assert "closed" not in states or set(states[states.index("closed") :]) == {"closed"}

    @invariant()
    def with_worker_is_exactly_while_a_worker_is_present_and_not_leaving_or_flex_has_him(self) -> None:
        if self.conversation.state != "closed":
            leaving = {worker.participant_sid for worker in self.conversation.leaving}
            assert leaving <= self.present.keys()
            serving = {sid: identity for sid, identity in self.present.items() if sid not in leaving}
            is_in_flex = self.conversation.flex is not None and self.conversation.flex.joined
            assert (self.conversation.state == "with_worker") is (bool(serving) or is_in_flex)
            here = {worker.participant_sid: worker.identity.casefold() for worker in self.conversation.workers}
            assert here == serving

    @invariant()
    def no_hand_over_leaves_two_workers(self) -> None:
        """Once everything is settled there is one, beside those who came by themselves."""
        if not self.lane and self.conversation.claim is None:
            here = {worker.participant_sid for worker in self.conversation.workers}
            assert len(here - self.by_himself) <= 1

    @invariant()
    def who_is_claimed_is_on_his_way(self) -> None:
        """Whether he is still wanted or not; and nobody is relieved but by him."""
        claims = (self.conversation.claim, *self.conversation.withdrawn)
        on_the_way = {effect.identity for _, effect in self.lane if isinstance(effect, AddParticipant)}
        if self.conversation.state != "closed":
            assert {claim.identity for claim in claims if claim is not None} <= on_the_way
            assert not self.conversation.relieved or self.conversation.claim is not None

    @invariant()
    def nobody_who_is_routed_is_forgotten(self) -> None:
        """Somebody is on his way, or is being looked for, or Flex is asked, or the customer stands in the queue."""
        kept = self.conversation
        if kept.state == "routing":
            assert self.finding or kept.claim or kept.waiting_since or kept.flex

    @invariant()
    def only_who_is_routed_stands_in_the_queue(self) -> None:
        assert self.conversation.waiting_since is None or self.conversation.state == "routing"

    @invariant()
    def what_a_search_found_out_is_forgotten_with_it(self) -> None:
        """Who could not be added then may be added later, and a queue is not asked for again by itself."""
        kept = self.conversation
        assert kept.state == "routing" or (kept.refused, kept.queue) == ((), None)

    @invariant()
    def the_welcome_is_said_once_at_most_and_never_after_a_worker(self) -> None:
        welcomed = [n for n, (_, _, decision) in enumerate(self.told) if says(decision, texts.WELCOME)]
        assert len(welcomed) <= 1
        if welcomed:
            assert "with_worker" not in {decision.dest for _, _, decision in self.told[: welcomed[0]]}

    @invariant()
    def the_customer_is_told_to_wait_once_per_stay_in_routing(self) -> None:
        told = 0
        for _, _, decision in self.told:
            told = 0 if decision.source != "routing" else told
            told += says(decision, texts.PLEASE_WAIT)
            assert told <= 1

    @invariant()
    def the_history_has_no_gap(self) -> None:
        before, version = INITIAL, 0
        for _, _, decision in self.told:
            assert (decision.source, decision.conversation.version) == (before, version + 1)
            before, version = decision.dest, version + 1
        assert (self.conversation.state, self.conversation.version) == (before, version)

    # And of Flex

    @invariant()
    def who_is_on_his_way_to_flex_is_not_forgotten(self) -> None:
        """Until Flex has him something is to be done there, and he is where somebody would look for him."""
        stay = self.conversation.flex
        if stay is not None:
            assert self.conversation.state in ("routing", "with_worker")
            due = [effect for lane in self.in_flex.values() for _, effect in lane]
            assert stay.joined or any(isinstance(it, OpenInFlex | InviteFlex) and it.stay == stay.key for it in due)

    @invariant()
    def whatever_was_begun_in_flex_is_his_or_is_closed(self) -> None:
        closing = {
            effect.flex_sid for lane in self.in_flex.values() for _, effect in lane if isinstance(effect, CloseInFlex)
        }
        for sid, there in self.there.items():
            is_ending = there.over or sid in closing or sid in self.given_up
            assert sid not in closing if self.stay_of(sid) else is_ending, sid

    @invariant()
    def agents_are_heard_once_and_in_order(self) -> None:
        for sid in self.there:
            heard = [index for where, index in self.passed_on if where == sid]
            assert heard == sorted(set(heard))

    def teardown(self) -> None:
        """Replaying the whole history makes the same decisions and the same snapshot."""
        conversation = self.first
        for event, now, decision in self.told:
            again = decide(conversation, event, now)
            assert again == decision
            conversation = again.conversation
        assert conversation == self.conversation


def says(decision: Decision, text: str) -> bool:
    return any(keyed.effect == SendMessage(text) for keyed in decision.effects)


TestWorld: Any = Promises.TestCase
TestWorld.settings = settings(
    max_examples=200, stateful_step_count=30, deadline=None, report_multiple_bugs=False, phases=PHASES
)

"""The machine against an unkind world: whatever comes, in whatever order, what was promised of a conversation holds.

`World` performs the effects a decision asked for, each lane oldest first, and tells of the outcomes at its leisure; in
between anything else may be told: duplicates, late messages, a worker's leaving before his joining.
"""

from collections import Counter
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from states import texts
from states.conversation import Conversation, Decision, KeyedEffect
from states.decide import decide
from states.effects import AddParticipant, AskBot, FindLongestIdle, FindWorker, SendMessage
from states.events import (
    BotFailed,
    BotReplied,
    ConversationClosed,
    ConversationStarted,
    CustomerFound,
    CustomerJoined,
    EffectFailed,
    Event,
    MessageReceived,
    NobodyAvailable,
    NoSuchWorker,
    Route,
    WorkerFound,
    WorkerJoined,
    WorkerLeft,
)
from states.names import ConversationSid, MessageSid, ParticipantSid, WorkerSid, snake_case
from states.table import INITIAL, STATES

# Explaining a failure takes minutes with so many steps; the shortest history says enough.
PHASES = [phase for phase in Phase if phase is not Phase.explain]

CUSTOMER = "+15550100001"
TEAM = ("ada@example.test", "bob@example.test", "eve@example.test")
NOBODY = "nobody@example.test"

BODIES = st.sampled_from(["Hello", "agent", f"to {TEAM[0]}", f"{TEAM[1].upper()}!", NOBODY, ""])
ROUTES: st.SearchStrategy[Route] = st.sampled_from(["agent", "email", "no"])
ADDRESSES = st.sampled_from([*TEAM, NOBODY])
OTHER_EFFECTS = st.sampled_from(["send_message", "find_customer", "set_friendly_name", "set_worker_attributes"])
ANSWERS = st.sampled_from(["Whom do you want?", "word " * 500])


class World(RuleBasedStateMachine):
    """One conversation, the effects not yet performed (the bot's in `asking`, TaskRouter's in `finding`, Twilio's in
    `adding`), and everything that was told and decided. `stay` counts the bot's turns, `asked_in` says of each
    question in which of them it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_700_000_000_000
        self.first = Conversation(ConversationSid("CH1"), self.now, self.now)
        self.conversation = self.first
        self.told: list[tuple[Event, int, Decision]] = []
        self.asking: list[tuple[str, AskBot]] = []
        self.finding: list[tuple[str, FindWorker | FindLongestIdle]] = []
        self.adding: list[tuple[str, AddParticipant]] = []
        self.stay = 0
        self.asked_in: dict[str, int] = {}
        self.indexes = 0
        self.participants = 0
        self.present: dict[ParticipantSid, str] = {}

    # How anything is told

    def tell(self, event: Event) -> Decision:
        self.now += 1
        decision = decide(self.conversation, event, self.now)
        self.told.append((event, self.now, decision))
        self.conversation = decision.conversation
        self.stay += decision.dest == "awaiting_choice" != decision.source
        for keyed in decision.effects:
            self.queue(keyed)
        if decision.dest == "closed":
            self.asking, self.finding, self.adding = [], [], []
        check(decision)
        return decision

    def queue(self, keyed: KeyedEffect) -> None:
        match keyed.effect:
            case AskBot():
                self.asking.append((keyed.key, keyed.effect))
                self.asked_in[keyed.key] = self.stay
            case FindWorker() | FindLongestIdle():
                self.finding.append((keyed.key, keyed.effect))
            case AddParticipant():
                self.adding.append((keyed.key, keyed.effect))

    def new_participant(self) -> ParticipantSid:
        self.participants += 1
        return ParticipantSid(f"MB{self.participants}")

    # The customer

    @initialize(origin=st.sampled_from(["nothing", "conversation", "participant"]), ahead=st.integers(0, 5))
    def how_it_begins(self, origin: str, ahead: int) -> None:
        """Some steps ahead already: the customer wrote twice, is routed, nobody is free or a worker is on his way, and
        another one came before him."""
        if origin == "conversation":
            self.tell(ConversationStarted(CUSTOMER, "+15550100999"))
        if origin == "participant":
            self.tell(CustomerJoined(self.new_participant(), CUSTOMER, "+15550100999"))
        if ahead >= 1:
            self.receive_next("Hello")
            self.receive_next(f"or {TEAM[1]}")
        if ahead >= 2:
            self.asking.pop(0)
            self.tell(BotReplied(MessageSid("IM0"), "One moment.", "agent", turn=0))
        if ahead >= 3:
            self.finding.pop(0)
            self.longest_idle_is_looked_up(FindLongestIdle(1), set() if ahead == 3 else set(TEAM))
        if ahead == 5:
            self.join(TEAM[2], left_at_once=False)

    def receive_next(self, body: str) -> None:
        self.wrote(self.indexes, body, late=False)
        self.indexes += 1

    def wrote(self, index: int, body: str, *, late: bool) -> None:
        """A customer's message; the bot is asked about it exactly when it has the turn."""
        decision = self.tell(MessageReceived(MessageSid(f"IM{index}"), index, CUSTOMER, body, late=late))
        asked = [keyed.effect for keyed in decision.effects if isinstance(keyed.effect, AskBot)]
        has_turn = decision.source in ("greeting", "awaiting_choice")
        assert [effect.message_sid for effect in asked] == [f"IM{index}"] * has_turn

    @rule(body=BODIES)
    def customer_writes(self, body: str) -> None:
        self.receive_next(body)

    @rule(bodies=st.tuples(BODIES, BODIES))
    def two_messages_overtake_one_another(self, bodies: tuple[str, str]) -> None:
        self.wrote(self.indexes + 1, bodies[1], late=False)
        self.wrote(self.indexes, bodies[0], late=True)
        self.indexes += 2

    # The bot, and whoever looks for somebody

    @precondition(lambda self: self.asking)
    @rule(data=st.data(), fails=st.sampled_from([False, False, True]))
    def the_bot_is_done(self, data: st.DataObject, fails: bool) -> None:
        key, effect = self.asking.pop(0)
        on_turn = self.conversation.state == "awaiting_choice" and self.asked_in[key] == self.stay
        if fails:
            self.tell(BotFailed(effect.message_sid, effect.turn, "timed out", data.draw(st.booleans())))
        else:
            self.bot_answers(data, effect.message_sid, effect.turn, on_turn)

    @precondition(lambda self: self.finding)
    @rule(free=st.sets(st.sampled_from(TEAM)), fails=st.sampled_from([False, False, True]))
    def a_search_is_done(self, free: set[str], fails: bool) -> None:
        key, effect = self.finding.pop(0)
        if fails:
            self.tell(EffectFailed(key, snake_case(type(effect).__name__), "Rejected"))
        elif isinstance(effect, FindWorker):
            self.named_worker_is_looked_up(effect)
        else:
            self.longest_idle_is_looked_up(effect, free)

    def bot_answers(self, data: st.DataObject, message_sid: MessageSid, turn: int, on_turn: bool) -> None:
        """The bot's answer is said exactly when it still has the turn in which it was asked."""
        route = data.draw(ROUTES)
        identity = data.draw(ADDRESSES) if route == "email" else None
        routable = data.draw(st.sampled_from([True, True, False]))
        decision = self.tell(BotReplied(message_sid, data.draw(ANSWERS), route, turn, identity, routable))
        assert any(isinstance(keyed.effect, SendMessage) for keyed in decision.effects) is on_turn

    def looks(self) -> bool:
        return self.conversation.state == "routing" and self.conversation.claim is None

    def find(self, identity: str, turn: int, *, named: bool) -> None:
        """As in the store, who is found is claimed in the same step, or nobody is looked for any more."""
        if self.looks() and turn == self.conversation.turn:
            self.tell(WorkerFound(identity, WorkerSid(f"WK{TEAM.index(identity)}"), self.now, turn, named))

    def named_worker_is_looked_up(self, effect: FindWorker) -> None:
        if effect.address.casefold() in TEAM:
            self.find(effect.address.casefold(), effect.turn, named=True)
        else:
            self.tell(NoSuchWorker(effect.address, effect.turn, effect.quiet))

    def longest_idle_is_looked_up(self, effect: FindLongestIdle, free: set[str]) -> None:
        candidates = sorted(free - set(effect.excluding))
        if candidates:
            self.find(candidates[0], effect.turn, named=False)
        elif self.looks():
            self.tell(NobodyAvailable(effect.turn))

    @precondition(lambda self: self.looks() and self.conversation.waiting_since is not None)
    @rule(identity=st.sampled_from(TEAM))
    def somebody_becomes_available(self, identity: str) -> None:
        if identity not in self.conversation.refused:
            self.find(identity, self.conversation.turn, named=False)

    # Workers come and go

    @precondition(lambda self: self.adding)
    @rule(left_at_once=st.booleans())
    def twilio_adds(self, left_at_once: bool) -> None:
        _, effect = self.adding.pop(0)
        self.join(effect.identity, left_at_once)

    @precondition(lambda self: self.adding)
    @rule()
    def twilio_refuses_to_add(self) -> None:
        key, _ = self.adding.pop(0)
        self.tell(EffectFailed(key, "add_participant", "Rejected"))

    @precondition(lambda self: len(self.present) < 2)
    @rule(identity=st.sampled_from(TEAM), left_at_once=st.booleans())
    def worker_joins_by_himself(self, identity: str, left_at_once: bool) -> None:
        """If he was about to be added, that finds him there and is done."""
        if identity not in self.present.values():
            self.adding = [one for one in self.adding if one[1].identity != identity]
            self.join(identity.title(), left_at_once)

    def join(self, identity: str, left_at_once: bool) -> None:
        """Who leaves at once does so before his joining is told."""
        sid = self.new_participant()
        if left_at_once:
            self.tell(WorkerLeft(sid, identity))
        self.tell(WorkerJoined(identity, sid))
        if not left_at_once and self.conversation.state != "closed":
            self.present[sid] = identity.casefold()

    @precondition(lambda self: self.present)
    @rule(data=st.data(), times=st.integers(1, 2))
    def worker_leaves(self, data: st.DataObject, times: int) -> None:
        sid = data.draw(st.sampled_from(sorted(self.present)))
        identity = self.present.pop(sid)
        for _ in range(times):
            self.tell(WorkerLeft(sid, identity))

    # What else may be told

    @rule(data=st.data(), what=st.sampled_from(["customer", "failure", "answer", "message", "join", "nobody", "found"]))
    def something_beside_the_point_is_told(self, data: st.DataObject, what: str) -> None:
        messages = [event for event, _, _ in self.told if isinstance(event, MessageReceived)]
        match what:
            case "customer":
                self.tell(CustomerFound("1", "Maria Sanchez"))
            case "failure":
                self.tell(EffectFailed("CH1/1/0", data.draw(OTHER_EFFECTS), "parked"))
            case "answer":
                turn = self.conversation.turn - data.draw(st.integers(1, 3))
                self.bot_answers(data, MessageSid("IM0"), turn, on_turn=False)
            case "message" if messages:
                again = data.draw(st.sampled_from(messages))
                self.wrote(again.index, again.body, late=True)
            case "join" if self.present:
                sid = data.draw(st.sampled_from(sorted(self.present)))
                self.tell(WorkerJoined(self.present[sid], sid))
            case "nobody":
                self.tell(NobodyAvailable(self.conversation.turn - data.draw(st.integers(0, 1))))
            case "found" if not self.looks():
                assert self.tell(WorkerFound(TEAM[0], WorkerSid("WK0"), self.now, self.conversation.turn)).effects == ()

    @precondition(lambda self: len(self.told) > 15)
    @rule()
    def it_is_closed(self) -> None:
        self.tell(ConversationClosed())

    # What always holds

    @invariant()
    def closed_stays_closed(self) -> None:
        states = [decision.dest for _, _, decision in self.told]
        assert set(states) <= set(STATES)
        assert "closed" not in states or set(states[states.index("closed") :]) == {"closed"}

    @invariant()
    def with_worker_is_exactly_while_a_worker_is_present(self) -> None:
        if self.conversation.state != "closed":
            assert (self.conversation.state == "with_worker") is bool(self.present)
            here = {worker.participant_sid: worker.identity.casefold() for worker in self.conversation.workers}
            assert here == self.present

    @invariant()
    def one_worker_at_most_is_on_his_way_and_he_is_the_claimed_one(self) -> None:
        claim = self.conversation.claim
        on_the_way = [effect.identity for _, effect in self.adding]
        assert on_the_way == ([] if claim is None else [claim.identity])

    @invariant()
    def nobody_who_is_routed_is_forgotten(self) -> None:
        """Somebody is on his way, or is being looked for, or the customer stands in the queue."""
        if self.conversation.state == "routing":
            assert self.finding or self.conversation.claim or self.conversation.waiting_since

    @invariant()
    def only_who_is_routed_stands_in_the_queue(self) -> None:
        assert self.conversation.waiting_since is None or self.conversation.state == "routing"

    @invariant()
    def every_worker_who_was_added_has_the_time_of_it_written(self) -> None:
        """As many as found their way in; two may not be on their way at once, so counting is enough."""
        asked = Counter(type(keyed.effect) for _, _, decision in self.told for keyed in decision.effects)
        names = {snake_case(kind.__name__): number for kind, number in asked.items()}
        failed = sum(getattr(event, "effect", "") == "add_participant" for event, _, _ in self.told)
        under_way = 0 if self.conversation.claim is None else 1
        if self.conversation.state != "closed":
            assert names.get("add_participant", 0) == names.get("set_worker_attributes", 0) + failed + under_way

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

    def teardown(self) -> None:
        """Replaying the whole history makes the same decisions and the same snapshot."""
        conversation = self.first
        for event, now, decision in self.told:
            again = decide(conversation, event, now)
            assert again == decision
            conversation = again.conversation
        assert conversation == self.conversation


def check(decision: Decision) -> None:
    """What holds of every single decision."""
    said = [keyed.effect for keyed in decision.effects if isinstance(keyed.effect, SendMessage)]
    if {decision.source, decision.dest} & {"with_worker", "closed"}:
        assert not said, "the program spoke beside a worker, or to nobody"
    if decision.source == "closed":
        assert (decision.dest, decision.effects) == ("closed", ())
    keys = [keyed.key for keyed in decision.effects]
    assert keys == [f"CH1/{decision.conversation.version}/{ordinal}" for ordinal in range(len(keys))]


def says(decision: Decision, text: str) -> bool:
    return any(keyed.effect == SendMessage(text) for keyed in decision.effects)


TestWorld: Any = World.TestCase
TestWorld.settings = settings(
    max_examples=200, stateful_step_count=30, deadline=None, report_multiple_bugs=False, phases=PHASES
)

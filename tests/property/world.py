"""An unkind world for a conversation. It performs the effects a decision asked for, each lane oldest first, and tells
of the outcomes when it likes; in between anything may be told: duplicates, late messages, a worker's leaving before his
joining, and what people do who are signed in. `test_machine_properties` has what holds whatever comes."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from states.conversation import Conversation, Decision, KeyedEffect
from states.decide import decide
from states.effects import (
    AddParticipant,
    AskBot,
    CloseConversation,
    FindLast,
    FindLongestIdle,
    FindWorker,
    RemoveParticipant,
    SendMessage,
    SetWorkerAttributes,
)
from states.events import (
    BotFailed,
    BotReplied,
    CallEnded,
    CallMissed,
    CloseAsked,
    ConversationClosed,
    ConversationStarted,
    CustomerFound,
    CustomerJoined,
    EffectFailed,
    Event,
    HandedToBot,
    HandedToQueue,
    HandedToWorker,
    LastWorkerAway,
    MessageReceived,
    NobodyAvailable,
    NoSuchWorker,
    Route,
    WorkerFound,
    WorkerJoined,
    WorkerLeft,
    WorkerWrote,
)
from states.names import ConversationSid, MessageSid, ParticipantSid, WorkerSid, snake_case

CUSTOMER = "+15550100001"
TEAM = ("ada@example.test", "bob@example.test", "eve@example.test")
NOBODY = "nobody@example.test"

BODIES = st.sampled_from(
    ["Hello", "agent", f"to {TEAM[0]}", f"{TEAM[1].upper()}!", NOBODY, "", "STOP", "START", "help"]
)
ROUTES: st.SearchStrategy[Route] = st.sampled_from(["agent", "email", "no", "last", "flex"])
ADDRESSES = st.sampled_from([*TEAM, NOBODY])
OTHER_EFFECTS = st.sampled_from(["send_message", "find_customer", "set_friendly_name", "set_worker_attributes"])
ANSWERS = st.sampled_from(["Whom do you want?", "word " * 500])


class World(RuleBasedStateMachine):
    """One conversation, the effects not yet performed (the bot's in `asking`, TaskRouter's in `finding`, what Twilio is
    to do to the conversation in `lane`), and everything that was told and decided. `stay` counts the bot's turns,
    `asked_in` says of each question in which of them it was asked. `present` are the workers Twilio has in the
    conversation, of whom those `by_himself` came by themselves; `unwanted` are the keys of effects that were to add
    somebody when the customer was given to the queue or to the bot. Nobody can tell by which way somebody came, so that
    who comes by himself has settled his claim, and the keys of effects that are to add him yet are `overtaken`."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_700_000_000_000
        self.first = Conversation(ConversationSid("CH1"), self.now, self.now)
        self.conversation = self.first
        self.told: list[tuple[Event, int, Decision]] = []
        self.asking: list[tuple[str, AskBot]] = []
        self.finding: list[tuple[str, FindWorker | FindLast | FindLongestIdle]] = []
        self.lane: list[tuple[str, AddParticipant | RemoveParticipant | CloseConversation]] = []
        self.stay = 0
        self.asked_in: dict[str, int] = {}
        self.indexes = 0
        self.participants = 0
        self.present: dict[ParticipantSid, str] = {}
        self.by_himself: set[ParticipantSid] = set()
        self.unwanted: set[str] = set()
        self.overtaken: set[str] = set()

    # How anything is told

    def tell(self, event: Event) -> Decision:
        self.now += 1
        decision = decide(self.conversation, event, self.now)
        self.told.append((event, self.now, decision))
        self.conversation = decision.conversation
        self.stay += decision.dest == "awaiting_choice" != decision.source or decision.row.endswith("[says_stop]")
        for keyed in decision.effects:
            self.queue(keyed)
        if decision.dest == "closed":
            self.close()
        self.check(decision)
        return decision

    def check(self, decision: Decision) -> None:
        """What must hold of every single decision."""

    def close(self) -> None:
        """Nothing more is done in it."""
        self.asking, self.finding, self.lane = [], [], []

    def queue(self, keyed: KeyedEffect) -> None:
        match keyed.effect:
            case AskBot():
                self.asking.append((keyed.key, keyed.effect))
                self.asked_in[keyed.key] = self.stay
            case FindWorker() | FindLast() | FindLongestIdle():
                self.finding.append((keyed.key, keyed.effect))
            case AddParticipant() | RemoveParticipant() | CloseConversation():
                self.lane.append((keyed.key, keyed.effect))

    def new_participant(self) -> ParticipantSid:
        self.participants += 1
        return ParticipantSid(f"MB{self.participants}")

    # The customer

    def begin(self, origin: str, ahead: int) -> None:
        """Some steps ahead already: the customer wrote twice, is routed, nobody is free or a worker is on his way, and
        another one came before him; or he has come, and somebody is to relieve him."""
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
            self.join(TEAM[2], left_at_once=False, by_himself=True)
        if ahead >= 6:
            self.twilio_does(fails=False)
        if ahead == 7:
            self.somebody_gives_the_customer_to_a_worker(TEAM[1])

    def receive_next(self, body: str) -> None:
        self.wrote(self.indexes, body, late=False)
        self.indexes += 1

    def wrote(self, index: int, body: str, *, late: bool) -> None:
        """A customer's message; the bot is asked about it exactly when it has the turn."""
        decision = self.tell(MessageReceived(MessageSid(f"IM{index}"), index, CUSTOMER, body, late=late))
        asked = [keyed.effect for keyed in decision.effects if isinstance(keyed.effect, AskBot)]
        is_silent, is_help = bool(decision.conversation.silenced), body == "help"
        has_turn = decision.source in ("greeting", "awaiting_choice") and not is_silent and not is_help
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
        elif isinstance(effect, FindLast):
            self.last_worker_is_looked_up(effect, free)
        else:
            self.longest_idle_is_looked_up(effect, free)

    def bot_answers(self, data: st.DataObject, message_sid: MessageSid, turn: int, on_turn: bool) -> None:
        """The bot's answer is said exactly when it still has the turn in which it was asked."""
        route = data.draw(ROUTES)
        identity = data.draw(ADDRESSES) if route == "email" else None
        routable = data.draw(st.sampled_from([True, True, False]))
        flex = data.draw(st.booleans())
        decision = self.tell(BotReplied(message_sid, data.draw(ANSWERS), route, turn, identity, routable, flex=flex))
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

    def last_worker_is_looked_up(self, effect: FindLast, free: set[str]) -> None:
        """Whoever is not there is not waited for: the next search is asked for at once."""
        if TEAM[0] in free:
            self.find(TEAM[0], effect.turn, named=False)
            return
        is_searched = self.looks() and effect.turn == self.conversation.turn
        decision = self.tell(LastWorkerAway(effect.turn, "Ada", ("last: ada@example.test offline",)))
        assert any(isinstance(keyed.effect, FindLongestIdle) for keyed in decision.effects) is is_searched

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

    @precondition(lambda self: self.lane)
    @rule(left_at_once=st.booleans(), fails=st.sampled_from([False, False, False, True]))
    def twilio_does_what_is_next(self, left_at_once: bool, fails: bool) -> None:
        self.twilio_does(fails=fails, left_at_once=left_at_once)

    def twilio_does(self, *, fails: bool, left_at_once: bool = False) -> None:
        key, effect = self.lane.pop(0)
        match effect:
            case AddParticipant(identity) if fails:
                self.tell(EffectFailed(key, "add_participant", "Rejected", identity))
            case AddParticipant(identity):
                self.add(key, identity, left_at_once)
            case RemoveParticipant() if fails:
                self.tell(EffectFailed(key, "remove_participant", "parked"))
            case RemoveParticipant(sid, identity):
                if self.present.pop(sid, None):
                    self.tell(WorkerLeft(sid, identity))
            case CloseConversation():
                self.tell(ConversationClosed("asked"))

    def add(self, key: str, identity: str, left_at_once: bool) -> None:
        """Who is not wanted any more does not stay. Who is there already is there: news only where he was awaited,
        not having been removed before."""
        sid = next((sid for sid, other in self.present.items() if other == identity.casefold()), None)
        claim = self.conversation.claim
        if sid is None:
            self.join(identity, left_at_once, by_himself=key in self.overtaken)
            if key in self.unwanted - self.overtaken and (claim is None or claim.identity != identity):
                assert identity not in {worker.identity for worker in self.conversation.workers}
        elif self.is_awaited(identity):
            self.tell(WorkerJoined(identity, sid))

    def is_awaited(self, identity: str) -> bool:
        claims = (self.conversation.claim, *self.conversation.withdrawn)
        return identity.casefold() in {claim.identity.casefold() for claim in claims if claim is not None}

    @precondition(lambda self: len(self.present) < 2)
    @rule(identity=st.sampled_from(TEAM), left_at_once=st.booleans())
    def worker_joins_by_himself(self, identity: str, left_at_once: bool) -> None:
        if identity not in self.present.values():
            self.join(identity.title(), left_at_once, by_himself=True)
            self.overtaken |= {key for key, other in self.adding().items() if other == identity}

    def join(self, identity: str, left_at_once: bool, *, by_himself: bool) -> None:
        """Who leaves at once does so before his joining is told. Whoever was waited for has the time of it written."""
        sid = self.new_participant()
        if left_at_once:
            self.tell(WorkerLeft(sid, identity))
        was_awaited = self.is_awaited(identity) and self.conversation.state != "closed"
        decision = self.tell(WorkerJoined(identity, sid))
        assert was_awaited is any(isinstance(keyed.effect, SetWorkerAttributes) for keyed in decision.effects)
        if not left_at_once and self.conversation.state != "closed":
            self.present[sid] = identity.casefold()
            self.by_himself |= {sid} if by_himself else set()

    # What people do who are signed in

    @rule(identity=st.sampled_from(TEAM))
    def somebody_gives_the_customer_to_a_worker(self, identity: str) -> None:
        before = self.conversation
        decision = self.tell(HandedToWorker(identity, WorkerSid(f"WK{TEAM.index(identity)}"), self.now, "boss"))
        if before.claim is not None:
            assert decision.effects == ()
            assert decision.conversation.workers == before.workers

    @rule()
    def somebody_gives_the_customer_to_the_queue(self) -> None:
        before = self.conversation
        self.nobody_is_wanted(unless_in=("greeting", "routing"))
        decision = self.tell(HandedToQueue("boss"))
        had_him = {worker.identity for worker in before.workers}
        left_out = set(before.refused) if before.state == "routing" else had_him
        for search in (keyed.effect for keyed in decision.effects if isinstance(keyed.effect, FindLongestIdle)):
            assert left_out == set(search.excluding)

    @rule()
    def somebody_gives_the_customer_to_the_bot(self) -> None:
        self.nobody_is_wanted()
        if self.tell(HandedToBot("boss")).dest != "closed":
            assert self.conversation.state in ("greeting", "awaiting_choice")
            assert self.conversation.claim is None

    def nobody_is_wanted(self, unless_in: tuple[str, ...] = ()) -> None:
        if self.conversation.state not in unless_in:
            self.unwanted |= {key for key, identity in self.adding().items() if self.is_awaited(identity)}

    def adding(self) -> dict[str, str]:
        """Key to identity of those whom Twilio is to add."""
        return {key: effect.identity for key, effect in self.lane if isinstance(effect, AddParticipant)}

    @rule(identity=st.sampled_from(TEAM), body=st.sampled_from(["Hello", "word " * 500]))
    def a_worker_writes(self, identity: str, body: str) -> None:
        """What a worker writes is sent under his name exactly when he is with the customer, who has not said STOP."""
        here = {worker.identity.casefold() for worker in self.conversation.workers}
        is_here = identity in here and not self.conversation.silenced
        decision = self.tell(WorkerWrote(identity, body, "him"))
        said = [keyed.effect for keyed in decision.effects if isinstance(keyed.effect, SendMessage)]
        assert bool(said) is (is_here and self.conversation.state == "with_worker")
        assert {message.author.casefold() for message in said} <= {identity}

    @precondition(lambda self: len(self.told) > 15)
    @rule()
    def somebody_closes_it(self) -> None:
        self.tell(CloseAsked("boss"))

    @precondition(lambda self: self.present)
    @rule(data=st.data(), times=st.integers(1, 2))
    def worker_leaves(self, data: st.DataObject, times: int) -> None:
        sid = data.draw(st.sampled_from(sorted(self.present)))
        identity = self.present.pop(sid)
        for _ in range(times):
            self.tell(WorkerLeft(sid, identity))

    # He calls on the telephone

    @rule(identity=st.sampled_from([*TEAM, NOBODY]), wanted=st.booleans(), talked=st.booleans())
    def he_calls(self, identity: str, wanted: bool, talked: bool) -> None:
        """The program says nothing to whom a worker serves, and looks for nobody while one is on his way."""
        before = self.conversation
        missed = CallMissed("CA1", "no_answer", identity, wanted)
        decision = self.tell(CallEnded("CA1", "answered", identity, 60) if talked else missed)
        kinds = {type(keyed.effect) for keyed in decision.effects}
        is_silenced = bool(before.silenced) and before.state != "routing"
        if talked or is_silenced or before.state in ("with_worker", "closed"):
            assert (decision.dest, kinds) == (before.state, set())
        elif before.state == "routing":
            assert kinds <= ({FindWorker} if before.claim is None else set())
        else:
            assert (SendMessage in kinds, FindWorker in kinds) == (True, wanted)

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
            case "nobody":  # Nobody is looked for in the turn in which Flex is asked.
                late = 1 if self.conversation.flex else data.draw(st.integers(0, 1))
                self.tell(NobodyAvailable(self.conversation.turn - late))
            case "found" if not self.looks():
                assert self.tell(WorkerFound(TEAM[0], WorkerSid("WK0"), self.now, self.conversation.turn)).effects == ()

    @precondition(lambda self: len(self.told) > 15)
    @rule()
    def it_is_closed(self) -> None:
        self.tell(ConversationClosed())

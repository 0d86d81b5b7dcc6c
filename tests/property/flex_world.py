"""Flex, another account, as a part of the unkind world: it takes customers, refuses them, loses them and sends some.

What is to be done there goes by three lanes, as in the outbox. What is no more wanted when its turn comes is not done,
unless the call was under way already; a conversation there outlives its stay, and goes on telling of itself.
"""

from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from states.conversation import KeyedEffect
from states.effects import (
    CloseInFlex,
    CopyToFlex,
    FindLongestIdle,
    FindWorker,
    InviteFlex,
    OpenInFlex,
    ReadFlex,
    RelayToFlex,
    SendMessage,
    lane_of,
)
from states.events import (
    CustomerTransferred,
    EffectFailed,
    FlexJoined,
    FlexOpened,
    FlexSeen,
    FlexStirred,
    FlexWrote,
    Goal,
    HandedToFlex,
)
from states.names import MessageSid, snake_case
from tests.property.world import TEAM, World

GOALS: st.SearchStrategy[Goal] = st.sampled_from(["agent", "email", "bot"])
AGENTS = ("agent-1", "agent-2")
IN_FLEX = OpenInFlex | CopyToFlex | InviteFlex | RelayToFlex | ReadFlex | CloseInFlex


@dataclass(slots=True)
class There:
    """A conversation in Flex. `said`: what agents wrote, their index being the place; `relayed`: the messages of the
    customer that were passed on; `over`: it is closed there."""

    stay: str
    said: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    relayed: list[MessageSid] = field(default_factory=list)
    over: bool = False


class FlexWorld(World):
    """`there` are the conversations in Flex by their SID; `in_flex` what is to be done there, by lane; `passed_on` what
    agents wrote that was sent to the customer; `given_up` what could not be closed there."""

    def __init__(self) -> None:
        super().__init__()
        self.there: dict[str, There] = {}
        self.in_flex: dict[str, list[tuple[str, IN_FLEX]]] = {}
        self.passed_on: list[tuple[str, int]] = []
        self.given_up: set[str] = set()

    def queue(self, keyed: KeyedEffect) -> None:
        super().queue(keyed)
        if isinstance(keyed.effect, IN_FLEX):
            self.in_flex.setdefault(lane_of(keyed.effect, self.conversation.sid), []).append(keyed)

    def close(self) -> None:
        """Only the lane that is not the conversation's own goes on."""
        super().close()
        self.in_flex = {lane: due for lane, due in self.in_flex.items() if not lane.startswith(self.conversation.sid)}

    def stay_of(self, flex_sid: str) -> bool:
        """Whether the customer is in this conversation there, or on his way into it."""
        stay = self.conversation.flex
        return stay is not None and stay.sid == flex_sid

    @initialize(
        origin=st.sampled_from(["nothing", "conversation", "participant"]),
        ahead=st.integers(0, 7),
        flex=st.sampled_from(["has no part in it", "is asked", "has him"]),
    )
    def how_it_begins(self, origin: str, ahead: int, flex: str) -> None:
        """As in the world without Flex; then perhaps he is on his way there, or there."""
        self.begin(origin, ahead)
        if flex == "is asked":
            self.somebody_gives_the_customer_to_flex()
        if flex == "has him":
            self.flex_takes_the_customer_at_once()

    def wrote(self, index: int, body: str, *, late: bool) -> None:
        """What is not in the history that went with him is passed on to Flex, as long as he is there."""
        stay = self.conversation.flex
        super().wrote(index, body, late=late)
        decision = self.told[-1][2]
        relayed = [keyed.effect.message_sid for keyed in decision.effects if isinstance(keyed.effect, RelayToFlex)]
        has_left = decision.source == "routing" and body == "STOP"
        is_news = stay is not None and stay.sid != "" and index > stay.upto and not has_left and body != ""
        assert relayed == [f"IM{index}"] * is_news

    # People here, and the account there

    @rule()
    def somebody_gives_the_customer_to_flex(self) -> None:
        """Who is on his way to somebody else is not wanted there any more; who is with him stays until Flex has him."""
        before = self.conversation
        if before.flex is None:
            self.nobody_is_wanted(unless_in=("greeting", "closed"))
        decision = self.tell(HandedToFlex("boss", "a refund"))
        begins = before.state in ("awaiting_choice", "routing", "with_worker") and before.flex is None
        assert any(isinstance(keyed.effect, OpenInFlex) for keyed in decision.effects) is begins
        assert decision.conversation.workers == before.workers

    @rule()
    def flex_takes_the_customer_at_once(self) -> None:
        """Whatever is to be done there is done, as on most days."""
        self.somebody_gives_the_customer_to_flex()
        for lane in sorted(self.in_flex):
            while self.in_flex.get(lane):
                self.flex_does(self.in_flex[lane].pop(0)[1])

    @precondition(lambda self: any(self.in_flex.values()))
    @rule(
        data=st.data(), fails=st.sampled_from([False, False, False, True]), is_under_way=st.sampled_from([False, True])
    )
    def flex_does_what_is_next(self, data: st.DataObject, fails: bool, is_under_way: bool) -> None:
        lane = data.draw(st.sampled_from(sorted(lane for lane, due in self.in_flex.items() if due)))
        key, effect = self.in_flex[lane].pop(0)
        is_wanted = is_under_way or self.is_wanted(effect)
        if fails and is_wanted:
            self.flex_fails(key, effect)
        elif is_wanted:
            self.flex_does(effect)

    @precondition(lambda self: self.in_flex.get("CH1/flex") and self.conversation.flex)
    @rule()
    def flex_refuses_what_is_next(self) -> None:
        self.flex_fails(*self.in_flex["CH1/flex"].pop(0))

    def flex_fails(self, key: str, effect: IN_FLEX) -> None:
        """He is where he was, unless somebody has come to him meanwhile: who had to wait waits on, and is not told
        again."""
        stay = self.conversation.flex
        self.given_up |= {effect.flex_sid} if isinstance(effect, CloseInFlex) else set()
        self.tell(EffectFailed(key, snake_case(type(effect).__name__), "Flex refused it"))
        if stay is not None and not stay.joined and self.conversation.flex is None and not self.conversation.workers:
            assert self.conversation.waiting_since == stay.queued_since

    def is_wanted(self, effect: IN_FLEX) -> bool:
        """Whether the customer is still in the stay it is for."""
        match effect:
            case CloseInFlex():
                return True
            case ReadFlex(sid):
                return self.stay_of(sid)
        return self.conversation.flex is not None and self.conversation.flex.key == effect.stay

    def flex_does(self, effect: IN_FLEX) -> None:
        match effect:
            case OpenInFlex(stay):
                sid = f"CHF{len(self.there) + 1}"
                self.there[sid] = There(stay)
                self.tell(FlexOpened(stay, sid, self.indexes - 1))
            case InviteFlex(stay, sid):
                self.tell(FlexJoined(stay, sid, "KD1"))
            case RelayToFlex(_, sid):
                self.there[sid].relayed.append(effect.message_sid)
            case ReadFlex(sid):
                self.what_is_there_is_taken_in(sid, left=effect.left)
            case CloseInFlex(sid):
                self.there[sid].over = True

    def what_is_there_is_taken_in(self, sid: str, *, left: bool = False) -> None:
        """As the shell does: what is new, and then who is there where that has changed."""
        stay, there = self.conversation.flex, self.there[sid]
        if stay is None or stay.sid != sid:
            return
        for index in range(stay.seen + 1, len(there.said)):
            self.an_agents_message_is_told(sid, index)
        agents = tuple(sorted(there.agents))
        all_left = bool(left or stay.agents) and not agents
        if there.over or all_left or set(agents) != set(stay.agents):
            self.tell(FlexSeen(sid, agents, there.over or all_left, "it is over there"))

    def an_agents_message_is_told(self, sid: str, index: int) -> None:
        """It is sent under his name once, while the customer is there, and never out of order."""
        stay, body = self.conversation.flex, self.there[sid].said[index]
        is_new = stay is not None and stay.sid == sid and index > stay.seen
        decision = self.tell(FlexWrote(sid, MessageSid(f"IMF{sid}{index}"), index, AGENTS[0], body))
        said = [keyed.effect for keyed in decision.effects if isinstance(keyed.effect, SendMessage)]
        assert [(message.author, message.body) for message in said] == [(AGENTS[0], body)] * is_new
        self.passed_on += [(sid, index)] * is_new

    # What happens there

    def some(self, data: st.DataObject) -> str:
        """A conversation there: more often than not the one he is in."""
        stay = self.conversation.flex
        his = [stay.sid] * 3 if stay is not None and stay.sid else []
        return data.draw(st.sampled_from([*his, *sorted(self.there)]))

    @precondition(lambda self: self.there)
    @rule(
        data=st.data(),
        what=st.sampled_from(["write", "join", "leave", "end"]),
        heard=st.sampled_from(["at once", "as a hint", "not yet"]),
    )
    def something_happens_in_flex(self, data: st.DataObject, what: str, heard: str) -> None:
        sid, agent = self.some(data), data.draw(st.sampled_from(AGENTS))
        there = self.there[sid]
        match what:
            case "write":
                there.said.append(f"Good day no. {len(there.said)}")
            case "join":
                there.agents.add(agent)
            case "leave":
                there.agents.discard(agent)
            case "end":
                there.over = True
        if heard == "at once":
            self.what_is_there_is_taken_in(sid, left=what == "leave")
        elif heard == "as a hint":
            self.a_hint_is_told(sid, left=what == "leave")

    def a_hint_is_told(self, sid: str, *, left: bool = False) -> None:
        is_his = self.stay_of(sid)
        decision = self.tell(FlexStirred(sid, left))
        assert [type(keyed.effect) for keyed in decision.effects] == [ReadFlex] * is_his

    @precondition(lambda self: self.there)
    @rule(data=st.data(), what=st.sampled_from(["look", "hint", "message", "opened", "joined", "seen"]))
    def flex_tells_again_or_too_late(self, data: st.DataObject, what: str) -> None:
        """A look without a hint, and what was told before, of this stay or of another one."""
        sid = self.some(data)
        there = self.there[sid]
        match what:
            case "look":
                self.what_is_there_is_taken_in(sid)
            case "hint":
                self.a_hint_is_told(sid)
            case "message" if there.said:
                self.an_agents_message_is_told(sid, data.draw(st.integers(0, len(there.said) - 1)))
            case "joined" if not self.stay_of(sid):
                self.what_nobody_waits_for_is_closed_there(FlexJoined(there.stay, sid, "KD1"), sid)
            case "opened" if not self.stay_of(sid):
                self.what_nobody_waits_for_is_closed_there(FlexOpened(there.stay, sid, 0), sid)
            case "seen" if not self.stay_of(sid):
                assert self.tell(FlexSeen(sid, (), ended=True)).effects == ()

    def what_nobody_waits_for_is_closed_there(self, event: FlexOpened | FlexJoined, sid: str) -> None:
        decision = self.tell(event)
        assert [keyed.effect for keyed in decision.effects] == [CloseInFlex(sid)]

    @rule(
        to=GOALS,
        identity=st.sampled_from(TEAM),
        routable=st.sampled_from([True, True, False]),
    )
    def flex_sends_the_customer(self, to: Goal, identity: str, routable: bool) -> None:
        """He goes where Flex wants him; whoever serves him here stays, and what looks for somebody goes on."""
        before = self.conversation
        is_named = to == "email"
        decision = self.tell(CustomerTransferred("KT1", to, identity if is_named else None, routable))
        kinds = {type(keyed.effect) for keyed in decision.effects}
        assert decision.conversation.workers == before.workers
        if before.state in ("greeting", "awaiting_choice") and routable and to != "bot":
            assert (FindWorker if is_named else FindLongestIdle) in kinds
        if before.flex is not None and not before.workers:
            assert decision.conversation.flex is None

"""Every row of the table from every source: circumstances, an event, and what is to come of it."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from states.conversation import Claim, Conversation, FlexStay, Present
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
    CustomerOptedIn,
    CustomerOptedOut,
    CustomerTransferred,
    EffectFailed,
    Event,
    FlexJoined,
    FlexOpened,
    FlexSeen,
    FlexStirred,
    FlexWrote,
    HandedToBot,
    HandedToFlex,
    HandedToQueue,
    HandedToWorker,
    LastWorkerAway,
    MessageReceived,
    NobodyAvailable,
    NoSuchWorker,
    WorkerFound,
    WorkerJoined,
    WorkerLeft,
    WorkerSentTemplate,
    WorkerWrote,
)
from states.names import ConversationSid, MessageSid, ParticipantSid, WorkerSid, snake_case
from states.table import OPEN, STATES

NOW = 1_700_000_000_000
TURN = 3
ADDRESS = "+15550100001"
ADA, BOB = "ada@example.test", "bob@example.test"
ADAS, BOBS = ParticipantSid("MB1"), ParticipantSid("MB2")
MESSAGE, WORKER = MessageSid("IM1"), WorkerSid("WK1")

# Circumstances: how the snapshot differs from one of a known customer whose turn at the bot is the fourth.
PLAIN: dict[str, Any] = {}
STRANGER = {"address": None, "enriching": False}
ANYONE_CLAIMED = {"claim": Claim(ADA, WORKER, 5, named=False)}
ADA_CLAIMED = {"claim": Claim(ADA, WORKER, 5, named=True)}
QUEUED = {"waiting_since": NOW - 1000}
ADA_HERE = {"workers": (Present(ADA, ADAS),)}
BOTH_HERE = {"workers": (Present(ADA, ADAS), Present(BOB, BOBS))}
BOB_HERE = {"workers": (Present(BOB, BOBS),)}
ADA_GONE = {"gone": (ADAS,)}
ADA_LEAVING = {"leaving": (Present(ADA, ADAS),)}
ADA_UNWANTED = {"withdrawn": (Claim(ADA, WORKER, 5, named=False),)}
SILENCED = {"silenced": ("+15550100001",)}
BOB_RELIEVED = BOB_HERE | ANYONE_CLAIMED | {"relieved": (BOBS,)}

STAY, THERE = "CH1/5", "CH9"
FLEX_ASKED = {"flex": FlexStay(STAY)}
FLEX_ASKED_IN_QUEUE = {"flex": FlexStay(STAY, queued_since=NOW - 1000)}
FLEX_OPENED = {"flex": FlexStay(STAY, THERE, upto=-1)}
IN_FLEX = {"flex": FlexStay(STAY, THERE, upto=-1, joined=True, agents=("lin",))}

# Events.
WROTE = MessageReceived(MESSAGE, 0, "+15550100001", "Hello")
WROTE_LATE = replace(WROTE, late=True)
STOP, START, HELP = (replace(WROTE, body=word) for word in ("STOP", "START", "HELP"))
WROTE_SILENCED = replace(WROTE, stopped=True)
OPTED_OUT = CustomerOptedOut("error 21610")
OPTED_IN = CustomerOptedIn("+15550100001")
WROTE_ADDRESS = replace(WROTE, body=f"rather {ADA}, please")
REPLIED = BotReplied(MESSAGE, "Who?", "no", TURN)
NAMED = BotReplied(MESSAGE, "One moment.", "email", TURN, ADA)
ANYONE = BotReplied(MESSAGE, "One moment.", "agent", TURN)
THE_SAME = BotReplied(MESSAGE, "One moment.", "last", TURN)
IN_QUEUE = BotReplied(MESSAGE, "One moment.", "queue", TURN, queue="Billing")
CLOSING = BotReplied(MESSAGE, "Goodbye.", "no", TURN, closes=True)
NAMED_LATE = replace(NAMED, turn=TURN - 1)
NAMED_IN_VAIN = replace(NAMED, routable=False)
FAILED = BotFailed(MESSAGE, TURN, "timed out")
FAILED_ALONE = replace(FAILED, routable=False)
FOUND = WorkerFound(ADA, WORKER, NOW, TURN)
NOBODY_OF_THAT_NAME = NoSuchWorker(ADA, TURN)
NOBODY_FREE = NobodyAvailable(TURN)
SHE_IS_AWAY = LastWorkerAway(TURN, "Ada", ("last: ada@example.test offline",))
ADA_JOINED = WorkerJoined(ADA, ADAS)
ADA_LEFT = WorkerLeft(ADAS, ADA)
STARTED = ConversationStarted("+15550100001", "+15550100999")
CUSTOMER_JOINED = CustomerJoined(ParticipantSid("MB9"), "+15550100001", "+15550100999")
KNOWN = CustomerFound("1", "Maria Sanchez")
NOT_ADDED = EffectFailed("CH1/2/0", "add_participant", "Rejected")
NOT_SEARCHED = EffectFailed("CH1/2/0", "find_worker", "Rejected")
NOT_SENT = EffectFailed("CH1/2/0", "send_message", "Rejected")
ADA_NOT_ADDED = replace(NOT_ADDED, identity=ADA)
CLOSED = ConversationClosed()
ADA_WROTE = WorkerWrote(ADA, "Hello, Maria", "ada")
ADA_SENT_TEMPLATE = WorkerSentTemplate(ADA, "ready", "HX1", {"1": "Maria"}, "ada")
TO_ADA = HandedToWorker(ADA, WORKER, NOW, "bob", "she knows")
TO_QUEUE = HandedToQueue("bob", "my shift ends")
TO_BOT = HandedToBot("bob", "wrong number")
CLOSE_IT = CloseAsked("bob", "all is said")
CALLED = CallEnded("CA1", "answered", ADA, 60)
HUNG_UP = CallMissed("CA1", "hung_up", ADA)
CALLED_ADA = CallMissed("CA1", "no_answer", ADA, wanted=True)

TO_FLEX = HandedToFlex("bob", "a refund")
FOR_FLEX = BotReplied(MESSAGE, "One moment.", "flex", TURN, flex=True)
OPENED, JOINED = FlexOpened(STAY, THERE, 3), FlexJoined(STAY, THERE, "KD1")
STIRRED, LIN_WROTE = FlexStirred(THERE), FlexWrote(THERE, MESSAGE, 4, "lin", "Hello")
LIN_IS_THERE, ENDED = FlexSeen(THERE, ("lin",)), FlexSeen(THERE, (), ended=True)
NOT_OPENED = EffectFailed("CH1/5/0", "open_in_flex", "Rejected")
NOT_RELAYED = EffectFailed("CH1/6/0", "relay_to_flex", "Rejected")
FROM_FLEX = CustomerTransferred("key-0001", "bot")
FROM_FLEX_TO_ADA = CustomerTransferred("key-0001", "email", ADA)
FROM_FLEX_TO_ANYONE = CustomerTransferred("key-0001", "agent")

SAY, ASK, ADD, REMOVE, CLOSE = "send_message", "ask_bot", "add_participant", "remove_participant", "close_conversation"
WHO, FIND, LAST, LONGEST_IDLE = "find_customer", "find_worker", "find_last", "find_longest_idle"
NAME, ATTRIBUTES, ASSIGNED = "set_friendly_name", "set_participant_attributes", "set_worker_attributes"

OPEN_THERE, COPY, INVITE, RELAY = "open_in_flex", "copy_to_flex", "invite_flex", "relay_to_flex"
READ_THERE, CLOSE_THERE, NOTE = "read_flex", "close_in_flex", "leave_note"

Case = tuple[str, dict[str, Any], Event, str, str, tuple[str, ...]]


def stays(sources: Sequence[str], given: dict[str, Any], event: Event, guards: str = "", *effects: str) -> list[Case]:
    """One case for each source whose state the event leaves as it is."""
    return [(source, given, event, guards, source, effects) for source in sources]


# from, circumstances, event, guards of the row that fires -> to, effects
CASES: list[Case] = [
    # A customer wants silence, or no more of it, or help.
    *stays(["greeting", "awaiting_choice", "with_worker", "closed"], PLAIN, STOP, "says_stop"),
    ("routing", PLAIN, STOP, "says_stop", "awaiting_choice", ()),
    ("routing", ADA_CLAIMED | QUEUED, STOP, "says_stop", "awaiting_choice", ()),
    ("greeting", SILENCED, START, "says_start", "awaiting_choice", (SAY, ASK)),
    *stays(["awaiting_choice"], SILENCED, START, "says_start", ASK),
    *stays(["routing", "with_worker", "closed"], SILENCED, START, "says_start"),
    *stays(["greeting", "awaiting_choice"], SILENCED, WROTE, "is_silenced"),
    *stays(["greeting", "awaiting_choice"], SILENCED, HELP, "is_silenced"),
    *stays(["greeting", "awaiting_choice"], PLAIN, WROTE_SILENCED, "is_silenced"),
    *stays(["awaiting_choice"], SILENCED, replace(WROTE, stopped=False), "", ASK),
    *stays(["awaiting_choice"], PLAIN, START, "", ASK),
    ("greeting", PLAIN, HELP, "says_help", "awaiting_choice", (SAY, SAY)),
    *stays(["awaiting_choice"], PLAIN, HELP, "says_help", SAY),
    *stays(["routing", "closed"], PLAIN, HELP),
    *stays(["with_worker"], ADA_HERE, HELP),
    *stays(STATES, PLAIN, OPTED_OUT),
    *stays(STATES, SILENCED, OPTED_IN),
    *stays(["awaiting_choice"], SILENCED, REPLIED, "bot_has_turn"),
    *stays(["with_worker"], ADA_HERE | SILENCED, ADA_WROTE, "is_silenced"),
    # A customer writes.
    ("greeting", PLAIN, WROTE, "", "awaiting_choice", (SAY, ASK)),
    ("greeting", STRANGER, WROTE, "", "awaiting_choice", (SAY, ASK, WHO)),
    *stays(["awaiting_choice"], PLAIN, WROTE, "", ASK),
    *stays(["awaiting_choice"], STRANGER, WROTE, "", ASK, WHO),
    *stays(["awaiting_choice"], PLAIN, WROTE_LATE, "is_late", ASK),
    *stays(["routing"], PLAIN, WROTE_ADDRESS, "text_names_worker", FIND),
    *stays(["routing"], QUEUED, WROTE_ADDRESS, "text_names_worker", FIND),
    *stays(["routing"], ANYONE_CLAIMED, WROTE_ADDRESS),
    *stays(["routing", "closed"], PLAIN, WROTE),
    *stays(["with_worker"], ADA_HERE, WROTE_ADDRESS),
    *stays(["with_worker"], STRANGER | ADA_HERE, WROTE, "", WHO),
    # The bot answers.
    ("awaiting_choice", PLAIN, NAMED, "bot_names_worker", "routing", (SAY, FIND)),
    ("awaiting_choice", PLAIN, ANYONE, "bot_asks_for_anyone", "routing", (SAY, LONGEST_IDLE)),
    ("awaiting_choice", PLAIN, THE_SAME, "bot_asks_for_last", "routing", (SAY, LAST)),
    *stays(["awaiting_choice"], PLAIN, replace(THE_SAME, routable=False), "bot_asks_in_vain", SAY),
    *stays(["awaiting_choice"], PLAIN, replace(THE_SAME, turn=TURN - 1)),
    *stays(["greeting", "routing", "with_worker", "closed"], PLAIN, THE_SAME),
    ("awaiting_choice", PLAIN, IN_QUEUE, "bot_asks_for_anyone", "routing", (SAY, LONGEST_IDLE)),
    *stays(["awaiting_choice"], PLAIN, NAMED_IN_VAIN, "bot_asks_in_vain", SAY),
    *stays(["awaiting_choice"], PLAIN, CLOSING, "bot_closes", SAY, CLOSE),
    *stays(["awaiting_choice"], PLAIN, REPLIED, "bot_has_turn", SAY),
    *stays(["awaiting_choice"], PLAIN, NAMED_LATE),
    *stays(["routing"], PLAIN, NAMED_LATE, "late_answer_names_worker", FIND),
    *stays(["routing"], ADA_CLAIMED, NAMED_LATE),
    *stays(["greeting", "routing", "with_worker", "closed"], PLAIN, REPLIED),
    *stays(["greeting", "with_worker", "closed"], PLAIN, NAMED),
    # The bot does not answer.
    ("awaiting_choice", PLAIN, FAILED, "bot_has_turn_and_a_way_out", "routing", (SAY, LONGEST_IDLE)),
    *stays(["awaiting_choice"], PLAIN, FAILED_ALONE, "bot_has_turn", SAY),
    *stays(["awaiting_choice"], PLAIN, replace(FAILED, turn=TURN - 1)),
    *stays(["greeting", "routing", "with_worker", "closed"], PLAIN, FAILED),
    # Somebody is looked for.
    *stays(["routing"], PLAIN, FOUND, "is_looked_for", ADD),
    *stays(["routing"], QUEUED, FOUND, "is_looked_for", ADD),
    *stays(["routing"], ADA_CLAIMED, FOUND),
    *stays(["greeting", "awaiting_choice", "with_worker", "closed"], PLAIN, FOUND),
    ("routing", PLAIN, NOBODY_OF_THAT_NAME, "was_asked_aloud", "awaiting_choice", (SAY,)),
    *stays(["routing"], PLAIN, NoSuchWorker(ADA, TURN, quiet=True)),
    *stays(["routing"], PLAIN, replace(FOUND, turn=TURN - 1)),
    *stays(["routing"], PLAIN, replace(NOBODY_OF_THAT_NAME, turn=TURN - 1)),
    *stays(["routing"], PLAIN, replace(NOBODY_FREE, turn=TURN - 1)),
    *stays(["routing"], QUEUED, NOBODY_OF_THAT_NAME),
    *stays(["routing"], ADA_CLAIMED, NOBODY_OF_THAT_NAME),
    *stays(["greeting", "awaiting_choice", "with_worker", "closed"], PLAIN, NOBODY_OF_THAT_NAME),
    *stays(["routing"], PLAIN, SHE_IS_AWAY, "is_looked_for", SAY, LONGEST_IDLE),
    *stays(["routing"], PLAIN, replace(SHE_IS_AWAY, turn=TURN - 1)),
    *stays(["routing"], ADA_CLAIMED, SHE_IS_AWAY),
    *stays(["greeting", "awaiting_choice", "with_worker", "closed"], PLAIN, SHE_IS_AWAY),
    *stays(["routing"], PLAIN, NOBODY_FREE, "first_time", SAY),
    *stays(["routing"], QUEUED, NOBODY_FREE),
    *stays(["routing"], ADA_CLAIMED, NOBODY_FREE),
    *stays(["greeting", "awaiting_choice", "with_worker", "closed"], PLAIN, NOBODY_FREE),
    # Workers come and go.
    ("greeting", PLAIN, ADA_JOINED, "", "with_worker", ()),
    ("awaiting_choice", PLAIN, ADA_JOINED, "", "with_worker", ()),
    ("awaiting_choice", ADA_CLAIMED, ADA_JOINED, "", "with_worker", (ASSIGNED,)),
    ("routing", PLAIN, ADA_JOINED, "", "with_worker", ()),
    ("routing", ADA_CLAIMED, ADA_JOINED, "", "with_worker", (ASSIGNED,)),
    ("routing", ADA_CLAIMED, WorkerJoined(BOB, BOBS), "", "with_worker", ()),
    *stays(["with_worker"], ADA_HERE, WorkerJoined(BOB, BOBS)),
    *stays(["with_worker"], {"workers": (Present(BOB, BOBS),)} | ADA_CLAIMED, ADA_JOINED, "", ASSIGNED),
    *stays(["closed"], PLAIN, ADA_JOINED),
    *stays(OPEN, ADA_GONE, ADA_JOINED, "has_left"),
    *stays(["with_worker"], ADA_GONE | ADA_CLAIMED, ADA_JOINED, "has_left", ASSIGNED),
    ("routing", ADA_GONE | ADA_CLAIMED, ADA_JOINED, "has_left,was_claimed", "awaiting_choice", (ASSIGNED,)),
    ("with_worker", ADA_HERE, ADA_LEFT, "nobody_is_left", "awaiting_choice", ()),
    *stays(["with_worker"], BOTH_HERE, ADA_LEFT),
    *stays(["greeting", "awaiting_choice", "routing", "closed"], PLAIN, ADA_LEFT),
    *stays(["with_worker"], BOB_RELIEVED, ADA_JOINED, "", ASSIGNED, REMOVE),
    *stays(["with_worker"], BOB_RELIEVED, WorkerJoined("eve@example.test", ParticipantSid("MB3"))),
    *stays(["with_worker"], BOB_RELIEVED | ADA_GONE, ADA_JOINED, "has_left", ASSIGNED),
    *stays(OPEN, ADA_LEAVING, ADA_JOINED, "is_leaving"),
    *stays(["awaiting_choice"], ADA_LEAVING | ADA_UNWANTED, ADA_JOINED, "is_leaving", ASSIGNED),
    ("routing", ADA_LEAVING | ANYONE_CLAIMED, ADA_JOINED, "", "with_worker", (ASSIGNED,)),
    *stays(OPEN, ADA_UNWANTED, ADA_JOINED, "is_not_wanted", ASSIGNED, REMOVE),
    ("awaiting_choice", ADA_UNWANTED | ANYONE_CLAIMED, ADA_JOINED, "", "with_worker", (ASSIGNED,)),
    *stays(["with_worker"], BOB_HERE | ADA_LEAVING, ADA_LEFT),
    # What people do who are signed in.
    *stays(["with_worker"], ADA_HERE, ADA_WROTE, "writer_is_here", SAY),
    *stays(["with_worker"], ADA_HERE, replace(ADA_WROTE, body="word " * 700), "writer_is_here", SAY, SAY, SAY),
    *stays(["with_worker"], BOB_HERE, ADA_WROTE),
    *stays(["with_worker"], BOB_HERE | ADA_LEAVING, ADA_WROTE),
    *stays(["greeting", "awaiting_choice", "routing", "closed"], PLAIN, ADA_WROTE),
    *stays(["with_worker"], ADA_HERE, replace(ADA_WROTE, media="ME1"), "writer_is_here", SAY, SAY),
    *stays(["with_worker"], ADA_HERE, ADA_SENT_TEMPLATE, "writer_is_here", "send_template"),
    *stays(["with_worker"], ADA_HERE | SILENCED, ADA_SENT_TEMPLATE, "is_silenced"),
    *stays(STATES, PLAIN, ADA_SENT_TEMPLATE),
    *stays(OPEN, PLAIN, TO_ADA, "nobody_is_on_his_way", ADD),
    *stays(["with_worker"], BOB_HERE, TO_ADA, "nobody_is_on_his_way", ADD),
    *stays(["with_worker"], BOB_HERE | ADA_LEAVING, TO_ADA, "nobody_is_on_his_way", ADD),
    *stays(["with_worker"], BOTH_HERE, TO_ADA, "nobody_is_on_his_way,is_here", REMOVE),
    *stays(["with_worker"], ADA_HERE, TO_ADA, "nobody_is_on_his_way,is_here"),
    *stays(STATES, ADA_CLAIMED, TO_ADA),
    ("awaiting_choice", PLAIN, TO_QUEUE, "", "routing", (LONGEST_IDLE,)),
    ("awaiting_choice", ADA_CLAIMED, TO_QUEUE, "", "routing", (LONGEST_IDLE,)),
    ("with_worker", BOTH_HERE, TO_QUEUE, "", "routing", (REMOVE, REMOVE, LONGEST_IDLE)),
    *stays(["greeting", "routing", "closed"], PLAIN, TO_QUEUE),
    ("with_worker", BOTH_HERE, TO_BOT, "", "awaiting_choice", (REMOVE, REMOVE)),
    ("with_worker", BOB_RELIEVED, TO_BOT, "", "awaiting_choice", (REMOVE,)),
    ("routing", QUEUED, TO_BOT, "", "awaiting_choice", ()),
    ("routing", ADA_CLAIMED, TO_BOT, "", "awaiting_choice", ()),
    *stays(["greeting", "awaiting_choice"], ADA_CLAIMED, TO_BOT),
    *stays(["closed"], PLAIN, TO_BOT),
    *stays(OPEN, PLAIN, CLOSE_IT, "", CLOSE),
    *stays(["closed"], PLAIN, CLOSE_IT),
    # He calls on the telephone.
    *stays(STATES, PLAIN, CALLED),
    *stays(["greeting", "awaiting_choice"], {"silenced": (ADDRESS,)}, CALLED_ADA, "is_silenced"),
    ("greeting", PLAIN, CALLED_ADA, "caller_wants_worker", "routing", (SAY, FIND)),
    ("greeting", STRANGER | {"address": ADDRESS}, CALLED_ADA, "caller_wants_worker", "routing", (SAY, FIND, WHO)),
    ("awaiting_choice", PLAIN, CALLED_ADA, "caller_wants_worker", "routing", (SAY, FIND)),
    ("greeting", PLAIN, HUNG_UP, "", "awaiting_choice", (SAY,)),
    ("greeting", STRANGER | {"address": ADDRESS}, HUNG_UP, "", "awaiting_choice", (SAY, WHO)),
    ("greeting", PLAIN, replace(CALLED_ADA, identity=None), "", "awaiting_choice", (SAY,)),
    *stays(["awaiting_choice"], PLAIN, HUNG_UP, "", SAY),
    *stays(["routing"], QUEUED, CALLED_ADA, "waiting_caller_wants_worker", FIND),
    *stays(["routing"], ADA_CLAIMED, CALLED_ADA),
    *stays(["routing"], FLEX_ASKED, CALLED_ADA, "flex_is_asked"),
    *stays(["routing", "with_worker", "closed"], ADA_HERE, HUNG_UP),
    *stays(["with_worker", "closed"], ADA_HERE, CALLED_ADA),
    # Flex, another account.
    ("awaiting_choice", PLAIN, FOR_FLEX, "bot_asks_for_flex", "routing", (SAY, OPEN_THERE)),
    *stays(["awaiting_choice"], PLAIN, replace(FOR_FLEX, flex=False), "bot_asks_in_vain", SAY),
    *stays(["routing"], FLEX_ASKED, NAMED_LATE, "flex_is_asked"),
    *stays(["routing"], FLEX_ASKED, WROTE_ADDRESS, "flex_is_asked"),
    *stays(["routing"], FLEX_OPENED, WROTE_ADDRESS, "flex_is_asked", RELAY),
    *stays(["with_worker"], IN_FLEX, WROTE, "", RELAY),
    ("awaiting_choice", PLAIN, TO_FLEX, "", "routing", (OPEN_THERE,)),
    *stays(["routing", "with_worker"], QUEUED, TO_FLEX, "", OPEN_THERE),
    *stays(["routing", "with_worker"], FLEX_ASKED, TO_FLEX, "flex_is_asked"),
    *stays(["greeting", "closed"], PLAIN, TO_FLEX),
    *stays(["routing", "with_worker"], FLEX_ASKED, OPENED, "is_of_this_stay", COPY, INVITE),
    *stays(STATES, PLAIN, OPENED, "", CLOSE_THERE),
    *stays(STATES, FLEX_ASKED, replace(OPENED, stay="CH1/4"), "", CLOSE_THERE),
    ("routing", FLEX_OPENED, JOINED, "is_of_this_stay", "with_worker", ()),
    *stays(["with_worker"], FLEX_OPENED | BOTH_HERE, JOINED, "is_of_this_stay", REMOVE, REMOVE),
    *stays(STATES, PLAIN, JOINED, "", CLOSE_THERE),
    *stays(["routing", "with_worker"], FLEX_OPENED, STIRRED, "is_of_this_flex", READ_THERE),
    *stays(STATES, PLAIN, STIRRED),
    *stays(["routing", "with_worker"], IN_FLEX, LIN_WROTE, "is_new_in_flex", SAY),
    *stays(STATES, PLAIN, LIN_WROTE),
    *stays(STATES, {"flex": FlexStay(STAY, THERE, seen=4, joined=True)}, LIN_WROTE),
    *stays(["routing", "with_worker"], FLEX_OPENED, LIN_IS_THERE, "is_of_this_flex"),
    ("routing", FLEX_OPENED, ENDED, "flex_has_ended", "awaiting_choice", (CLOSE_THERE, SAY)),
    ("with_worker", IN_FLEX, ENDED, "flex_has_ended,nobody_is_here", "awaiting_choice", (CLOSE_THERE,)),
    *stays(["with_worker"], IN_FLEX | ADA_HERE, ENDED, "flex_has_ended", CLOSE_THERE),
    *stays(STATES, PLAIN, ENDED),
    ("with_worker", FLEX_ASKED | ADA_HERE, ADA_LEFT, "nobody_is_left,flex_is_asked", "routing", ()),
    *stays(["with_worker"], IN_FLEX | ADA_HERE, ADA_LEFT),
    ("routing", FLEX_OPENED | ADA_CLAIMED, ADA_JOINED, "", "with_worker", (ASSIGNED, CLOSE_THERE)),
    *stays(["with_worker"], IN_FLEX | ADA_CLAIMED, ADA_JOINED, "", ASSIGNED, CLOSE_THERE),
    *stays(["with_worker"], IN_FLEX, ADA_JOINED),
    *stays(["with_worker"], IN_FLEX, TO_ADA, "nobody_is_on_his_way", ADD),
    *stays(["routing"], FLEX_OPENED, TO_ADA, "nobody_is_on_his_way", ADD, CLOSE_THERE),
    ("with_worker", IN_FLEX, TO_QUEUE, "", "routing", (CLOSE_THERE, LONGEST_IDLE)),
    *stays(["routing"], FLEX_OPENED, TO_QUEUE, "flex_is_asked", CLOSE_THERE, LONGEST_IDLE),
    ("with_worker", IN_FLEX, TO_BOT, "", "awaiting_choice", (CLOSE_THERE,)),
    ("routing", FLEX_ASKED, NOT_OPENED, "flex_failed", "awaiting_choice", (NOTE, SAY)),
    *stays(["routing"], FLEX_ASKED_IN_QUEUE, NOT_OPENED, "flex_failed,was_queued", NOTE, LONGEST_IDLE),
    *stays(["routing"], FLEX_ASKED, NOT_SEARCHED, "flex_is_asked"),
    *stays(["routing"], FLEX_ASKED, replace(NOT_OPENED, key="CH1/4/0"), "flex_is_asked"),
    *stays(["with_worker"], FLEX_ASKED | ADA_HERE, NOT_OPENED, "flex_failed", NOTE),
    *stays(["with_worker"], IN_FLEX, NOT_OPENED),
    ("with_worker", IN_FLEX, NOT_RELAYED, "flex_lost,nobody_is_here", "awaiting_choice", (CLOSE_THERE, NOTE, SAY)),
    *stays(["with_worker"], IN_FLEX | ADA_HERE, NOT_RELAYED, "flex_lost", CLOSE_THERE, NOTE),
    ("with_worker", IN_FLEX, CLOSED, "", "closed", (CLOSE_THERE,)),
    *stays(["with_worker"], IN_FLEX, STOP, "says_stop", RELAY),
    ("routing", FLEX_OPENED, STOP, "says_stop", "awaiting_choice", (CLOSE_THERE,)),
    # Flex gives us a customer.
    ("greeting", PLAIN, FROM_FLEX, "", "awaiting_choice", (SAY,)),
    ("greeting", PLAIN, FROM_FLEX_TO_ADA, "flex_names_worker", "routing", (SAY, FIND)),
    ("greeting", PLAIN, FROM_FLEX_TO_ANYONE, "flex_wants_anyone", "routing", (SAY, LONGEST_IDLE)),
    ("awaiting_choice", PLAIN, FROM_FLEX_TO_ADA, "flex_names_worker", "routing", (FIND,)),
    ("awaiting_choice", PLAIN, FROM_FLEX_TO_ANYONE, "flex_wants_anyone", "routing", (LONGEST_IDLE,)),
    *[
        (source, IN_FLEX, event, f"flex_is_asked,nobody_is_here{guard}", dest, (CLOSE_THERE, *effects))
        for source in ("routing", "with_worker")
        for event, guard, dest, effects in (
            (FROM_FLEX, "", "awaiting_choice", ()),
            (FROM_FLEX_TO_ADA, ",flex_names_worker", "routing", (FIND,)),
            (FROM_FLEX_TO_ANYONE, ",flex_wants_anyone", "routing", (LONGEST_IDLE,)),
        )
    ],
    *stays(["awaiting_choice", "routing", "with_worker", "closed"], PLAIN, FROM_FLEX),
    # Who the customer is.
    *stays(OPEN, STRANGER, STARTED, "", WHO),
    *stays(OPEN, PLAIN, STARTED),
    *stays(OPEN, STRANGER, CUSTOMER_JOINED, "", WHO),
    *stays(OPEN, PLAIN, CUSTOMER_JOINED),
    *stays(OPEN, PLAIN, KNOWN, "", NAME, ATTRIBUTES),
    *[case for event in (STARTED, CUSTOMER_JOINED, KNOWN) for case in stays(["closed"], STRANGER, event)],
    # What was asked of the world did not come about.
    *stays(["routing"], ANYONE_CLAIMED, NOT_ADDED, "anyone_could_not_join", LONGEST_IDLE),
    *stays(["routing"], ANYONE_CLAIMED | QUEUED, NOT_ADDED, "anyone_could_not_join", LONGEST_IDLE),
    ("routing", ADA_CLAIMED, NOT_ADDED, "routing_failed", "awaiting_choice", (SAY,)),
    ("routing", PLAIN, NOT_SEARCHED, "routing_failed", "awaiting_choice", (SAY,)),
    *stays(["routing"], ADA_CLAIMED, NOT_SEARCHED),
    *stays(["routing"], ADA_CLAIMED | QUEUED, NOT_ADDED, "claimed_could_not_join"),
    *stays(["greeting", "awaiting_choice", "with_worker"], ADA_CLAIMED, NOT_ADDED, "claimed_could_not_join"),
    *stays(OPEN, ADA_UNWANTED, ADA_NOT_ADDED, "unwanted_could_not_join"),
    *stays(OPEN, ADA_UNWANTED | ADA_CLAIMED, ADA_NOT_ADDED, "unwanted_could_not_join"),
    *stays(["routing"], QUEUED, NOT_SEARCHED),
    *stays(STATES, PLAIN, NOT_SENT),
    # The end.
    *[(source, ADA_CLAIMED | QUEUED, CLOSED, "", "closed", ()) for source in OPEN],
    *stays(["closed"], PLAIN, CLOSED),
]


def snapshot(state: str, **circumstances: Any) -> Conversation:
    """A conversation in `state` with a known customer, unless the circumstances say otherwise."""
    usual: dict[str, Any] = {"address": "+15550100001", "enriching": True, "turn": TURN, "version": 7}
    return Conversation(ConversationSid("CH1"), NOW - 9, NOW - 9, state=state, **(usual | circumstances))


def trigger_of(event: object) -> str:
    return snake_case(type(event).__name__)


def name_of(case: Case) -> str:
    """The row a case is about, as the machine names it."""
    source, _, event, guards, _, _ = case
    return f"{source}/{trigger_of(event)}" + (f"[{guards}]" if guards else "")

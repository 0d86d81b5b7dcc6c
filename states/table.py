"""The whole machine: five states, and what each makes of each fact.

A conversation is greeted once, with its first customer message (`greeting`), and belongs to the bot until the bot
sends the customer on (`awaiting_choice`). While somebody is looked for (`routing`) the bot is silent: the customer
is told once if nobody is free, and an email address still reaches its owner. A worker is *with* the customer once
Twilio says so (`with_worker`), whoever let him in, and as long as one is there the program says nothing. `closed`
is final.

Flex, another account, may have the customer in place of a worker: then he is `with_worker` too, and whoever had him
leaves once Flex has taken him. While Flex is being asked he is where he was, or in `routing`.

Who says STOP on a channel is heard before anything else: he leaves the queue, the bot is asked nothing and nothing is
said to him until he says START. HELP is answered by the program instead of the bot; a worker answers it himself.

People who are signed in act by events of their own. Whoever is relieved stays until the next has joined, so that the
customer is never alone because a join failed; who is no longer wanted is removed, and serves nobody from then on.

How to read it. The first row whose guards all hold wins, and the last row of each state and trigger has no guard,
so nothing is handled by omission: what is ignored is ignored in a row of its own. `dest=None` is an internal row:
the state stays. Sources are spelled out. Guards and what a row does are names of methods of `Draft`; no name
carries a dot, for a dotted name would be imported and called. Nothing in a row triggers another: what must follow
is an effect, and its result is the next event.

`VERSION` goes up with every change to a row that decides something else than before.
"""

from dataclasses import dataclass

VERSION = 2
REPLAYED = (1, 2)
"""The versions whose decisions this one makes again: 2 only added rows for what 1 did not know: events, and the words
STOP, START and HELP."""

STATES = ("greeting", "awaiting_choice", "routing", "with_worker", "closed")
INITIAL = "greeting"
OPEN = STATES[:-1]


@dataclass(frozen=True, slots=True)
class Row:
    """One row: on `trigger` in any of `sources`, if all `guards` hold, do `does` in order and go to `dest`."""

    trigger: str
    sources: tuple[str, ...]
    dest: str | None
    does: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()


TRANSITIONS = (
    # A customer wants silence, or no more of it, or help.
    Row(
        "message_received",
        ("greeting", "closed"),
        None,
        guards=("says_stop",),
        does=("note_author", "silence"),
    ),
    Row(
        "message_received",
        ("with_worker",),
        None,
        guards=("says_stop",),
        does=("note_author", "silence", "relay_to_flex"),
    ),
    Row(
        "message_received",
        ("awaiting_choice",),
        None,
        guards=("says_stop",),
        does=("note_author", "end_bot_turn", "silence"),
    ),
    Row(
        "message_received",
        ("routing",),
        "awaiting_choice",
        guards=("says_stop",),
        does=("withdraw_claim", "stop_routing", "leave_flex", "silence"),
    ),
    Row(
        "message_received",
        ("greeting",),
        "awaiting_choice",
        guards=("says_start",),
        does=("note_author", "speak_again", "welcome", "ask_bot", "find_customer"),
    ),
    Row(
        "message_received",
        ("awaiting_choice",),
        None,
        guards=("says_start",),
        does=("note_author", "speak_again", "ask_bot", "find_customer"),
    ),
    Row(
        "message_received",
        ("routing", "with_worker"),
        None,
        guards=("says_start",),
        does=("speak_again", "relay_to_flex"),
    ),
    Row("message_received", ("closed",), None, guards=("says_start",), does=("speak_again",)),
    Row("message_received", ("greeting", "awaiting_choice"), None, guards=("is_silenced",), does=("note_author",)),
    Row(
        "message_received",
        ("greeting",),
        "awaiting_choice",
        guards=("says_help",),
        does=("note_author", "welcome", "say_help", "find_customer"),
    ),
    Row(
        "message_received",
        ("awaiting_choice",),
        None,
        guards=("says_help",),
        does=("note_author", "say_help", "find_customer"),
    ),
    Row("customer_opted_out", OPEN, None, does=("silence",)),
    Row("customer_opted_out", ("closed",), None),
    Row("customer_opted_in", OPEN, None, does=("forget_silence",)),
    Row("customer_opted_in", ("closed",), None),
    # A customer writes.
    Row(
        "message_received",
        ("greeting",),
        "awaiting_choice",
        does=("note_author", "welcome", "ask_bot", "find_customer"),
    ),
    Row(
        "message_received",
        ("awaiting_choice",),
        None,
        guards=("is_late",),
        does=("note_author", "ask_bot", "find_customer"),
    ),
    Row("message_received", ("awaiting_choice",), None, does=("note_author", "ask_bot", "find_customer")),
    Row("message_received", ("routing",), None, guards=("flex_is_asked",), does=("relay_to_flex",)),
    Row("message_received", ("routing",), None, guards=("text_names_worker",), does=("find_worker_quietly",)),
    Row("message_received", ("routing", "closed"), None),
    Row("message_received", ("with_worker",), None, does=("note_author", "find_customer", "relay_to_flex")),
    # The bot answers, or does not.
    Row(
        "bot_replied",
        ("awaiting_choice",),
        "routing",
        guards=("bot_names_worker",),
        does=("note_told", "say_reply", "end_bot_turn", "find_worker"),
    ),
    Row(
        "bot_replied",
        ("awaiting_choice",),
        "routing",
        guards=("bot_asks_for_anyone",),
        does=("note_told", "say_reply", "end_bot_turn", "note_queue", "find_longest_idle"),
    ),
    Row(
        "bot_replied",
        ("awaiting_choice",),
        "routing",
        guards=("bot_asks_for_flex",),
        does=("note_told", "say_reply", "end_bot_turn", "open_in_flex"),
    ),
    Row(
        "bot_replied",
        ("awaiting_choice",),
        "routing",
        guards=("bot_asks_for_last",),
        does=("note_told", "say_reply", "end_bot_turn", "note_queue", "find_last"),
    ),
    Row(
        "bot_replied",
        ("awaiting_choice",),
        None,
        guards=("bot_asks_in_vain",),
        does=("note_told", "say_no_routing"),
    ),
    Row(
        "bot_replied",
        ("awaiting_choice",),
        None,
        guards=("bot_closes",),
        does=("note_told", "say_reply", "end_bot_turn", "close"),
    ),
    Row("bot_replied", ("awaiting_choice",), None, guards=("bot_has_turn",), does=("note_told", "say_reply")),
    Row("bot_replied", ("routing",), None, guards=("flex_is_asked",)),
    Row("bot_replied", ("routing",), None, guards=("late_answer_names_worker",), does=("find_worker_quietly",)),
    Row("bot_replied", STATES, None),
    Row(
        "bot_failed",
        ("awaiting_choice",),
        "routing",
        guards=("bot_has_turn_and_a_way_out",),
        does=("say_bot_trouble", "end_bot_turn", "find_longest_idle"),
    ),
    Row("bot_failed", ("awaiting_choice",), None, guards=("bot_has_turn",), does=("say_bot_trouble_alone",)),
    Row("bot_failed", STATES, None),
    # Somebody is looked for.
    Row("worker_found", ("routing",), None, guards=("is_looked_for",), does=("claim_and_add",)),
    Row("worker_found", STATES, None),
    Row(
        "no_such_worker",
        ("routing",),
        "awaiting_choice",
        guards=("was_asked_aloud",),
        does=("stop_routing", "say_no_such_worker"),
    ),
    Row("no_such_worker", STATES, None),
    Row(
        "last_worker_away",
        ("routing",),
        None,
        guards=("is_looked_for",),
        does=("say_last_is_away", "find_longest_idle"),
    ),
    Row("last_worker_away", STATES, None),
    Row(
        "nobody_available",
        ("routing",),
        None,
        guards=("first_time",),
        does=("start_waiting", "say_please_wait"),
    ),
    Row("nobody_available", STATES, None),
    # Workers come and go.
    Row(
        "worker_joined",
        ("routing",),
        "awaiting_choice",
        guards=("has_left", "was_claimed"),
        does=("note_assignment", "stop_routing"),
    ),
    Row("worker_joined", OPEN, None, guards=("has_left",), does=("note_assignment",)),
    Row("worker_joined", OPEN, None, guards=("is_leaving",), does=("note_assignment",)),
    Row("worker_joined", OPEN, None, guards=("is_not_wanted",), does=("note_assignment", "turn_away")),
    Row(
        "worker_joined",
        ("greeting", "awaiting_choice"),
        "with_worker",
        does=("end_bot_turn", "note_assignment", "note_worker"),
    ),
    Row("worker_joined", ("routing",), "with_worker", does=("note_assignment", "note_worker", "relieve_flex")),
    Row("worker_joined", ("with_worker",), None, does=("note_assignment", "note_worker", "relieve", "relieve_flex")),
    Row("worker_joined", ("closed",), None),
    Row(
        "worker_left",
        ("with_worker",),
        "routing",
        guards=("nobody_is_left", "flex_is_asked"),
        does=("forget_worker",),
    ),
    Row(
        "worker_left",
        ("with_worker",),
        "awaiting_choice",
        guards=("nobody_is_left",),
        does=("forget_worker",),
    ),
    Row("worker_left", OPEN, None, does=("forget_worker",)),
    Row("worker_left", ("closed",), None),
    # What people do who are signed in.
    Row("worker_wrote", ("with_worker",), None, guards=("is_silenced",)),
    Row("worker_wrote", ("with_worker",), None, guards=("writer_is_here",), does=("say_as_worker",)),
    Row("worker_wrote", STATES, None),
    Row("worker_sent_template", ("with_worker",), None, guards=("is_silenced",)),
    Row("worker_sent_template", ("with_worker",), None, guards=("writer_is_here",), does=("send_template",)),
    Row("worker_sent_template", STATES, None),
    Row(
        "handed_to_worker",
        ("with_worker",),
        None,
        guards=("nobody_is_on_his_way", "is_here"),
        does=("remove_others", "leave_flex"),
    ),
    Row("handed_to_worker", OPEN, None, guards=("nobody_is_on_his_way",), does=("claim_relief", "leave_flex_asked")),
    Row("handed_to_worker", STATES, None),
    Row(
        "handed_to_queue",
        ("awaiting_choice", "with_worker"),
        "routing",
        does=("end_bot_turn", "withdraw_claim", "remove_everybody", "leave_flex", "find_somebody_else"),
    ),
    Row(
        "handed_to_queue",
        ("routing",),
        None,
        guards=("flex_is_asked",),
        does=("end_bot_turn", "back_to_queue", "leave_flex", "find_longest_idle"),
    ),
    Row("handed_to_queue", ("greeting", "routing", "closed"), None),
    Row(
        "handed_to_bot",
        ("routing", "with_worker"),
        "awaiting_choice",
        does=("withdraw_claim", "stop_routing", "remove_everybody", "leave_flex"),
    ),
    Row("handed_to_bot", ("greeting", "awaiting_choice"), None, does=("withdraw_claim",)),
    Row("handed_to_bot", ("closed",), None),
    Row("close_asked", OPEN, None, does=("close",)),
    Row("close_asked", ("closed",), None),
    # He calls on the telephone.
    Row("call_ended", STATES, None),
    Row("call_missed", ("greeting", "awaiting_choice"), None, guards=("is_silenced",)),
    Row(
        "call_missed",
        ("greeting", "awaiting_choice"),
        "routing",
        guards=("caller_wants_worker",),
        does=("say_call_not_taken", "end_bot_turn", "find_worker", "find_customer"),
    ),
    Row("call_missed", ("greeting",), "awaiting_choice", does=("say_call_missed", "find_customer")),
    Row("call_missed", ("awaiting_choice",), None, does=("say_call_missed",)),
    Row("call_missed", ("routing",), None, guards=("flex_is_asked",)),
    Row(
        "call_missed", ("routing",), None, guards=("waiting_caller_wants_worker",), does=("find_called_worker_quietly",)
    ),
    Row("call_missed", ("routing", "with_worker", "closed"), None),
    # Flex, another account.
    Row("handed_to_flex", ("routing", "with_worker"), None, guards=("flex_is_asked",)),
    Row("handed_to_flex", ("awaiting_choice",), "routing", does=("end_bot_turn", "withdraw_claim", "open_in_flex")),
    Row("handed_to_flex", ("routing", "with_worker"), None, does=("end_bot_turn", "withdraw_claim", "open_in_flex")),
    Row("handed_to_flex", ("greeting", "closed"), None),
    Row("flex_opened", ("routing", "with_worker"), None, guards=("is_of_this_stay",), does=("bring_to_flex",)),
    Row("flex_opened", STATES, None, does=("close_there",)),
    Row(
        "flex_joined",
        ("routing",),
        "with_worker",
        guards=("is_of_this_stay",),
        does=("note_flex_joined", "remove_everybody"),
    ),
    Row(
        "flex_joined",
        ("with_worker",),
        None,
        guards=("is_of_this_stay",),
        does=("note_flex_joined", "remove_everybody"),
    ),
    Row("flex_joined", STATES, None, does=("close_there",)),
    Row("flex_stirred", ("routing", "with_worker"), None, guards=("is_of_this_flex",), does=("read_flex",)),
    Row("flex_stirred", STATES, None),
    Row("flex_wrote", ("routing", "with_worker"), None, guards=("is_new_in_flex",), does=("say_as_agent",)),
    Row("flex_wrote", STATES, None),
    Row(
        "flex_seen",
        ("with_worker",),
        "awaiting_choice",
        guards=("flex_has_ended", "nobody_is_here"),
        does=("leave_flex",),
    ),
    Row("flex_seen", ("with_worker",), None, guards=("flex_has_ended",), does=("leave_flex",)),
    Row(
        "flex_seen",
        ("routing",),
        "awaiting_choice",
        guards=("flex_has_ended",),
        does=("leave_flex", "say_not_reachable"),
    ),
    Row("flex_seen", ("routing", "with_worker"), None, guards=("is_of_this_flex",), does=("note_agents",)),
    Row("flex_seen", STATES, None),
    Row(
        "customer_transferred",
        ("greeting",),
        "routing",
        guards=("flex_names_worker",),
        does=("welcome", "end_bot_turn", "find_worker"),
    ),
    Row(
        "customer_transferred",
        ("greeting",),
        "routing",
        guards=("flex_wants_anyone",),
        does=("welcome", "end_bot_turn", "find_longest_idle"),
    ),
    Row("customer_transferred", ("greeting",), "awaiting_choice", does=("welcome",)),
    Row(
        "customer_transferred",
        ("awaiting_choice",),
        "routing",
        guards=("flex_names_worker",),
        does=("end_bot_turn", "find_worker"),
    ),
    Row(
        "customer_transferred",
        ("awaiting_choice",),
        "routing",
        guards=("flex_wants_anyone",),
        does=("end_bot_turn", "find_longest_idle"),
    ),
    Row(
        "customer_transferred",
        ("routing",),
        None,
        guards=("flex_is_asked", "nobody_is_here", "flex_names_worker"),
        does=("end_bot_turn", "leave_flex", "find_worker"),
    ),
    Row(
        "customer_transferred",
        ("with_worker",),
        "routing",
        guards=("flex_is_asked", "nobody_is_here", "flex_names_worker"),
        does=("end_bot_turn", "leave_flex", "find_worker"),
    ),
    Row(
        "customer_transferred",
        ("routing",),
        None,
        guards=("flex_is_asked", "nobody_is_here", "flex_wants_anyone"),
        does=("end_bot_turn", "back_to_queue", "leave_flex", "find_longest_idle"),
    ),
    Row(
        "customer_transferred",
        ("with_worker",),
        "routing",
        guards=("flex_is_asked", "nobody_is_here", "flex_wants_anyone"),
        does=("end_bot_turn", "leave_flex", "find_longest_idle"),
    ),
    Row(
        "customer_transferred",
        ("routing", "with_worker"),
        "awaiting_choice",
        guards=("flex_is_asked", "nobody_is_here"),
        does=("leave_flex",),
    ),
    Row("customer_transferred", ("awaiting_choice", "routing", "with_worker", "closed"), None),
    # Who the customer is.
    Row("conversation_started", OPEN, None, does=("note_pair", "find_customer")),
    Row("conversation_started", ("closed",), None),
    Row("customer_joined", OPEN, None, does=("note_customer_participant", "find_customer")),
    Row("customer_joined", ("closed",), None),
    Row("customer_found", OPEN, None, does=("enrich",)),
    Row("customer_found", ("closed",), None),
    # What was asked of the world did not come about.
    Row("effect_failed", OPEN, None, guards=("unwanted_could_not_join",), does=("forget_withdrawn",)),
    Row(
        "effect_failed",
        ("routing",),
        None,
        guards=("flex_failed", "was_queued"),
        does=("back_to_queue", "leave_flex", "note_refusal", "find_longest_idle"),
    ),
    Row(
        "effect_failed",
        ("routing",),
        "awaiting_choice",
        guards=("flex_failed",),
        does=("leave_flex", "note_refusal", "say_not_reachable"),
    ),
    Row("effect_failed", ("routing",), None, guards=("flex_is_asked",)),
    Row(
        "effect_failed",
        ("with_worker",),
        None,
        guards=("flex_failed",),
        does=("leave_flex", "note_refusal"),
    ),
    Row(
        "effect_failed",
        ("with_worker",),
        "awaiting_choice",
        guards=("flex_lost", "nobody_is_here"),
        does=("leave_flex", "note_refusal", "say_flex_lost"),
    ),
    Row("effect_failed", ("with_worker",), None, guards=("flex_lost",), does=("leave_flex", "note_refusal")),
    Row(
        "effect_failed",
        ("routing",),
        None,
        guards=("anyone_could_not_join",),
        does=("refuse_claimed", "find_longest_idle"),
    ),
    Row(
        "effect_failed",
        ("routing",),
        "awaiting_choice",
        guards=("routing_failed",),
        does=("stop_routing", "say_not_reachable"),
    ),
    Row(
        "effect_failed",
        OPEN,
        None,
        guards=("claimed_could_not_join",),
        does=("drop_claim",),
    ),
    Row("effect_failed", STATES, None),
    # The end.
    Row("conversation_closed", OPEN, "closed", does=("stop_routing", "leave_flex")),
    Row("conversation_closed", ("closed",), None),
)

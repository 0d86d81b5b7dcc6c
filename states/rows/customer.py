"""What a customer does: he writes, calls, and wants silence or help."""

from states.rows.row import OPEN, STATES, Row

KEYWORDS = (
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
)
"""He wants silence, or no more of it, or help."""

MESSAGES = (
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
)
"""He writes."""

CALLS = (
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
)
"""He calls on the telephone."""

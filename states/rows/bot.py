"""What a bot does: it answers, or does not."""

from states.rows.row import STATES, Row

ANSWERS = (
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
)
"""It answers, or does not."""

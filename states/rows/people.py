"""What people do who are signed in: they write, hand over and close."""

from states.rows.row import OPEN, STATES, Row

ACTS = (
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
    Row(
        "handed_to_worker",
        ("routing",),
        None,
        guards=("nobody_is_on_his_way",),
        does=("claim_relief", "back_to_queue", "leave_flex_asked"),
    ),
    Row(
        "handed_to_worker",
        ("greeting", "awaiting_choice", "with_worker"),
        None,
        guards=("nobody_is_on_his_way",),
        does=("claim_relief", "leave_flex_asked"),
    ),
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
)
"""What they do."""

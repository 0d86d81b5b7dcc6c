"""How a worker is found, and comes and goes."""

from states.rows.row import OPEN, STATES, Row

SEARCHES = (
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
)
"""Somebody is looked for."""

PRESENCE = (
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
)
"""Workers come and go."""

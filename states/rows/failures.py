"""What follows when something asked of the world did not come about."""

from states.rows.row import OPEN, STATES, Row

FAILURES = (
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
        does=("stop_routing", "leave_flex", "note_refusal", "say_not_reachable"),
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
)
"""It failed for good, or was refused."""

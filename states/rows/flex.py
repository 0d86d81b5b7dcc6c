"""What comes of Flex, another account: it takes a customer, and gives one."""

from states.rows.row import STATES, Row

STAYS = (
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
        does=("stop_routing", "leave_flex", "say_not_reachable"),
    ),
    Row("flex_seen", ("routing", "with_worker"), None, guards=("is_of_this_flex",), does=("note_agents",)),
    Row("flex_seen", STATES, None),
)
"""A customer is on his way there, there, or back."""

TRANSFERS = (
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
        ("routing",),
        "awaiting_choice",
        guards=("flex_is_asked", "nobody_is_here"),
        does=("stop_routing", "leave_flex"),
    ),
    Row(
        "customer_transferred",
        ("with_worker",),
        "awaiting_choice",
        guards=("flex_is_asked", "nobody_is_here"),
        does=("leave_flex",),
    ),
    Row("customer_transferred", ("awaiting_choice", "routing", "with_worker", "closed"), None),
)
"""Flex gives us a customer."""

"""What becomes of the conversation itself: who is in it as the customer, and its end."""

from states.rows.row import OPEN, Row

IDENTITY = (
    Row("conversation_started", OPEN, None, does=("note_pair", "find_customer")),
    Row("conversation_started", ("closed",), None),
    Row("customer_joined", OPEN, None, does=("note_customer_participant", "find_customer")),
    Row("customer_joined", ("closed",), None),
    Row("customer_found", OPEN, None, does=("enrich",)),
    Row("customer_found", ("closed",), None),
)
"""Who the customer is."""

END = (
    Row("conversation_closed", OPEN, "closed", does=("stop_routing", "leave_flex")),
    Row("conversation_closed", ("closed",), None),
)
"""The end."""

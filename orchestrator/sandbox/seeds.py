"""What an empty sandbox account holds: the well-known SIDs, the credentials, the numbers and the first workers.

None of it is secret: the sandbox answers on loopback and belongs to whoever started it.
"""

ACCOUNT_SID = "AC" + "5a" * 16
AUTH_TOKEN = "5a" * 16
CHAT_SERVICE_SID = "IS" + "5a" * 16
MESSAGING_SERVICE_SID = "MG" + "5a" * 16
WORKSPACE_SID = "WS" + "5a" * 16
TASK_QUEUE_SID = "WQ" + "5a" * 16
TASK_CHANNEL_SID = "TC" + "5a" * 16
ROLE_SID = "RL" + "5a" * 16
OPERATING_UNIT_SID = "OU" + "5a" * 16

# The second account: a Flex, to which customers are handed.
FLEX_ACCOUNT_SID = "AC" + "f1" * 16
FLEX_AUTH_TOKEN = "f1" * 16
FLEX_WORKSPACE_SID = "WS" + "f1" * 16
FLEX_WORKFLOW_SID = "WW" + "f1" * 16

OFFLINE_SID = "WA" + "0a" * 16
AVAILABLE_SID = "WA" + "1a" * 16
UNAVAILABLE_SID = "WA" + "2a" * 16
ACTIVITIES = (
    (OFFLINE_SID, "Offline", False),
    (AVAILABLE_SID, "Available", True),
    (UNAVAILABLE_SID, "Unavailable", False),
)

WORKSPACE_NAME = "Expert hub"
TASK_QUEUE_NAME = "Everyone"
TARGET_WORKERS = "1==1"

NUMBERS = {
    "sms": "+15550100999",
    "whatsapp": "whatsapp:+15550100999",
    "messenger": "messenger:15550100999",
    "rcs": "rcs:expert_hub",
}
PHONE_NUMBERS = (NUMBERS["sms"],)
WORKER_EVENTS = "worker.activity.update,worker.attributes.update,worker.created,worker.deleted"

# identity, available
WORKERS = (("ada@example.test", True), ("grace@example.test", True), ("alan@example.test", False))

# Approved templates: by the name they have in WHATSAPP_TEMPLATES, the SID, what it says, a sample for each gap.
TEMPLATES = {
    "hello": (
        "HX" + "5a" * 16,
        "Hello {{1}}, this is {{2}}. Do you have a moment?",
        {"1": "customer name", "2": "worker name"},
    ),
    "order_ready": (
        "HX" + "6b" * 16,
        "Hello {{1}}, your order {{2}} is ready. We keep it until {{3}}.",
        {"1": "customer name", "2": "A-1001", "3": "Friday"},
    ),
}

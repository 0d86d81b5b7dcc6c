"""What became of a customer's messages, and a webhook that tells of one."""

from typing import Any

from tests.e2e.conftest import House

MARIA = "+15550100001"


async def answered(house: House, ch: str, count: int) -> bool:
    return sum(1 for row in (await house.dump(ch))["history"] if row["trigger"] == "bot_replied") >= count


def form_of(ch: str, message: dict[str, Any]) -> dict[str, str]:
    return {
        "EventType": "onMessageAdded",
        "ConversationSid": ch,
        "MessageSid": message["sid"],
        "Index": str(message["index"]),
        "Author": message["author"],
        "Body": message["body"],
        "ParticipantSid": message["participant_sid"],
    }


async def answers_follow(house: House, ch: str) -> None:
    """No answer stands before the message it answers: at no point more answers than messages, the welcome aside."""
    balance = 1
    for author, _body in await house.said(ch):
        balance += -1 if author == "system" else 1
        assert balance >= 0

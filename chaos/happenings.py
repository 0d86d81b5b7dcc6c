"""What happens in a conversation, made up by dice: customers who ask for somebody, workers who come and go."""

import random
from itertools import count

from states.events import ConversationClosed, ConversationStarted
from states.facts import Fact, MessagePublished, ParticipantGone, ParticipantPresent
from states.names import MessageSid, ParticipantSid

CUSTOMER, PROXY = "+15550100001", "+15550100999"
WORKERS = ("ada@example.test", "grace@example.test")
PLAIN = ("Hello", "What is this?", "I see", "Thanks")
ROUTING = ("AGENT", WORKERS[1])
WINDOW, WINDOWS = 20, 2
Script = list[list[Fact]]


def script(chance: random.Random) -> Script:
    """What happens in each window, in order. Either the customer asks for somebody, or workers come and go by
    themselves: which of the two was first is written nowhere, so no order would be the right one."""
    windows: Script = [[ConversationStarted(CUSTOMER, PROXY), _present(0, None)]]
    visited, inside = chance.random() < 0.5, dict[int, str]()
    numbers = count(1)
    for n in range(WINDOWS):
        window = windows[n]
        for number in (next(numbers) for _ in range(chance.randint(2, WINDOW - len(window) - 1))):
            window.append(_happening(chance, number, visited, inside))
        windows.append([])
    if chance.random() < 0.2:
        windows[WINDOWS - 1].append(ConversationClosed("API"))
    return windows[:WINDOWS]


def _happening(chance: random.Random, number: int, visited: bool, inside: dict[int, str]) -> Fact:
    """The next thing that happens. `inside`: the workers who are in the conversation, by number of participant."""
    if not visited:
        return _message(number, chance.choice(ROUTING if chance.random() < 0.1 else PLAIN), 0, CUSTOMER)
    throw = chance.random()
    outside = [identity for identity in WORKERS if identity not in inside.values()]
    if throw < 0.15 and outside:
        inside[number] = chance.choice(outside)
        return _present(number, inside[number])
    if throw < 0.3 and inside:
        who = chance.choice(sorted(inside))
        return ParticipantGone(ParticipantSid(f"MB{who:032x}"), inside.pop(who))
    if throw < 0.45 and inside:
        who = chance.choice(sorted(inside))
        return _message(number, "I am here", who, inside[who])
    return _message(number, chance.choice(PLAIN), 0, CUSTOMER)


def _message(number: int, body: str, participant: int, author: str) -> MessagePublished:
    name = MessageSid(f"IM{number + 4096:032x}")
    return MessagePublished(name, -1, author, body, participant_sid=ParticipantSid(f"MB{participant:032x}"))


def _present(participant: int, identity: str | None) -> ParticipantPresent:
    sid = ParticipantSid(f"MB{participant:032x}")
    return ParticipantPresent(sid, identity) if identity else ParticipantPresent(sid, None, CUSTOMER, PROXY)

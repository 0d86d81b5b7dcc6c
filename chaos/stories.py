"""The golden stories: what customers go through, and what each of them must have been told in the end."""

from collections import Counter

from chaos.stage import Stage, Story, Stuck
from orchestrator.adapters.menu_bot import INSTRUCTIONS, LOOKING_FOR_ANYONE, LOOKING_FOR_PERSON
from states.texts import BOT_TROUBLE, NOT_REACHABLE, PLEASE_WAIT, WELCOME

MARIA, OTHER = "+15550100001", "+15550100007"
GRACE = "grace@example.test"
# An agent in Flex, and what he says.
LIN, HELLO = "lin@flex.test", "This is Lin."
FOUND_GRACE = LOOKING_FOR_PERSON.format(identity=GRACE)


def _was_told(stage: Stage, sender: str, *bodies: str, perhaps: str = "") -> None:
    """Exactly this was said to the customer; `perhaps`, once, where TaskRouter was silent when somebody was looked for.
    Raises Stuck."""
    said, wanted = stage.said(sender), Counter(bodies)
    if said != wanted and said != wanted + Counter([perhaps]):
        raise Stuck(f"told {dict(said)}, and not {dict(wanted)}")


async def greeting(stage: Stage) -> None:
    """A known customer is greeted and asked."""
    await stage.say(MARIA, "Hello")
    await stage.hears(MARIA, INSTRUCTIONS)
    await stage.until(stage.is_quiet)
    _was_told(stage, MARIA, WELCOME, INSTRUCTIONS)


async def agent(stage: Stage) -> None:
    """A customer asks for anybody."""
    await stage.say(MARIA, "Hello, an agent please")
    await stage.reaches(MARIA, "with_worker")
    await stage.until(stage.is_quiet)
    _was_told(stage, MARIA, WELCOME, LOOKING_FOR_ANYONE, perhaps=PLEASE_WAIT)


async def email(stage: Stage) -> None:
    """A customer asks for one person."""
    await stage.say(MARIA, f"Is {GRACE} there?")
    await stage.reaches(MARIA, "with_worker")
    await stage.until(stage.is_quiet)
    _was_told(stage, MARIA, WELCOME, FOUND_GRACE)


async def nobody_available(stage: Stage) -> None:
    """A customer waits until somebody comes."""
    await stage.everyone_away()
    await stage.say(MARIA, "agent")
    await stage.hears(MARIA, PLEASE_WAIT)
    await stage.worker(GRACE, True)
    await stage.reaches(MARIA, "with_worker")
    await stage.until(stage.is_quiet)
    _was_told(stage, MARIA, WELCOME, LOOKING_FOR_ANYONE, PLEASE_WAIT)


async def closed(stage: Stage) -> None:
    """A conversation is closed, and the customer writes again."""
    await stage.say(MARIA, "Hello")
    await stage.hears(MARIA, INSTRUCTIONS)
    await stage.until(stage.is_quiet)
    await stage.close_conversation(MARIA)
    await stage.reaches(MARIA, "closed")
    await stage.say(MARIA, "Hello again")
    await stage.hears(MARIA, INSTRUCTIONS, times=2)
    await stage.until(stage.is_quiet)
    _was_told(stage, MARIA, WELCOME, INSTRUCTIONS, WELCOME, INSTRUCTIONS)


async def everything(stage: Stage) -> None:
    """Every kind of effect, each followed by another webhook and by a look, over two customers."""
    await stage.say(MARIA, "Hello")
    await stage.hears(MARIA, INSTRUCTIONS)
    await stage.say(MARIA, "agent")
    await stage.reaches(MARIA, "with_worker")
    await stage.say(OTHER, f"Is {GRACE} there?")
    await stage.reaches(OTHER, "with_worker")
    await stage.say(MARIA, "Thanks")
    await stage.say(OTHER, "Thanks")
    await stage.say_unheard(MARIA, "Goodbye")
    await stage.until(stage.is_quiet)
    _was_told(stage, MARIA, WELCOME, INSTRUCTIONS, LOOKING_FOR_ANYONE, perhaps=PLEASE_WAIT)
    _was_told(stage, OTHER, WELCOME, FOUND_GRACE)


async def known(stage: Stage) -> None:
    """A customer asks for whom he talked to last; followed like everything."""
    await stage.say(MARIA, f"Is {GRACE} there?")
    await stage.reaches(MARIA, "with_worker")
    await stage.until(stage.is_quiet)
    await stage.close_conversation(MARIA)
    await stage.reaches(MARIA, "closed")
    await stage.say(MARIA, "LAST")
    await stage.reaches(MARIA, "with_worker")
    await _goes_on(stage)


async def flexed(stage: Stage) -> None:
    """Flex refuses a customer, then takes him, serves him and gives him back; followed like everything."""
    await stage.say(MARIA, "Hello")
    await stage.hears(MARIA, INSTRUCTIONS)
    await stage.in_flex("faults", {"errors": {"400": 1}}, "PUT")
    await stage.say(MARIA, "flex")
    await stage.hears(MARIA, NOT_REACHABLE)
    await stage.until(stage.is_quiet)
    await stage.in_flex("faults", {}, "PUT")
    await stage.say(MARIA, "flex")
    there = await stage.reaches_flex(MARIA)
    await stage.in_flex(f"conversations/{there}/join", {"identity": LIN})
    await stage.in_flex(f"conversations/{there}/messages", {"author": LIN, "body": HELLO})
    await stage.hears(MARIA, HELLO)
    await stage.say(MARIA, "Where is my parcel?")
    await stage.until(stage.is_quiet)
    await stage.in_flex(f"conversations/{there}/leave", {"identity": LIN})
    await stage.reaches(MARIA, "awaiting_choice")
    await _goes_on(stage)
    if stage.said(MARIA)[HELLO] != 1:
        raise Stuck(f"the agent was heard {stage.said(MARIA)[HELLO]} times")


async def _goes_on(stage: Stage) -> None:
    """Another webhook, another customer, and what only a look finds."""
    await stage.say(MARIA, "Thanks")
    await stage.say(OTHER, "Hello")
    await stage.hears(OTHER, INSTRUCTIONS)
    await stage.say_unheard(MARIA, "Goodbye")
    await stage.until(stage.is_quiet)


async def bot_troubled(stage: Stage) -> None:
    """The bot fails over the first message: the customer is told so, and has a worker instead."""
    await stage.say(MARIA, "Hello")
    await stage.hears(MARIA, BOT_TROUBLE)
    await stage.reaches(MARIA, "with_worker")
    await stage.until(stage.is_quiet)
    _was_told(stage, MARIA, WELCOME, BOT_TROUBLE, perhaps=PLEASE_WAIT)


GOLDEN: dict[str, Story] = {
    "greeting": greeting,
    "agent": agent,
    "email": email,
    "nobody available": nobody_available,
    "closed": closed,
}

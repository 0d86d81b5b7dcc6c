"""The whole machine: five states, and what each makes of each fact.

A conversation is greeted once, with its first customer message (`greeting`), and belongs to the bot until the bot
sends the customer on (`awaiting_choice`). While somebody is looked for (`routing`) the bot is silent: the customer
is told once if nobody is free, and an email address still reaches its owner. A worker is *with* the customer once
Twilio says so (`with_worker`), whoever let him in, and as long as one is there the program says nothing. `closed`
is final.

Flex, another account, may have the customer in place of a worker: then he is `with_worker` too, and whoever had him
leaves once Flex has taken him. While Flex is being asked he is where he was, or in `routing`.

Who says STOP on a channel is heard before anything else: he leaves the queue, the bot is asked nothing and nothing is
said to him until he says START. HELP is answered by the program instead of the bot; a worker answers it himself.

People who are signed in act by events of their own. Whoever is relieved stays until the next has joined, so that the
customer is never alone because a join failed; who is no longer wanted is removed, and serves nobody from then on.

How to read it. The rows are in `rows/`, by whose doing they are; here is their order. The first row whose guards all
hold wins, and the last row of each state and trigger has no guard, so nothing is handled by omission: what is ignored
is ignored in a row of its own. `dest=None` is an internal row: the state stays. Sources are spelled out. Guards and
what a row does are names of methods of `Draft`; no name carries a dot, for a dotted name would be imported and
called. Nothing in a row triggers another: what must follow is an effect, and its result is the next event.

`VERSION` goes up with every change to a row that decides something else than before.
"""

from states.rows import bot, conversation, customer, failures, flex, people, workers
from states.rows.row import INITIAL, OPEN, STATES, Row

__all__ = ("INITIAL", "OPEN", "REPLAYED", "STATES", "TRANSITIONS", "VERSION", "Row")

VERSION = 2
REPLAYED = (1, 2)
"""The versions whose decisions this one makes again: 2 only added rows for what 1 did not know: events, and the words
STOP, START and HELP."""

# STOP comes before whatever else a message says. No other two parts share a trigger: their order is for the reader.
TRANSITIONS: tuple[Row, ...] = (
    *customer.KEYWORDS,
    *customer.MESSAGES,
    *bot.ANSWERS,
    *workers.SEARCHES,
    *workers.PRESENCE,
    *people.ACTS,
    *customer.CALLS,
    *flex.STAYS,
    *flex.TRANSFERS,
    *conversation.IDENTITY,
    *failures.FAILURES,
    *conversation.END,
)

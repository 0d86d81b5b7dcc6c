"""What is said to a customer in the program's name, and what the bot is asked and answers."""

from states import calls, texts
from states.effects import AskBot, SendMessage
from states.events import MessageReceived
from states.marks import writes
from states.policy import chosen
from states.writers.pen import Pen


class Talking(Pen):
    """The program speaks, and the bot has its turn."""

    __slots__ = ()

    @writes(SendMessage)
    def welcome(self) -> None:
        """Greet the customer."""
        self._say_own("welcome")

    @writes(SendMessage)
    def say_help(self) -> None:
        """Say what this is, and how to get out of it."""
        self._say_own("help")

    def silence(self) -> None:
        """Say nothing any more to whoever said STOP."""
        his = self.event.author if isinstance(self.event, MessageReceived) else self.next.address
        if his is not None and his not in self._silenced():
            self._note(silenced=(*self._silenced(), his))

    def speak_again(self) -> None:
        """Whoever said START is spoken to again."""
        self._note(silenced=tuple(address for address in self._silenced() if address != self.event.author))

    def forget_silence(self) -> None:
        """Whoever said START elsewhere is spoken to here too."""
        self._note(silenced=tuple(address for address in self.next.silenced if address != self.event.address))

    @writes(AskBot)
    def ask_bot(self) -> None:
        """Put the customer's message to the bot."""
        event, kept = self.event, self.next
        self._ask_for(
            AskBot(
                event.message_sid,
                event.author,
                chosen(event.body, kept.offered),
                "awaiting_choice",
                kept.turn,
                kept.asked,
                kept.language,
            )
        )
        self._note(asked=kept.asked + 1)

    @writes(SendMessage)
    def say_reply(self) -> None:
        """Send what the bot said, one message for each text; what it offers is a list under the last of them."""
        event = self.event
        said = [event.message, *event.more]
        if event.again and not any(said):
            said = [texts.own("ask_again", self.next.language)]
        if event.choices:
            said[-1] = "\n".join(filter(None, [said[-1], texts.numbered(event.choices)]))
        self._note(offered=event.choices or None)
        for text in said:
            self._say(text)

    def note_told(self) -> None:
        """Remember what the bot learned of the customer."""
        told = self.event.told
        if told:
            language = told.get("language", self.next.language)
            self._note(told={**(self.next.told or {}), **told}, language=language)

    def note_queue(self) -> None:
        """Remember in which queue somebody is looked for."""
        self._note(queue=self.event.queue)

    @writes(SendMessage)
    def say_no_routing(self) -> None:
        """Say that nobody can be brought in here at all."""
        self._say_own("no_routing")

    @writes(SendMessage)
    def say_bot_trouble(self) -> None:
        """Apologise for the bot; somebody is looked for."""
        self._say_own("bot_trouble")

    @writes(SendMessage)
    def say_bot_trouble_alone(self) -> None:
        """Apologise for the bot where nobody can be looked for."""
        self._say_own("bot_trouble_alone")

    def end_bot_turn(self) -> None:
        """What the bot answers from now on to earlier messages is kept and not sent."""
        self._note(turn=self.next.turn + 1, asked=0, offered=None)

    @writes(SendMessage)
    def say_call_missed(self) -> None:
        """Tell whoever called, in the language spoken with him, that he can write here."""
        self._say(calls.in_language(calls.CALL_MISSED, self.event.language))

    @writes(SendMessage)
    def say_call_not_taken(self) -> None:
        """Tell whoever called that the worker he asked for comes here."""
        self._say(calls.in_language(calls.CALL_NOT_TAKEN, self.event.language))

    @writes(SendMessage)
    def say_no_such_worker(self) -> None:
        """Say that nobody has the address, and ask again."""
        self._say_own("no_such_worker")

    @writes(SendMessage)
    def say_not_reachable(self) -> None:
        """Say that it did not work, and what to try next."""
        self._say_own("not_reachable")

    @writes(SendMessage)
    def say_please_wait(self) -> None:
        """Say, once, that the customer is in the queue."""
        self._say_own("please_wait")

    @writes(SendMessage)
    def say_last_is_away(self) -> None:
        """Say that whom the customer knows is not there, and that somebody else is looked for."""
        name = self.event.name
        if name is None:
            self._say_own("last_not_found")
        else:
            self._say(texts.own("last_is_away", self.next.language).format(name=name))

"""Who the customer is: what the events tell of him, and what the CRM knows."""

from states.conversation import Profile
from states.effects import FindCustomer, SetFriendlyName, SetParticipantAttributes
from states.marks import writes
from states.writers.pen import Pen


class Knowing(Pen):
    """The customer is made out."""

    __slots__ = ()

    @writes(FindCustomer)
    def find_customer(self) -> None:
        """Ask the CRM, once, as soon as an address is known."""
        if not self.next.enriching and self.next.address is not None:
            self._ask_for(FindCustomer(self.next.address))
            self._note(enriching=True)

    def note_pair(self) -> None:
        """Remember the address pair."""
        event, kept = self.event, self.next
        self._note(
            address=kept.address or event.address,
            proxy_address=kept.proxy_address or event.proxy_address,
        )

    def note_customer_participant(self) -> None:
        """Remember the first customer participant."""
        event, kept = self.event, self.next
        if kept.customer_sid is None:
            self._note(
                customer_sid=event.participant_sid,
                address=kept.address or event.address or event.identity,
                proxy_address=kept.proxy_address or event.proxy_address,
            )

    def note_author(self) -> None:
        """Remember who wrote, where no earlier event said it, in which language, and whether he said STOP elsewhere."""
        event, kept = self.event, self.next
        if kept.language is None and event.language is not None:
            self._note(language=event.language)
        if event.stopped is not None:
            self._note(silenced=self._silenced())
        if kept.address is None:
            self._note(address=event.author, customer_sid=kept.customer_sid or event.participant_sid)

    @writes(SetFriendlyName, SetParticipantAttributes)
    def enrich(self) -> None:
        """Put what the CRM knows where the worker sees it."""
        event, kept = self.event, self.next
        self._note(
            customer=Profile(event.customer_id, event.display_name, event.avatar),
            language=kept.language if event.language is None else event.language,
        )
        self._ask_for(SetFriendlyName(event.display_name[:256]))
        known = {"customer_id": event.customer_id, "display_name": event.display_name, "avatar": event.avatar}
        attributes = {name: value for name, value in known.items() if value is not None}
        self._ask_for(SetParticipantAttributes(kept.customer_sid, kept.address, attributes))

"""The official client as the adapters take it."""

from twilio.rest import Client

from orchestrator.adapters.twilio_client import Connect


def at_hand(client: Client) -> Connect:
    """A client that is made already."""

    async def connect() -> Client:
        return client

    return connect

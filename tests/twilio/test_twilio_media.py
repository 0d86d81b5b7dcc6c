"""What messages carry, from Twilio's Media Content Service, against the sandbox and against what is not Twilio."""

import aiohttp
import pytest
from aiohttp import web
from twilio.rest import Client
from yarl import URL

from orchestrator.adapters.twilio_media import TwilioMedia
from orchestrator.errors import Ambiguous, EffectError, Held, NotProcessed, Rejected
from orchestrator.ports import Attachment, Attachments
from orchestrator.sandbox import seeds
from orchestrator.sandbox.drafts import Draft, Opening
from orchestrator.sandbox.records import Media
from orchestrator.sandbox.server import Running
from tests.clients import at_hand
from tests.e2e.doors import serving

PICTURE = Media("ME" + "1" * 32, "image/png", "shoes.png", 6650)
CREDENTIALS = seeds.ACCOUNT_SID, seeds.AUTH_TOKEN
ENOUGH = 100_000


@pytest.fixture
def port(client: Client, session: aiohttp.ClientSession, sandbox: Running) -> Attachments:
    return TwilioMedia(at_hand(client), session, CREDENTIALS, 5.0, sandbox.url)


def shown(sandbox: Running) -> tuple[str, str]:
    """A conversation with a message that carries a picture; their SIDs."""
    world = sandbox.sandbox.world
    conversation = world.open_conversation(Opening())
    return conversation.sid, world.publish(conversation, Draft("+15550100001", media=(PICTURE,))).sid


@pytest.mark.parametrize("service", [None, seeds.CHAT_SERVICE_SID])
async def test_a_picture_is_described_and_fetched(sandbox: Running, port: Attachments, service: str | None) -> None:
    ch, message = shown(sandbox)
    assert await port.of_message(ch, message, service) == [Attachment(PICTURE.sid, "image/png", 6650)]
    content = await port.content(ch, service, PICTURE.sid, ENOUGH)
    assert content.startswith(b"\x89PNG")
    with pytest.raises(Rejected, match="1000 bytes"):
        await port.content(ch, service, PICTURE.sid, 1000)


@pytest.mark.parametrize("service", [None, seeds.CHAT_SERVICE_SID])
async def test_what_is_kept_is_carried_by_a_message(sandbox: Running, port: Attachments, service: str | None) -> None:
    world = sandbox.sandbox.world
    conversation = world.open_conversation(Opening())
    media_sid = await port.keep(conversation.sid, service, b"GIF89a...", "image/gif")
    message = world.publish(conversation, Draft("ada@example.test", media=(world.uploads[media_sid].media,)))
    assert await port.of_message(conversation.sid, message.sid, service) == [Attachment(media_sid, "image/gif", 9)]
    assert await port.content(conversation.sid, service, media_sid, ENOUGH) == b"GIF89a..."


async def test_what_is_not_kept_is_told_by_its_class(sandbox: Running, port: Attachments) -> None:
    ch = sandbox.sandbox.world.open_conversation(Opening()).sid
    with pytest.raises(Rejected):
        await port.keep(ch, seeds.CHAT_SERVICE_SID, b"", "image/gif")
    with pytest.raises(Rejected):
        await port.keep(ch, "IS" + "0" * 32, b"GIF89a", "image/gif")


async def test_what_is_not_there_is_rejected(sandbox: Running, port: Attachments) -> None:
    ch, _message = shown(sandbox)
    with pytest.raises(Rejected):
        await port.content(ch, None, "ME" + "0" * 32, ENOUGH)
    with pytest.raises(Rejected):
        await port.of_message(ch, "IM" + "0" * 32, None)


async def test_a_wrong_token_is_held(sandbox: Running, client: Client, session: aiohttp.ClientSession) -> None:
    ch, _message = shown(sandbox)
    port = TwilioMedia(at_hand(client), session, (seeds.ACCOUNT_SID, "wrong"), 5.0, sandbox.url)
    with pytest.raises(Held):
        await port.content(ch, seeds.CHAT_SERVICE_SID, PICTURE.sid, ENOUGH)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, "[]", Ambiguous),
        (200, "{}", Ambiguous),
        (200, '{"links": {"content_direct_temporary": null}}', Ambiguous),
        (302, "", Ambiguous),
        (500, "", Ambiguous),
        (429, "", NotProcessed),
        (404, '{"code": 20404}', Rejected),
    ],
)
async def test_an_answer_that_is_none_is_its_class(
    client: Client, session: aiohttp.ClientSession, status: int, body: str, expected: type[EffectError]
) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=body)

    async with serving(answer) as url:
        port = TwilioMedia(at_hand(client), session, CREDENTIALS, 5.0, url)
        with pytest.raises(expected):
            await port.content("CH" + "0" * 32, seeds.CHAT_SERVICE_SID, PICTURE.sid, ENOUGH)


async def test_the_link_to_the_content_is_followed_without_credentials(
    client: Client, session: aiohttp.ClientSession
) -> None:
    asked: list[tuple[str, bool]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.path_qs, "Authorization" in request.headers))
        link = "https://media.us1.twilio.com/a%2Fb?Signature=x%2By~"
        described = {"links": {"content_direct_temporary": link}}
        return web.json_response(described) if len(asked) == 1 else web.Response(body=b"GIF8")

    async with serving(answer) as url:
        port = TwilioMedia(at_hand(client), session, CREDENTIALS, 5.0, url)
        assert await port.content("CH" + "0" * 32, seeds.CHAT_SERVICE_SID, PICTURE.sid, ENOUGH) == b"GIF8"
    described = f"/v1/Services/{seeds.CHAT_SERVICE_SID}/Media/{PICTURE.sid}"
    assert asked == [(described, True), ("/a%2Fb?Signature=x%2By~", False)]


@pytest.mark.parametrize("link", ["http://media.us1.twilio.com/x", "https://twilio.com.example.test/x", "file:///etc"])
async def test_a_link_to_what_is_not_twilios_is_not_followed(
    client: Client, session: aiohttp.ClientSession, link: str
) -> None:
    port = TwilioMedia(at_hand(client), session, CREDENTIALS, 5.0, None)
    with pytest.raises(Ambiguous, match="not Twilio's"):
        port._at(URL(link))

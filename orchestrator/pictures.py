"""The pictures in a conversation, for whoever may see it: fetched from Twilio, for browsers have no credentials."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from orchestrator.asking import ActRefused, a_sid, asking
from orchestrator.errors import Rejected
from orchestrator.ports import Attachment, Attachments
from storage.readers import Readers
from storage.schema import conversation

# What a browser shows as a picture and cannot run anything of.
SHOWN = ("image/gif", "image/jpeg", "image/png", "image/webp")
PICTURE_MAX_BYTES = 16 * 1024 * 1024
"""The largest that WhatsApp carries (Twilio Docs, "Conversations Limits")."""
MMS_MAX_BYTES = 5 * 1024 * 1024
# How each kind begins; what says it is a picture and is none would be shown by nobody.
_BEGINNINGS = {
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/webp": (b"RIFF",),
}


@dataclass(frozen=True, slots=True)
class Picture:
    """What somebody wants to send."""

    content: bytes
    content_type: str


class Pictures:
    """Fetches what is attached to messages, as far as it is a picture, and keeps what is to be attached."""

    def __init__(self, reader: Readers, attachments: Attachments) -> None:
        self._reader = reader
        self._attachments = attachments

    async def fetch(self, sid: str, message_sid: str, number: int) -> tuple[str, bytes]:
        """Content type and bytes of a message's attachment with this number, from 0. Raises ActRefused."""
        a_sid(sid), a_sid(message_sid, "IM")
        scope = await self._scope(sid)
        with asking("Twilio"):
            try:
                attached = await self._attachments.of_message(sid, message_sid, scope)
                picture = _chosen(attached, number)
                content = await self._attachments.content(sid, scope, picture.media_sid, PICTURE_MAX_BYTES)
            except Rejected as error:
                raise ActRefused("This picture is not there any more.", 404) from error
        return picture.content_type, content

    async def keep(self, sid: str, address: str | None, scope: str | None, picture: Picture) -> str:
        """The MediaSid of a picture that may be sent to this address. Raises ActRefused."""
        content_type = picture.content_type.partition(";")[0].strip().lower()
        if not picture.content.startswith(_BEGINNINGS.get(content_type, ())):
            raise ActRefused("This is no picture that can be sent: a JPEG, PNG, GIF or WebP is.", 422)
        limit = max_bytes(address)
        if len(picture.content) > limit:
            raise ActRefused(f"This picture is too large: {limit // 1024**2} MB are the most here.", 422)
        with asking("Twilio"):
            return await self._attachments.keep(sid, scope, picture.content, content_type)

    async def _scope(self, sid: str) -> str | None:
        def question(connection: Connection) -> tuple[str | None] | None:
            found = connection.execute(
                select(conversation.c.service_sid).where(conversation.c.sid == sid)
            ).one_or_none()
            return None if found is None else (found.service_sid,)

        row = await self._reader.read(question)
        if row is None:
            raise ActRefused("There is no such conversation.", 404)
        return row[0]


def max_bytes(address: str | None) -> int:
    """The largest picture that may be sent to this address."""
    return MMS_MAX_BYTES if address is not None and address.startswith("+") else PICTURE_MAX_BYTES


def _chosen(attached: list[Attachment], number: int) -> Attachment:
    if not 0 <= number < len(attached):
        raise ActRefused("There is no such picture.", 404)
    picture = attached[number]
    if picture.content_type not in SHOWN:
        raise ActRefused("This is no picture that can be shown here.", 422)
    if picture.size > PICTURE_MAX_BYTES:
        raise ActRefused("This picture is too large to be shown here.", 422)
    return picture

"""Pictures in and out: what a worker sends with his message, and a photo of a customer's alone."""

from contextlib import suppress
from pathlib import Path

import pytest

from orchestrator import sandbox
from orchestrator.acts import ActRefused
from orchestrator.pictures import MMS_MAX_BYTES, Picture
from storage.threads import thread
from tests.e2e.conftest import House, on_both
from tests.e2e.staff import ADA, ADAS, GRACES, MARIA, acts, refused, with_ada

SHOES = Picture(Path(sandbox.__file__).with_name("static").joinpath("sample.png").read_bytes(), "image/png")


async def uploads(house: House) -> int:
    return sum(entry["path"].endswith("/Media") and entry["status"] == 201 for entry in await house.ledger())


@on_both
async def test_a_picture_is_sent_before_the_words_that_go_with_it(house: House) -> None:
    sid = await with_ada(house)
    for _twice in range(2):
        await acts(house).write(sid, ADAS, "These?", "token-0001", SHOES)
    await house.quiet(sid)
    picture, words = (await house.record(sid))["messages"][-2:]
    assert (picture["author"], picture["body"], picture["media"][0]["content_type"]) == (ADA, None, "image/png")
    assert (words["author"], words["body"], words["media"]) == (ADA, "These?", None)
    assert await uploads(house) == 1
    assert await acts(house).picture(sid, picture["sid"], 0) == ("image/png", SHOES.content)
    entries, _more = await house.service.reader.read(lambda connection: thread(connection, sid))
    assert [(entry.body, entry.media, entry.side) for entry in entries[-2:]] == [
        ("", 1, "worker"),
        ("These?", 0, "worker"),
    ]


async def test_a_picture_needs_no_words(house: House) -> None:
    sid = await with_ada(house)
    before = len((await house.record(sid))["messages"])
    await acts(house).write(sid, ADAS, " ", "token-0001", SHOES)
    await house.quiet(sid)
    assert len((await house.record(sid))["messages"]) == before + 1


async def test_a_picture_is_sent_once_whatever_is_cut_off(house: House) -> None:
    sid = await with_ada(house)
    before = len((await house.record(sid))["messages"])
    await house.post("/sandbox/faults", {"seed": 3, "cut_after_commit": 0.5}, "PUT")
    for number in range(3):

        async def is_taken(token: str = f"token-{number:04}") -> bool:
            with suppress(ActRefused):
                await acts(house).write(sid, ADAS, "", token, SHOES)
                return True
            return False

        await house.until(is_taken)
    await house.quiet(sid, 40)
    assert len((await house.record(sid))["messages"]) == before + 3


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (Picture(b"<svg onload=alert(1)>", "image/svg+xml"), "no picture that can be sent"),
        (Picture(b"<html>", "image/png"), "no picture that can be sent"),
        (Picture(b"", "image/png"), "no picture that can be sent"),
        (Picture(SHOES.content + bytes(MMS_MAX_BYTES), "image/png"), "5 MB are the most"),
    ],
    ids=["svg", "html", "nothing", "too large"],
)
async def test_what_is_no_picture_is_refused_and_nothing_is_uploaded(house: House, picture: Picture, says: str) -> None:
    sid = await with_ada(house)
    with refused(422, says):
        await acts(house).write(sid, ADAS, "look", "token-0001", picture)
    assert await uploads(house) == 0


async def test_who_is_not_with_the_customer_uploads_nothing(house: House) -> None:
    sid = await with_ada(house)
    with refused(403, "not in this conversation"):
        await acts(house).write(sid, GRACES, "", "token-0001", SHOES)
    assert await uploads(house) == 0


async def test_a_photo_alone_is_a_message_for_the_bot_and_for_the_worker(house: House) -> None:
    photo = [{"content_type": "image/jpeg"}]
    sid = await house.say(MARIA, "", media=photo)
    await house.state(sid, "awaiting_choice")
    await house.quiet(sid)
    assert [author for author, _body in await house.said(sid)] == [MARIA, "system", "system"]
    await house.say(MARIA, f"{ADA}, please")
    await house.state(sid, "with_worker")
    await house.say(MARIA, "", media=photo)

    async def has_both() -> bool:
        entries, _more = await house.service.reader.read(lambda connection: thread(connection, sid))
        return sum(entry.media for entry in entries if entry.side == "customer") == 2

    await house.until(has_both)


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "image/gif", "image/webp"])
async def test_a_picture_is_fetched_for_whoever_may_see_it(house: House, kind: str) -> None:
    sid = await house.say(MARIA, "", media=[{"content_type": kind, "filename": "shoes"}])
    await house.state(sid, "awaiting_choice")
    (message, *_) = (await house.record(sid))["messages"]
    found, content = await acts(house).picture(sid, message["sid"], 0)
    assert found == kind
    assert content.startswith((b"\x89PNG", b"\xff\xd8", b"GIF8", b"RIFF"))
    for wrong in (-1, 1):
        with refused(404, "no such picture"):
            await acts(house).picture(sid, message["sid"], wrong)
    with refused(404, "not there"):
        await acts(house).picture(sid, "IM" + "0" * 32, 0)
    with refused(404, "no such message"):
        await acts(house).picture(sid, "../Participants", 0)


async def test_what_is_no_picture_is_not_shown(house: House) -> None:
    sid = await house.say(MARIA, "", media=[{"content_type": "image/svg+xml"}, {"content_type": "text/html"}])
    await house.state(sid, "awaiting_choice")
    (message, *_) = (await house.record(sid))["messages"]
    for number in range(2):
        with refused(422, "no picture"):
            await acts(house).picture(sid, message["sid"], number)

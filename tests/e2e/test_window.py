"""WhatsApp's 24 hours: outside them no free text leaves, and an approved template does."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from orchestrator.acts import ActRefused
from orchestrator.asking import OutsideWindow
from storage.schema import conversation, history
from storage.threads import thread
from tests.e2e.conftest import House, on_both
from tests.e2e.doors import CREDENTIALS, WORKSPACE
from tests.e2e.staff import ADA, ADAS, acts, refused, settled
from tests.e2e.test_stop import heard

MARIA = "whatsapp:+15550100001"
TEMPLATE = "HX" + "1a" * 16
TEMPLATES = {"WHATSAPP_TEMPLATES": f"order_ready={TEMPLATE}"}
DAY = timedelta(hours=24, minutes=1)


async def with_ada(house: House) -> str:
    sid = await house.say(MARIA, f"{ADA}, please", channel="whatsapp")
    await house.state(sid, "with_worker")
    await house.quiet(sid)
    return sid


async def a_day_passes(house: House, sid: str, *, for_us: bool = True) -> None:
    """Everything that was said was said a day earlier; `for_us`: we know it too."""
    for message in house.sandbox.sandbox.world.conversations[sid].messages.values():
        message.created -= DAY
    if for_us:
        shift = round(DAY.total_seconds() * 1000)
        await house.service.writer.run(
            lambda unit: (
                unit.connection.execute(update(history).values(at=history.c.at - shift)),
                unit.connection.execute(update(conversation).values(updated_at=conversation.c.updated_at - shift)),
            )
        )


async def shown(house: House, sid: str) -> list[Any]:
    entries, _more = await house.service.reader.read(lambda connection: thread(connection, sid))
    return entries


@on_both
async def test_after_a_day_a_worker_is_offered_templates(bare_house: House) -> None:
    house = bare_house
    await house.start(**TEMPLATES)
    sid = await with_ada(house)
    await acts(house).write(sid, ADAS, "One moment", "token-0001")
    await a_day_passes(house, sid)
    with pytest.raises(OutsideWindow, match=r"24 hours ago.*send one of them") as refusal:
        await acts(house).write(sid, ADAS, "It is ready", "token-0002")
    assert (refusal.value.status, refusal.value.templates) == (409, ("order_ready",))
    for _twice in range(2):
        await acts(house).send_template(sid, ADAS, "order_ready", {"1": "Maria"}, "token-0003")
    await house.quiet(sid)
    *_before, sent = (await house.record(sid))["messages"]
    assert (sent["author"], sent["content_sid"], sent["delivery"]["delivered"]) == (ADA, TEMPLATE, "all")
    forms = [entry["form"] for entry in await house.ledger() if "ContentSid" in entry["form"]]
    assert [form["ContentVariables"] for form in forms] == ['{"1":"Maria"}']
    assert (await shown(house, sid))[-1].body == "[order_ready] Maria"
    await house.say(MARIA, "Thank you", channel="whatsapp")
    await heard(house, sid, 2)
    await acts(house).write(sid, ADAS, "You are welcome", "token-0004")
    await house.quiet(sid)
    assert (await house.said(sid))[-1] == (ADA, "You are welcome")


async def test_without_templates_the_worker_is_told_so(bare_house: House) -> None:
    house = bare_house
    await house.start(**CREDENTIALS, TWILIO_API_URL=house.sandbox.url, **WORKSPACE)
    sid = await with_ada(house)
    await a_day_passes(house, sid)
    with refused(409, "none is set up here: see WHATSAPP_TEMPLATES"):
        await acts(house).write(sid, ADAS, "It is ready", "token-0001")
    with refused(404, "no such template"):
        await acts(house).send_template(sid, ADAS, "order_ready", {}, "token-0002")


async def test_the_window_is_the_senders_and_not_the_conversations(house: House) -> None:
    sid = await with_ada(house)
    await acts(house).close(sid, ADAS, "", "token-0001")
    await house.state(sid, "closed")
    other = await acts(house).start(ADAS, "1", "whatsapp", MARIA, "token-0002")
    await acts(house).write(other, ADAS, "One more thing", "token-0003")
    await house.quiet(other)
    assert (await house.said(other))[-1] == (ADA, "One more thing")


async def test_to_whoever_never_wrote_only_a_template_leaves(bare_house: House) -> None:
    house = bare_house
    await house.start(**TEMPLATES)
    sid = await acts(house).start(ADAS, "1", "whatsapp", MARIA, "token-0001")
    with pytest.raises(OutsideWindow):
        await acts(house).write(sid, ADAS, "Hello, Maria", "token-0002")
    await acts(house).send_template(sid, ADAS, "order_ready", {}, "token-0003")
    await settled(house, sid, [ADA])
    assert (await house.record(sid))["messages"][-1]["content_sid"] == TEMPLATE


async def test_what_waited_too_long_is_skipped_with_its_reason(house: House) -> None:
    sid = await with_ada(house)
    await house.post("/sandbox/faults", {"errors": {"429": 1}}, "PUT")
    await acts(house).write(sid, ADAS, "It is ready", "token-0001")
    await a_day_passes(house, sid)
    await house.post("/sandbox/faults", {}, "PUT")
    await house.quiet(sid)
    last = (await shown(house, sid))[-1]
    assert (last.body, last.status) == ("It is ready", "failed")
    assert last.error == (
        "It was not sent: WhatsApp takes free text only within 24 hours of the customer's last message."
    )


@on_both
async def test_what_whatsapp_refuses_later_reaches_the_worker_and_whoever_watches(house: House) -> None:
    sid = await with_ada(house)
    await a_day_passes(house, sid, for_us=False)
    with house.service.feed.subscribe() as changes:
        await acts(house).write(sid, ADAS, "It is ready", "token-0001")

        async for change in changes:
            assert change.sids is None or sid in change.sids
            last = (await shown(house, sid))[-1]
            if last.status == "failed":
                break
    assert last.error is not None
    assert last.error.endswith("(error 63016).")


async def test_no_other_channel_has_such_a_window(house: House) -> None:
    sid = await house.say("+15550100001", f"{ADA}, please")
    await house.state(sid, "with_worker")
    await house.quiet(sid)
    await a_day_passes(house, sid)
    await acts(house).write(sid, ADAS, "It is ready", "token-0001")
    await house.quiet(sid)
    assert (await house.said(sid))[-1] == (ADA, "It is ready")


@pytest.mark.parametrize("variables", [{"1": "x" * 1100}, {"1": "\x00"}])
async def test_what_no_template_takes_is_refused(bare_house: House, variables: dict[str, str]) -> None:
    await bare_house.start(**TEMPLATES)
    sid = await with_ada(bare_house)
    with pytest.raises(ActRefused, check=lambda refusal: refusal.status == 422):
        await acts(bare_house).send_template(sid, ADAS, "order_ready", variables, "token-0001")

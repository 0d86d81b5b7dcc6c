"""A conversation on a worker's phone: writing, failing, trying again, and everything beside it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.phones import GRACE, MARIA, at, with_worker
from tests.e2e.conftest import House

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def sid(house: House) -> str:
    return await with_worker(house)


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, house: House, sid: str) -> AsyncIterator[Page]:
    async with at(browser, house, GRACE) as page:
        await page.goto(f"{house.url}/app/c/{sid}")
        yield page


async def graces(house: House, sid: str) -> list[str]:
    """What Grace has said, as the customer got it."""
    return [body for author, body in await house.said(sid) if author == GRACE]


async def test_enter_sends_and_shift_enter_breaks_the_line(page: Page, house: House, sid: str) -> None:
    field = page.get_by_label("Message to Maria Sanchez")
    await field.press_sequentially("Good morning")
    await field.press("Shift+Enter")
    await field.press_sequentially("How are you?")
    await field.press("Enter")
    await expect(page.locator("#thread .own .bubble")).to_have_text("Good morning\nHow are you?")
    await expect(field).to_have_value("")
    await expect(page.locator("#thread .own .status")).to_have_text("Delivered")
    assert await graces(house, sid) == ["Good morning\nHow are you?"]


async def test_while_a_text_is_composed_enter_chooses(page: Page, house: House, sid: str) -> None:
    field = page.get_by_label("Message to Maria Sanchez")
    await field.fill("にほん")
    await field.dispatch_event("keydown", {"key": "Enter", "isComposing": True, "bubbles": True, "cancelable": True})
    await expect(field).to_have_value("にほん")
    assert await graces(house, sid) == []


async def test_what_is_begun_survives_a_reload_and_a_change_under_it(page: Page, house: House) -> None:
    field = page.get_by_label("Message to Maria Sanchez")
    await field.press_sequentially("I was about to")
    await house.say(MARIA, "Hello?")
    await expect(page.locator("#thread .customer .bubble").last).to_have_text("Hello?")
    await expect(field).to_be_focused()
    await expect(field).to_have_value("I was about to")
    await page.reload()
    await expect(field).to_have_value("I was about to")
    await field.press("Enter")
    await expect(page.locator("#thread .own .bubble")).to_have_text("I was about to")
    await page.reload()
    await expect(field).to_have_value("")


async def test_a_message_whose_answer_was_lost_is_tried_again_and_not_doubled(
    page: Page, house: House, sid: str
) -> None:
    async def lose_the_answer(route: Route) -> None:
        await route.fetch()
        await route.abort()

    await page.route("**/write", lose_the_answer)
    field = page.get_by_label("Message to Maria Sanchez")
    await field.fill("Only once")
    await field.press("Enter")
    await expect(page.locator("#unsent > li.failed")).to_contain_text("It is not known whether this was sent.")
    await page.unroute("**/write")
    await page.reload()
    await expect(page.locator("#unsent .bubble")).to_have_text("Only once")
    await expect(page.locator("#unsent > li.failed")).to_contain_text("It is not known whether this was sent.")
    await page.locator("#unsent").get_by_role("button", name="Try again").click()
    await expect(page.locator("#unsent > li")).to_have_count(0)
    await expect(page.locator("#thread .own .bubble")).to_have_text("Only once")
    await house.quiet(sid)
    assert await graces(house, sid) == ["Only once"]


async def test_without_a_connection_a_message_waits_to_be_sent(page: Page, house: House, sid: str) -> None:
    await page.context.set_offline(True)
    field = page.get_by_label("Message to Maria Sanchez")
    for text in ("First", "Second"):
        await field.fill(text)
        await field.press("Enter")
    await expect(page.locator("#unsent > li.failed")).to_have_count(2)
    await page.context.set_offline(False)
    await page.reload()
    await expect(page.locator("#unsent .status").first).to_contain_text("Not sent · No connection.")
    await page.locator("#unsent > li").last.get_by_role("button", name="Discard").click()
    await page.locator("#unsent").get_by_role("button", name="Try again").click()
    await expect(page.locator("#thread .own .bubble")).to_have_text("First")
    await house.quiet(sid)
    assert await graces(house, sid) == ["First"]


async def test_what_is_begun_when_the_conversation_is_closed_stays_to_be_copied(
    page: Page, house: House, sid: str
) -> None:
    await page.get_by_label("Message to Maria Sanchez").fill("As I was about to say")
    await house.post(f"/sandbox/conversations/{sid}/close", {})
    await expect(page.get_by_text("This conversation is closed.", exact=False)).to_be_visible()
    for _ in range(2):
        await expect(page.locator("#unsent .bubble")).to_have_text("As I was about to say")
        await expect(page.locator("#unsent .status")).to_contain_text("Not sent")
        await page.reload()
    await page.locator("#unsent").get_by_role("button", name="Try again").click()
    await expect(page.locator("#unsent .status")).to_contain_text("This conversation is closed.")
    await page.locator("#unsent").get_by_role("button", name="Discard").click()
    await page.reload()
    await expect(page.get_by_text("This conversation is closed.", exact=False)).to_be_visible()
    await expect(page.locator("#unsent > li")).to_have_count(0)


async def test_a_message_that_was_given_up_is_tried_again_from_the_thread(page: Page, house: House, sid: str) -> None:
    await house.post("/sandbox/faults", {"errors": {"400": 1.0}}, method="PUT")
    field = page.get_by_label("Message to Maria Sanchez")
    await field.fill("Are you there?")
    await field.press("Enter")
    await expect(page.locator("#thread .own .status")).to_have_text("Not sent")
    await house.post("/sandbox/faults", {}, method="PUT")
    await page.locator("#thread").get_by_role("button", name="Try again").click()
    await expect(page.locator("#thread .own .status")).to_have_text("Delivered")
    assert await graces(house, sid) == ["Are you there?"]


async def test_a_quick_reply_is_put_into_the_composer_with_both_names(page: Page) -> None:
    await page.get_by_role("link", name="Quick replies").click()
    await page.get_by_role("button", name="Hello Maria Sanchez, this is Grace.").click()
    field = page.get_by_label("Message to Maria Sanchez")
    await expect(field).to_have_value("Hello Maria Sanchez, this is Grace. How can I help you today?")
    await expect(field).to_be_focused()


async def test_a_note_is_added_beside_the_conversation(page: Page, house: House, sid: str) -> None:
    beside = page.get_by_role("link", name="Customer and notes")
    assert (await beside.inner_text()).strip() == "Customer and notes"
    await beside.click()
    await expect(page.locator("#card")).to_contain_text("Customer since 2019.")
    await page.get_by_label("New note").fill("Prefers mornings.")
    await page.get_by_role("button", name="Add note").click()
    await expect(page.locator(".note")).to_contain_text("Prefers mornings.")
    await expect(page.get_by_label("New note")).to_have_value("")
    # Whoever it is handed to sees on a phone that there is one.
    await expect(page.get_by_role("link", name="Customer and notes 1 private note", exact=True)).to_be_attached()
    assert "mornings" not in str(await house.said(sid))


async def test_pictures_are_shown_through_the_service(page: Page, house: House) -> None:
    await house.say(MARIA, "Look at it", media=[{"content_type": "image/png", "filename": "coat.png", "size": 70}])
    picture = page.get_by_alt_text("Picture 1 from Maria Sanchez")
    await expect(picture).to_be_visible()
    assert await picture.evaluate("img => img.decode().then(() => img.naturalWidth)") > 0
    src = await picture.get_attribute("src")
    assert src is not None
    assert src.startswith("/app/c/CH")


async def test_the_bot_is_marked_and_days_are_told_apart(page: Page) -> None:
    await expect(page.locator("#thread .day")).to_have_text(["Today"])
    await expect(page.locator("#thread .program .who").first).to_have_text("Assistant")
    await expect(page.locator("#thread .customer .who").first).to_have_text("Maria Sanchez")


async def test_two_pages_show_the_same(browser: Browser, page: Page, house: House, sid: str) -> None:
    async with at(browser, house, GRACE) as other:
        await other.goto(f"{house.url}/app/c/{sid}")
        await page.get_by_label("Message to Maria Sanchez").fill("From the first")
        await page.keyboard.press("Enter")
        await expect(other.locator("#thread .own .bubble")).to_have_text("From the first")


async def test_a_restart_in_mid_conversation_loses_nothing(page: Page, house: House, sid: str) -> None:
    field = page.get_by_label("Message to Maria Sanchez")
    await house.stop()
    await field.fill("Are we still on?")
    await field.press("Enter")
    await expect(page.locator("#unsent .bubble")).to_have_text("Are we still on?")
    await house.start()
    await expect(page.locator("#thread .own .bubble")).to_have_text("Are we still on?")
    await house.quiet(sid)
    assert await graces(house, sid) == ["Are we still on?"]

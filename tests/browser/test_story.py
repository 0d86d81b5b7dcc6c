"""The whole story in four browsers, and what may go wrong in the middle of it.

A customer at the sandbox, a worker's phone, her colleague's, and a supervisor at his desk.
"""

import socket
from contextlib import AsyncExitStack
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, expect

from states.texts import WELCOME
from tests.browser.phones import ADA, DESK, GRACE, MARIA, PHONE, ROBERT, at, tab_to, with_worker
from tests.e2e.conftest import House

pytestmark = pytest.mark.asyncio(loop_scope="session")
BOSS = "supervisor@example.test"
TOUCH: dict[str, Any] = {"has_touch": True, "is_mobile": True, "permissions": ["notifications"]}
# Browsers of tests are always looked at; this one lies in a pocket, and remembers what it was asked to play and show.
POCKET = """
window.rung = { notified: [], played: 0 };
Object.defineProperty(Document.prototype, "visibilityState", { get: () => window.isInPocket ? "hidden" : "visible" });
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...when) { window.rung.played += 1; return start.apply(this, when); };
window.Notification = class extends Notification {
  constructor(text, options) { super(text, options); window.rung.notified.push([text, options.tag]); }
};
"""


async def stays(page: Page) -> None:
    """Remember that this page was not loaded again."""
    await page.evaluate("window.isTheSame = true")


async def has_stayed(page: Page) -> bool:
    return bool(await page.evaluate("window.isTheSame === true"))


async def texts_of(page: Page) -> list[str]:
    """What a worker's page says was written, the bot's part left out."""
    return await page.locator("#thread li:not(.program) .bubble").all_inner_texts()


async def text(customer: Page, body: str) -> None:
    """Write as the customer, on the sandbox's page."""
    await customer.get_by_label("Message from this phone").fill(body)
    await customer.keyboard.press("Enter")


async def phone_in_pocket(stack: AsyncExitStack, browser: Browser, house: House, login: str) -> Page:
    """A worker's phone that shows the list, was touched once, and was put away."""
    phone = await stack.enter_async_context(at(browser, house, login, PHONE, **TOUCH))
    await phone.add_init_script(POCKET)
    await phone.goto(f"{house.url}/app")
    await phone.get_by_text("No conversations").tap()
    await phone.evaluate("window.isInPocket = true")
    await stays(phone)
    return phone


async def rings(phone: Page, sid: str) -> None:
    """The phone shows a new conversation by itself, plays, notifies and counts; it is taken out of the pocket."""
    await expect(phone.locator("#rows > li")).to_contain_text("Maria Sanchez")
    await expect(phone).to_have_title("(2) Conversations · expert-hub")
    # Whoever is rung by a tag twice sees it once.
    rung = await phone.evaluate("window.rung")
    assert {tuple(one) for one in rung["notified"]} == {("A customer is waiting", sid)}
    assert rung["played"] >= 2
    assert await has_stayed(phone)
    await phone.evaluate("window.isInPocket = false")


async def test_a_customer_is_served_handed_over_and_said_goodbye_to_while_the_console_follows(
    browser: Browser, house: House
) -> None:
    async with AsyncExitStack() as stack:
        board = await stack.enter_async_context(at(browser, house, BOSS, DESK))
        await board.goto(f"{house.url}/console")
        await stays(board)
        grace = await phone_in_pocket(stack, browser, house, GRACE)
        ada = await phone_in_pocket(stack, browser, house, ADA)
        customer = await (await browser.new_context(viewport=DESK)).new_page()
        stack.push_async_callback(customer.context.close)
        await customer.goto(house.sandbox.url)
        said = customer.locator("#entries .body")

        await text(customer, "Hello")
        await expect(said).to_have_count(3)
        await expect(said.nth(1)).to_have_text(WELCOME)
        row = board.locator("tbody tr", has_text="Maria Sanchez")
        await expect(row).to_contain_text("With the assistant")
        sid = str(await row.get_attribute("data-key"))
        story = await board.context.new_page()
        await story.goto(f"{house.url}/console/c/{sid}")
        await stays(story)

        await text(customer, f"{GRACE}, please")
        await rings(grace, sid)
        await expect(row).to_contain_text("With a person")
        await expect(story.locator(".machine .current + .name")).to_have_text("with_worker")

        await grace.get_by_text("Maria Sanchez").tap()
        await grace.get_by_label("Message to Maria Sanchez").fill("Good morning, Maria")
        await grace.get_by_role("button", name="Send").tap()
        await expect(grace.locator("#thread .own .status")).to_have_text("Delivered")
        await expect(said.last).to_have_text("Good morning, Maria")
        await expect(story.locator("#transcript")).to_contain_text("Good morning, Maria")

        await grace.get_by_role("link", name="Hand over").tap()
        await grace.get_by_role("radio", name="Ada ada@example.test Available").check()
        await grace.get_by_label("Note for who comes next").fill("She is in a hurry.")
        await grace.get_by_role("button", name="Hand over").tap()
        await expect(grace.get_by_text("No conversations")).to_be_visible()
        await rings(ada, sid)
        await expect(row).to_contain_text(ADA)
        await expect(row).not_to_contain_text(GRACE)

        await ada.get_by_text("Maria Sanchez").tap()
        await expect(ada.locator("#thread .bubble", has_text="Good morning, Maria")).to_be_visible()
        assert await texts_of(ada) == ["Hello", f"{GRACE}, please", "Good morning, Maria"]
        await ada.get_by_role("link", name="Customer and notes").tap()
        await expect(ada.get_by_text("She is in a hurry.")).to_be_visible()
        await ada.get_by_role("link", name="Back to the messages").tap()
        await ada.get_by_role("link", name="Close", exact=True).tap()
        await ada.get_by_role("button", name="Close it").tap()
        await expect(ada.get_by_text("The conversation is closed.")).to_be_visible()

        await expect(board.get_by_text("No open conversation")).to_be_visible()
        await expect(story.locator(".machine .current + .name")).to_have_text("closed")
        assert await has_stayed(board)
        assert await has_stayed(story)


async def test_back_and_forward_show_what_is_true_now(browser: Browser, house: House) -> None:
    sid = await with_worker(house)
    async with at(browser, house, GRACE) as page:
        await page.goto(f"{house.url}/app")
        await page.get_by_text("Maria Sanchez").click()
        field = page.get_by_label("Message to Maria Sanchez")
        await field.press_sequentially("I was about to")
        await page.go_back()
        await expect(page.locator("#rows > li .count")).to_have_count(0)
        await house.say(MARIA, "Are you there?")
        await expect(page.locator("#rows > li")).to_contain_text("Are you there?")
        await page.go_forward()
        await expect(page).to_have_url(f"{house.url}/app/c/{sid}")
        await expect(page.locator("#thread .customer .bubble").last).to_have_text("Are you there?")
        await expect(field).to_have_value("I was about to")
        await field.press("Enter")
        await expect(page.locator("#thread .own .bubble")).to_have_text("I was about to")
        await page.go_back()
        await page.go_forward()
        await expect(field).to_have_value("")
        await expect(page.locator("#thread .own .bubble")).to_have_count(1)


async def test_two_tabs_stay_in_step_and_leave_together(browser: Browser, house: House) -> None:
    sid = await with_worker(house)
    async with at(browser, house, GRACE, DESK) as one:
        await one.goto(f"{house.url}/app")
        await expect(one).to_have_title("(1) Conversations · expert-hub")
        other = await one.context.new_page()
        await other.goto(f"{house.url}/app/c/{sid}")
        await expect(one).to_have_title("Conversations · expert-hub")
        await other.get_by_label("Message to Maria Sanchez").fill("Good morning")
        await other.keyboard.press("Enter")
        await expect(one.locator("#rows > li")).to_contain_text("Good morning")
        await one.get_by_role("switch").click()
        await other.reload()
        await expect(other.get_by_role("switch")).not_to_be_checked()
        await one.get_by_label("Grace: account").click()
        await one.get_by_role("button", name="Sign out").click()
        await one.wait_for_url(f"{house.url}/signin")
        await other.wait_for_url(f"{house.url}/signin?next=**")


async def test_a_restart_is_told_and_each_message_is_there_once(browser: Browser, house: House) -> None:
    sid = await with_worker(house)
    async with at(browser, house, GRACE) as page:
        await page.goto(f"{house.url}/app/c/{sid}")
        field = page.get_by_label("Message to Maria Sanchez")
        await field.fill("Before")
        await field.press("Enter")
        await expect(page.locator("#thread .own .status")).to_have_text("Delivered")
        await stays(page)
        await field.press_sequentially("Not finished")
        await page.route("**/write", lambda route: route.abort())
        await house.stop()
        await expect(page.locator("#connection")).to_contain_text("Connection lost")
        await field.fill("While it was away")
        await field.press("Enter")
        await expect(page.locator("#unsent > li.failed")).to_contain_text("While it was away")
        await field.press_sequentially("Begun while it was away")
        await house.start()
        await expect(page.locator("#connection")).to_be_hidden()
        await page.unroute("**/write")
        await page.locator("#unsent").get_by_role("button", name="Try again").click()
        await expect(page.locator("#unsent > li")).to_have_count(0)
        await house.say(MARIA, "After")
        await expect(page.locator("#thread .customer .bubble").last).to_have_text("After")
        assert await has_stayed(page)
        await expect(field).to_have_value("Begun while it was away")
        await house.quiet(sid)
        wanted = [f"{GRACE} please", "Before", "While it was away", "After"]
        assert await texts_of(page) == wanted
        assert [body for author, body in await house.said(sid) if author in (GRACE, MARIA)] == wanted


async def test_a_question_that_is_never_answered_keeps_neither_the_page_nor_a_message(
    browser: Browser, house: House
) -> None:
    sid = await with_worker(house)
    held: list[Route] = []

    async def hold_the_first(route: Route) -> None:
        if held or route.request.headers.get("x-fragment") != "live":
            await route.continue_()
        else:
            held.append(route)

    async with at(browser, house, GRACE) as page:
        await page.goto(f"{house.url}/app/c/{sid}")
        await page.route("**/app/c/*", hold_the_first)
        await page.get_by_label("Message to Maria Sanchez").fill("Good morning")
        await page.keyboard.press("Enter")
        await expect(page.locator("#unsent > li")).to_have_count(0)
        await expect(page.locator("#thread .own .status")).to_have_text("Delivered")
        assert len(held) == 1


async def test_when_the_server_is_gone_nothing_old_is_shown_as_new(browser: Browser, house: House) -> None:
    await with_worker(house)
    port = house.socket.getsockname()[1]
    async with at(browser, house, GRACE, service_workers="allow") as page:
        await page.goto(f"{house.url}/app")
        await page.evaluate("navigator.serviceWorker.ready")
        await page.reload()
        await house.stop()
        house.socket.close()
        await expect(page.locator("#connection")).to_contain_text("What you see may be out of date")
        await expect(page.locator("#main")).to_have_class("pane list stale")
        await page.reload()
        await expect(page.get_by_role("heading", name="No connection")).to_be_visible()
        await expect(page.get_by_text("Maria Sanchez")).to_have_count(0)
        house.socket = socket.create_server(("127.0.0.1", port))
        await house.start()
        await page.get_by_role("link", name="Try again").click()
        await expect(page.get_by_text("Maria Sanchez")).to_be_visible()


async def test_by_keyboard_alone_from_the_sign_in_to_the_sign_out(browser: Browser, house: House) -> None:
    sid = await with_worker(house)
    await with_worker(house, ROBERT, ADA)
    context = await browser.new_context(viewport=DESK)
    page = await context.new_page()
    press = page.keyboard.press
    await page.goto(house.url)
    await expect(page.get_by_label("Login")).to_be_focused()
    await tab_to(page, "Grace")
    await press("Enter")
    await page.wait_for_url(f"{house.url}/app")
    await tab_to(page, "Maria Sanchez")
    await press("Enter")
    await page.wait_for_url(f"**/app/c/{sid}")
    await tab_to(page, "Message to Maria Sanchez")
    await page.keyboard.type("One moment")
    await press("Enter")
    await expect(page.locator("#thread .own .status")).to_have_text("Delivered")
    await tab_to(page, "Hand over", backwards=True)
    await press("Enter")
    sheet = page.locator("#sheet")
    await expect(sheet).to_be_visible()
    choice = sheet.get_by_role("radio", name="Ada")
    while not await choice.evaluate("it => it === document.activeElement"):
        await press("Tab")
    await press("Space")
    await expect(choice).to_be_checked()
    await press("Tab")
    await page.keyboard.type("She waits for a call.")
    await tab_to(page, "Hand over")
    await press("Enter")
    await expect(page.get_by_text("No conversations")).to_be_visible()
    await tab_to(page, "Grace: account")
    await press("Enter")
    await tab_to(page, "Sign out")
    await press("Enter")
    await page.wait_for_url(f"{house.url}/signin")
    await house.quiet(sid)
    assert await house.identities(sid) == [ADA]
    await context.close()
